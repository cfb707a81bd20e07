#!/usr/bin/env bats
# keeper_killed.bats - the keeper dies: the agent says so, goes on with what needs no key, and takes up a new one by itself.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    house keeper
    ctl issue alice --out "$S"
    ctl issue bob --out "$S"
}
teardown_file() { tear_down; }

keeper_pid() { ctl --json status | json keeper.pid; }
# Never a number that is not a keeper's: kill takes 0 and -1 for whole groups.
kill_keeper() {
    local pid
    pid=$(keeper_pid)
    [[ $pid =~ ^[1-9][0-9]*$ && $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) == *mtlsd-keeper* ]] || return 0
    kill -KILL "$pid" 2>/dev/null || true
}
new_keeper() { [ "$(keeper_pid)" != "$1" ] && state_is ready; }

@test "ten times SIGKILL of the keeper: each time there is a new one, which signs, and the agent is the same" {
    agent=$(ctl --json status | json pid)
    for turn in 1 2 3 4 5 6 7 8 9 10; do
        before=$(keeper_pid)
        kill_keeper
        wait_until 15 new_keeper "$before"
        run -0 ctl issue "after-$turn" --out "$S"
    done
    equals "$(ctl --json status | json pid)" "$agent"
    grep -qi keeper "$S/agent.log"
}

@test "while there is none, signing is answered and does not hang, and verify, list and revoke work" {
    kill_keeper
    run timeout 20 "$BIN/mtlsctl" issue quick --out "$S"
    [ "$status" -eq 0 ] || [ "$status" -eq 4 ]
    kill_keeper
    run -0 timeout 20 "$BIN/mtlsctl" verify "$S/alice.crt"
    run -0 timeout 20 "$BIN/mtlsctl" revoke bob
    run -1 timeout 20 "$BIN/mtlsctl" verify "$S/bob.crt"
    wait_until 15 state_is ready
}

@test "a keeper that dies under load loses no row and gives no serial twice" {
    csr load
    python3 "$HERE/load.py" sign --socket "$S/agent.sock" --csr "$S/load.csr" --connections 16 --calls 2000 >"$S/load.json" 3>&- &
    load=$!
    for _ in 1 2 3; do
        sleep 0.3
        kill_keeper
    done
    wait "$load"
    cat "$S/load.json"
    equals "$(json serials <"$S/load.json")" "$(json "done" <"$S/load.json")"
    wait_until 15 state_is ready
    [ "$(python3 -c 'import os, peer; print(len(peer.certificates(os.environ["MTLS_SOCKET"])))')" -ge "$(json "done" <"$S/load.json")" ]
}

@test "a sealed CA whose keeper died is locked again, and says so" {
    agent_stop
    echo "horse" >"$S/pass"
    chmod 600 "$S/pass"
    rm -rf "$S/state"
    ca_init --seal passphrase --passphrase-file "$S/pass"
    agent_start
    ctl unlock --passphrase-file "$S/pass"
    wait_until 10 state_is ready
    before=$(keeper_pid)
    kill_keeper
    new_and_locked() { [ "$(keeper_pid)" != "$before" ] && state_is locked; }
    wait_until 15 new_and_locked
    run -4 ctl issue alice --out "$S/x"
    contains "$output" "mtlsctl unlock"
}

@test "the agent stopped while the keeper is dying: both are gone" {
    kill_keeper
    agent_stop
    equals "$(processes_of "$S")" ""
}
