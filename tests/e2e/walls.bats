#!/usr/bin/env bats
# walls.bats - what stands between a captured agent and the CA key: what status says, read again from /proc, and tried.
# SPDX-License-Identifier: Apache-2.0
#
# Agent and keeper run under two unallocated users, so this needs root (or sudo); the last tests show the lower wall without.
load helper

setup_file() {
    scratch walls
    if can_be_others; then
        AGENT_UID=$(free_uid) KEEPER_UID=$(free_uid)
        while [ "$KEEPER_UID" = "$AGENT_UID" ]; do KEEPER_UID=$(free_uid); done
        export AGENT_UID KEEPER_UID
        two_users
    fi
}
teardown_file() {
    if [ -n "${AGENT_UID:-}" ]; then as_root sh -c 'kill -TERM "$(cat "$1/agent.pid")" 2>/dev/null; rm -rf "$1/house"' sh "$S" || true; fi
    tear_down
}
setup() {
    need other-users can_be_others
    plain_build_only
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

two_users() {
    mkdir -m 755 "$S/house" "$S/house/policy.d"
    "$BIN/mtlsd" init --state "$S/house/state" --name "Example CA" --seal none
    printf '%s required permit\n' use issue verify revoke read >"$S/house/policy.d/default"
    cat >"$S/mtlsd.conf" <<EOF
[agent]
state=$S/house/state
socket=$S/house/agent.sock
epoch=$S/house/epoch
policy=$S/house/policy.d
user=$AGENT_UID
[keeper]
user=$KEEPER_UID
unlock=$S/house/unlock.sock
EOF
    export MTLS_SOCKET=$S/house/agent.sock
    as_root chown -R "$AGENT_UID:$AGENT_UID" "$S/house"
    as_root chown -R "$KEEPER_UID:$KEEPER_UID" "$S/house/state/keeper"
    if [ "$(id -u)" = 0 ]; then
        spawn agent "$BIN/mtlsd" --config "$S/mtlsd.conf"
    else
        spawn agent sudo -n "$BIN/mtlsd" --config "$S/mtlsd.conf"
    fi
    wait_until 20 answers_or_ended
    agent_running_or_tells
}
keeper() { ctl --json status | json "keeper.$1"; }
of_process() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }

@test "status' pid and uid of agent and keeper are those in /proc, and they differ" {
    pid=$(keeper pid)
    contains "$(tr '\0' ' ' <"/proc/$pid/cmdline")" mtlsd-keeper
    read -r real effective saved fs <<<"$(of_process "$pid" Uid)"
    for uid in "$real" "$effective" "$saved" "$fs" "$(keeper uid)"; do equals "$uid" "$KEEPER_UID"; done
    agent=$(ctl --json status | json pid)
    read -r real effective saved fs <<<"$(of_process "$agent" Uid)"
    for uid in "$real" "$effective" "$saved" "$fs" "$(ctl --json status | json uid)"; do equals "$uid" "$AGENT_UID"; done
}

@test "each wall that status names stands: seccomp, no new privileges, no capabilities, no dump" {
    pid=$(keeper pid)
    contains "$(keeper walls)" seccomp landlock nodump mlock uid
    equals "$(of_process "$pid" Seccomp)" 2
    equals "$(of_process "$pid" NoNewPrivs)" 1
    equals "$(of_process "$pid" CapEff)" 0000000000000000
    equals "$(of_process "$pid" CapPrm)" 0000000000000000
    # A process that is not dumpable belongs to root in /proc.
    equals "$(stat -c %u "/proc/$pid/mem")" 0
    [ "$(of_process "$pid" VmLck | awk '{ print $1 }')" -gt 0 ]
}

@test "the keeper has no network, no file but what it needs, and sockets for the agent and for passphrases alone" {
    pid=$(keeper pid)
    run -0 as_root find "/proc/$pid/fd" -printf '%l\n'
    while read -r target; do
        case $target in
        '' | /dev/null | socket:* | pipe:* | anon_inode:* | "$S"/house/state/keeper* | "$S"/agent.log) ;;
        *) echo "an open file that was not expected: $target"; false ;;
        esac
    done <<<"$output"
    # None of its sockets is of the network.
    while read -r socket; do
        run ! grep -qw "$socket" /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6
    done <<<"$(sed -n 's/^socket:\[\(.*\)\]$/\1/p' <<<"$output")"
}

@test "as the agent's user: /proc/KEEPER/mem and the sealed key are refused, and ptrace too" {
    pid=$(keeper pid)
    run ! as_uid "$AGENT_UID" head -c 1 "/proc/$pid/mem"
    contains "$output" "ermission denied"
    run ! as_uid "$AGENT_UID" ls "$S/house/state/keeper"
    contains "$output" "ermission denied"
    run ! as_uid "$AGENT_UID" python3 -c '
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE = 0x4206
sys.exit(0 if libc.ptrace(PTRACE_SEIZE, int(sys.argv[1]), 0, 0) == 0 else 1)' "$pid"
    run ! as_uid "$AGENT_UID" sh -c 'kill -0 "$1"' sh "$pid"
}

@test "as the agent's user: the keeper's unlock socket does not listen to the agent" {
    run ! as_uid "$AGENT_UID" "$BIN/mtlsctl" --socket "$MTLS_SOCKET" lock
    equals "$(ctl --json status | json state)" ready
}

@test "the agent's own walls: no new privileges, seccomp, no capabilities" {
    agent=$(ctl --json status | json pid)
    equals "$(of_process "$agent" NoNewPrivs)" 1
    equals "$(of_process "$agent" Seccomp)" 2
    equals "$(of_process "$agent" CapEff)" 0000000000000000
    contains "$(ctl --json status | json sandbox)" seccomp
}

@test "and behind these walls it works" {
    csr alice
    ctl sign "$S/alice.csr" --out "$S/alice.crt"
    run -0 ctl verify "$S/alice.crt"
    as_root grep -q SQLite "$(as_root find "$S/house/state" -maxdepth 1 -type f -name '*.db' -print -quit)"
}

@test "where agent and keeper share a user, status says that the wall is lower" {
    export MTLS_SOCKET=$S/agent.sock
    agent_of_house=$(pid_of agent)
    ca_init
    policy_open
    cp "$S/mtlsd.conf" "$S/two.conf"
    agent_config </dev/null
    spawn second "$BIN/mtlsd" --config "$S/mtlsd.conf"
    wait_until 20 answers
    lacks "$(keeper walls)" '"uid"'
    contains "$(ctl --json status | json warnings)" user
    end_process "$(pid_of second)"
    equals "$(pid_of agent)" "$agent_of_house"
}
