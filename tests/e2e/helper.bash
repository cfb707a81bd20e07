# helper.bash - what the end-to-end tests share: a scratch CA and agent, other users, JSON, facilities.
# SPDX-License-Identifier: Apache-2.0
#
# A test runs by itself: `bats tests/e2e/life.bats`; MTLSD_BUILD names the build directory (default build/). All that a test file
# makes lies in $S; teardown_file ends every process that names it and removes it (KEEP_SCRATCH=1 leaves it for a look).
bats_require_minimum_version 1.5.0
ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BUILD=$(realpath "${MTLSD_BUILD:-$ROOT/build}")
HERE=$ROOT/tests/e2e
export ROOT BUILD HERE
# shellcheck source=tests/scratch.sh
source "$ROOT/tests/scratch.sh"
export PYTHONPATH=$HERE PYTHONDONTWRITEBYTECODE=1
export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=0:detect_leaks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
if [ -x /usr/bin/python3 ]; then python3() { /usr/bin/python3 "$@"; }; fi

# need FACILITY command...: the test needs it. Missing is a failure, unless ALLOW_MISSING lists it: then the test is not run.
need() {
    local facility=$1
    shift
    "$@" >/dev/null 2>&1 && return 0
    case ,${ALLOW_MISSING:-}, in
    *,"$facility",*) skip "missing $facility" ;;
    esac
    echo "missing facility: $facility ('$*' does not work here); ALLOW_MISSING=$facility leaves the test out"
    return 1
}

# Is this a build with a sanitizer in it? Tests of locking, dumping and the allow-list belong to the plain build, where they are never left out.
sanitized() { [[ $BUILD == */san-* ]]; }
plain_build_only() { ! sanitized || skip "belongs to the plain build"; }

# --- a CA and its agent -----------------------------------------------------------------------------------------------

scratch() { # NAME
    scratch_make "$BUILD" "$1"
    S=$SCRATCH
    export S BIN
    export MTLS_SOCKET=$S/agent.sock
    # Where the test file itself is killed (a time limit, an interrupt), somebody has to end what it started.
    setsid bash -c 'source "$1"; while kill -0 "$2"; do sleep 1; done; for pid in $(processes_of "$3"); do kill -KILL "$pid"; done; rm -rf "$3"' \
        guardian "$ROOT/tests/scratch.sh" $$ "$S" >/dev/null 2>&1 </dev/null 3>&- &
    echo $! >"$S/guardian.pid"
    disown
}

ca_init() { # [options of init]
    local seal=(--seal none)
    [[ " $* " != *" --seal "* ]] || seal=()
    "$BIN/mtlsd" init --state "$S/state" --name "Example CA" "${seal[@]}" "$@"
}

# Writes $S/mtlsd.conf; further lines for [agent], or whole sections, come from standard input.
agent_config() {
    mkdir -p "$S/policy.d"
    {
        echo "[agent]"
        echo "state=$S/state"
        echo "socket=$S/agent.sock"
        echo "epoch=$S/epoch"
        [ -n "${NO_POLICY:-}" ] || echo "policy=$S/policy.d"
        cat
    } >"$S/mtlsd.conf"
}

# policy FILE: the policy of one service, from standard input.
policy() {
    mkdir -p "$S/policy.d"
    cat >"$S/policy.d/$1"
    chmod 644 "$S/policy.d/$1"
}

# A policy that lets the user who runs the tests, and root, do everything.
policy_open() {
    policy default <<EOF
use     required  peer uid=0,$(id -u)
issue   required  peer uid=0,$(id -u)
verify  required  permit
export  required  peer uid=0,$(id -u)
revoke  required  peer uid=0,$(id -u)
read    required  permit
admin   required  peer uid=0,$(id -u)
EOF
}

# spawn NAME command...: in the background; $S/NAME.pid, $S/NAME.log.
spawn() {
    local name=$1
    shift
    "$@" >>"$S/$name.log" 2>&1 </dev/null 3>&- &
    echo $! >"$S/$name.pid"
    disown
}
pid_of() { cat "$S/$1.pid"; }

answers() { "$BIN/mtlsctl" --socket "$MTLS_SOCKET" status >/dev/null 2>&1; }
agent_running_or_tells() {
    alive "$(pid_of agent)" && return 0
    echo "the agent has ended; its log:"
    cat "$S/agent.log"
    return 1
}
answers_or_ended() { answers || ! alive "$(pid_of agent)"; }

agent_start() {
    spawn agent "$BIN/mtlsd" --config "$S/mtlsd.conf"
    wait_until 30 answers_or_ended && agent_running_or_tells
}
agent_stop() { end_process "$(pid_of agent)" TERM; }

# state_is ready|locked|keeperAway: as status says. For wait_until.
state_is() { [ "$("$BIN/mtlsctl" --json status 2>/dev/null | json state 2>/dev/null)" = "$1" ]; }

# scratch, CA, open policy, agent: what most files begin with.
house() { # NAME [options of init]
    scratch "$1"
    shift
    ca_init "$@"
    policy_open
    agent_config </dev/null
    agent_start
}

# For teardown_file: no process is left, nothing is left.
tear_down() {
    [ -n "${S:-}" ] || return 0
    local pid
    kill -KILL "$(pid_of guardian)"
    if [ -e "$S/agent.pid" ]; then agent_stop; fi
    for pid in $(processes_of "$S"); do end_process "$pid" KILL; done
    if [ -n "${KEEP_SCRATCH:-}" ]; then echo "# kept: $S" >&3; else rm -rf "$S"; fi
}

ctl() { "$BIN/mtlsctl" "$@"; }

# --- other users ------------------------------------------------------------------------------------------------------

can_be_others() { [ "$(id -u)" = 0 ] || sudo -n true; }

# as_uid N command...: as a user whom no account knows, in no group but its own.
as_uid() {
    local uid=$1
    shift
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
    else
        sudo -n setpriv --reuid "$uid" --regid "$uid" --clear-groups env MTLS_SOCKET="$MTLS_SOCKET" "$@"
    fi
}

# --- looking at results -----------------------------------------------------------------------------------------------

# json PATH: a member of the JSON object on standard input ("certificate.serial", "chain.0"); lists come one item a line.
json() {
    python3 -c '
import json, sys
value = json.load(sys.stdin)
for part in filter(None, sys.argv[1].split(".")):
    value = value[int(part)] if isinstance(value, list) else value[part]
def text(v):
    return v if isinstance(v, str) else json.dumps(v)
print("\n".join(map(text, value)) if isinstance(value, list) else text(value))' "$1"
}

serial_of() { openssl x509 -in "$1" -noout -serial | sed 's/^serial=//' | tr 'A-F' 'a-f' | sed 's/^0*//'; }
rows() { ctl --json list "$@" | grep -c . || true; }

# contains TEXT PART...: a plain-words assertion that shows what there was instead.
contains() {
    local text=$1 part
    shift
    for part; do
        [[ $text == *"$part"* ]] || { printf 'expected to find: %s\nin: %s\n' "$part" "$text"; return 1; }
    done
}
lacks() {
    [[ $1 != *"$2"* ]] || { printf 'expected not to find: %s\nin: %s\n' "$2" "$1"; return 1; }
}
equals() {
    [ "$1" = "$2" ] || { printf 'expected: %s\nfound:    %s\n' "$2" "$1"; return 1; }
}

# A key and a CSR made by openssl: csr NAME [-addext ...] writes $S/NAME.key and $S/NAME.csr.
csr() {
    local name=$1
    shift
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$S/$name.key" -out "$S/$name.csr" \
        -subj "/CN=$name" "$@" 2>/dev/null
}
