# shellcheck shell=bash
# scratch.sh - where tests and the demo keep sockets and state, how they find free ports and users. Sourced.
# SPDX-License-Identifier: Apache-2.0

# scratch_make BUILD NAME: a new directory, named in SCRATCH, with the programs to run in BIN. Under BUILD where every parent can be
# searched by other users and a socket's path stays well under sun_path's 108 bytes; else a mktemp -d with copies of the programs
# (home directories are 0700, and another user has to run them).
scratch_make() {
    local build=$1 name=$2 parent open=yes
    parent=$build/t
    mkdir -p "$parent"
    [ ${#parent} -le 55 ] || open=
    while [ "$parent" != / ]; do
        case $(stat -c %a "$parent") in
        *[1357]) ;;
        *) open= ;;
        esac
        parent=$(dirname "$parent")
    done
    if [ -n "$open" ]; then
        SCRATCH=$(mktemp -d "$build/t/$name.XXXXXX")
        BIN=$build
    else
        SCRATCH=$(mktemp -d "/tmp/mtlsd-$name.XXXXXX")
        BIN=$SCRATCH/bin
        mkdir -m 755 "$BIN"
        cp "$build/mtlsd" "$build/mtlsd-keeper" "$build/mtlsctl" "$BIN/"
    fi
    chmod 711 "$SCRATCH"
}

# A TCP port on loopback that was free a moment ago.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A number that no account has. Nothing is created for it.
free_uid() {
    local uid
    while :; do
        uid=$((40000 + RANDOM % 9000))
        getent passwd "$uid" >/dev/null || getent group "$uid" >/dev/null || { echo "$uid"; return; }
    done
}

# Does the process exist, and is it more than a zombie that its parent has not collected?
alive() {
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) && [ -n "$state" ] && [ "$state" != Z ]
}

# wait_until SECONDS command...: repeats it until it succeeds.
wait_until() {
    local ends=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -le $ends ] || { echo "waited in vain for: $*" >&2; return 1; }
        sleep 0.05
    done
}

# end_process PID [SIGNAL]: asks it to stop, waits, and insists after ten seconds.
end_process() {
    local pid=$1
    [[ $pid =~ ^[1-9][0-9]*$ ]] || return 0 # 0 would be this process group, -1 everybody
    kill -"${2:-TERM}" "$pid" 2>/dev/null || return 0
    local tries=0
    while alive "$pid"; do
        [ $tries -lt 200 ] || kill -KILL "$pid" 2>/dev/null
        tries=$((tries + 1))
        sleep 0.05
    done
}

# processes_of DIRECTORY: the processes whose command line names it (every one that these tests start does), this shell's own line apart.
processes_of() {
    local entry pid
    for entry in /proc/[0-9]*/cmdline; do
        pid=${entry#/proc/}
        pid=${pid%/cmdline}
        if [ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ]; then continue; fi
        if { tr '\0' ' ' <"$entry"; } 2>/dev/null | grep -qF -- "$1/"; then
            alive "$pid" && echo "$pid"
        fi
    done
    return 0
}
