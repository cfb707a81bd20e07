#!/usr/bin/env bats
# config.bats - a wrong key or value is an error with file and line, never ignored.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    scratch config
    ca_init
    policy_open
}
teardown_file() { tear_down; }

# wrong LINE WORD...: the configuration with these further lines (\n between) is refused at its sixth line, with these words.
wrong() {
    local text=$1
    shift
    printf '%b\n' "$text" | agent_config
    run ! "$BIN/mtlsd" --config "$S/mtlsd.conf" --check-config
    contains "$output" "$S/mtlsd.conf:6:" "$@"
    run ! timeout 5 "$BIN/mtlsd" --config "$S/mtlsd.conf"
    contains "$output" "$S/mtlsd.conf:6:"
}

@test "a good file: --check-config exits 0" {
    agent_config </dev/null
    "$BIN/mtlsd" --config "$S/mtlsd.conf" --check-config
}

@test "an unknown key, with the nearest known one" { wrong 'crl-lief=7d' crl-lief crl-life; }
@test "an unknown section" { wrong '[agnet]' agnet agent; }
@test "a term that is none" { wrong 'crl-life=soon' crl-life; }
@test "a number out of its bounds" { wrong 'connections=0' connections; }
@test "an empty value" { wrong 'crl=' crl; }
@test "a key twice" { wrong 'socket=/tmp/other.sock' socket; }
@test "a comment after a value is not cut off in silence" { wrong 'crl-life=7d ; a week' 'a comment'; }
@test "a line that is too long" { wrong "crl=/$(printf 'a%.0s' $(seq 250))"; }
@test "a continuation line" { wrong '  indented=1'; }
@test "a line that is no key" { wrong 'nonsense'; }
@test "a key type that is none, in a profile" {
    printf '[profile x]\nkey-type=rsa:512\n' | agent_config
    run ! "$BIN/mtlsd" --config "$S/mtlsd.conf" --check-config
    contains "$output" "$S/mtlsd.conf:7:" key-type
}
@test "a NUL in the file" {
    printf 'crl-life=7d\0\n' | agent_config
    run ! "$BIN/mtlsd" --config "$S/mtlsd.conf" --check-config
    contains "$output" "$S/mtlsd.conf:6:"
}

@test "no file, no state, a state without a CA: each said, each with the way out" {
    run ! "$BIN/mtlsd" --config "$S/nothing.conf"
    contains "$output" "$S/nothing.conf"
    printf '[agent]\nsocket=%s\n' "$S/agent.sock" >"$S/stateless.conf"
    run ! "$BIN/mtlsd" --config "$S/stateless.conf"
    contains "$output" state= "mtlsd init"
    agent_config </dev/null
    sed -i "s,^state=.*,state=$S/empty," "$S/mtlsd.conf"
    mkdir "$S/empty"
    run ! timeout 10 "$BIN/mtlsd" --config "$S/mtlsd.conf"
    contains "$output" "mtlsd init"
}

@test "a second agent on the same socket and state is refused, and the first goes on" {
    agent_config </dev/null
    agent_start
    run ! timeout 10 "$BIN/mtlsd" --config "$S/mtlsd.conf"
    answers
    ctl issue alice --out "$S"
    agent_stop
}

@test "a socket left behind by a killed agent is taken over" {
    agent_start
    # All at once, so that none of them is left to tidy up.
    # shellcheck disable=SC2046 # numbers
    kill -KILL $(processes_of "$S")
    gone() { [ -z "$(processes_of "$S")" ]; }
    wait_until 10 gone
    [ -S "$S/agent.sock" ]
    agent_start
    ctl issue bob --out "$S"
    agent_stop
}

@test "a socket passed by a service manager is used (LISTEN_FDS)" {
    command python3 - "$BIN/mtlsd" "$S" <<'EOF' 3>&- &
import os, socket, sys
path = sys.argv[2] + "/passed.sock"
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(path)
os.chmod(path, 0o666)
listener.listen(100)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], [sys.argv[1], "--config", sys.argv[2] + "/mtlsd.conf"])
EOF
    echo $! >"$S/passed.pid"
    passed() { "$BIN/mtlsctl" --socket "$S/passed.sock" status >/dev/null 2>&1; }
    wait_until 15 passed
    "$BIN/mtlsctl" --socket "$S/passed.sock" issue carol --out "$S"
    end_process "$(pid_of passed)"
    [ -S "$S/passed.sock" ]
}

@test "it tells a service manager that it is ready, that it reloads and that it stops (sd_notify)" {
    python3 - "$BIN/mtlsd" "$S" <<'EOF'
import os, signal, socket, subprocess, sys, time
scratch = sys.argv[2]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(scratch + "/notify")
os.chmod(scratch + "/notify", 0o666)
listener.settimeout(15)
process = subprocess.Popen([sys.argv[1], "--config", scratch + "/mtlsd.conf"], env={**os.environ, "NOTIFY_SOCKET": scratch + "/notify"},
                           stdin=subprocess.DEVNULL, stderr=open(scratch + "/notify.log", "w"))
said = ""
def until(word):
    global said
    while word not in said:
        said += listener.recv(4096).decode() + "\n"
    said = said.split(word, 1)[1]
try:
    until("READY=1")
    process.send_signal(signal.SIGHUP)
    until("RELOADING=1")
    until("READY=1")
    process.send_signal(signal.SIGTERM)
    until("STOPPING=1")
    assert process.wait(15) == 0, process.returncode
finally:
    if process.poll() is None:
        process.kill()
    print(open(scratch + "/notify.log").read())
EOF
}
