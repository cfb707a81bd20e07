#!/usr/bin/env bats
# units.bats - agent and keeper started apart, with inherited sockets and credentials, as the packaged units do it.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    scratch units
    policy_open
    mkdir -m 700 "$S/key"
    head -c 32 /dev/urandom >"$S/secret"
    chmod 600 "$S/secret"
    mkdir "$S/credentials"
    mv "$S/secret" "$S/credentials/mtlsd-keeper"
    mkdir "$S/state"
    agent_config <<EOF
keeper=$S/keeper.sock
[keeper]
state=$S/key
unlock=$S/keeper-unlock.sock
EOF
}
teardown_file() { tear_down; }

# As the socket units do: two listening SOCK_SEQPACKET sockets, named, from descriptor 3 on; and the credential's directory.
inherit() {
    cat >"$S/inherit.py" <<'EOF'
import os, socket, sys
scratch, program = sys.argv[1:3]
for number, name in ((3, "keeper"), (4, "keeper-unlock")):
    path = f"{scratch}/{name}.sock"
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(16)
    os.dup2(listener.detach(), number + 20)
for number in (3, 4):
    os.dup2(number + 20, number)
    os.set_inheritable(number, True)
    os.close(number + 20)
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="keeper:unlock", CREDENTIALS_DIRECTORY=scratch + "/credentials")
os.execv(program, [program, *sys.argv[3:]])
EOF
    spawn keeper /usr/bin/env python3 "$S/inherit.py" "$S" "$BIN/mtlsd-keeper" --state "$S/key" --secret-file mtlsd-keeper
    wait_until 10 grep -q "up, open" "$S/keeper.log"
}

@test "mtlsd-keeper --init makes a CA in a directory of the keeper's own" {
    run -0 "$BIN/mtlsd-keeper" --init --state "$S/key" --name "Unit CA" --seal secret-file --secret-file "$S/credentials/mtlsd-keeper"
    openssl x509 -in "$S/key/ca.crt" -noout -subject | grep -q "Unit CA"
}

@test "the keeper takes its sockets by name and its secret from the credentials; the agent finds it at keeper=" {
    inherit
    agent_start
    wait_until 10 state_is ready
    ctl issue alice --out "$S"
    equals "$(ctl --json status | json keeper.pid)" "$(pid_of keeper)"
    # There is nothing for a parent to do, so there is none.
    equals "$(ctl --json status | json pid)" "$(pid_of agent)"
}

@test "the keeper stops: the agent says keeperAway, signs nothing, and verifies and revokes on" {
    ctl issue bob --out "$S"
    end_process "$(pid_of keeper)"
    wait_until 10 state_is keeperAway
    run -4 ctl issue carol --out "$S"
    run -0 ctl verify "$S/alice.crt"
    run -0 ctl revoke bob
    run -1 ctl verify "$S/bob.crt"
    equals "$(ctl --json status | json pid)" "$(pid_of agent)"
}

@test "the keeper is started again: the agent takes it up by itself" {
    : >"$S/keeper.log"
    inherit
    wait_until 15 state_is ready
    ctl issue carol --out "$S"
    equals "$(ctl --json status | json keeper.pid)" "$(pid_of keeper)"
}

@test "lock goes to the keeper's own socket; a keeper that has its secret is open again at its next start" {
    ctl lock
    wait_until 10 state_is locked
    run -4 ctl issue dora --out "$S"
    end_process "$(pid_of keeper)"
    : >"$S/keeper.log"
    inherit
    wait_until 10 state_is ready
}

@test "a keeper with another CA is not taken: the index belongs to the first" {
    end_process "$(pid_of keeper)"
    mv "$S/key" "$S/first"
    mkdir -m 700 "$S/key"
    "$BIN/mtlsd-keeper" --init --state "$S/key" --name "Another CA" --seal secret-file --secret-file "$S/credentials/mtlsd-keeper"
    : >"$S/keeper.log"
    inherit
    not_taken() { ! state_is ready && ! state_is locked; }
    wait_until 10 not_taken
    run ! ctl issue erin --out "$S"
    end_process "$(pid_of keeper)"
}
