#!/usr/bin/env bats
# seal.bats - a CA sealed with a passphrase starts locked; locked stops only what needs the key.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    scratch seal
    echo "correct horse battery staple" >"$S/pass"
    echo "wrong" >"$S/wrong"
    chmod 600 "$S/pass" "$S/wrong"
    ca_init --seal passphrase --passphrase-file "$S/pass"
    policy_open
    agent_config </dev/null
    agent_start
}
teardown_file() { tear_down; }

@test "it starts locked, status says so, and issuing is refused with exit code 4 and the way out" {
    equals "$(ctl --json status | json state)" locked
    equals "$(ctl --json status | json keeper.state)" locked
    run -4 ctl issue alice --out "$S"
    contains "$output" "mtlsctl unlock"
    run -4 ctl --json issue alice --out "$S"
    contains "$output" io.mtlsd.Agent.Locked
    [ ! -e "$S/alice.key" ] && [ ! -e "$S/alice.crt" ]
}

@test "the CA certificate is told all the same" {
    ctl ca | openssl x509 -noout -subject | grep -q "Example CA"
}

@test "a wrong passphrase does not open it; the right one does" {
    run ! ctl unlock --passphrase-file "$S/wrong"
    equals "$(ctl --json status | json state)" locked
    run -0 ctl unlock --passphrase-file "$S/pass"
    wait_until 10 state_is ready
    ctl issue alice --out "$S"
    ctl issue bob --out "$S"
}

@test "locked again: people still get in, a lost laptop is shut out, everything can be looked at" {
    run -0 ctl lock
    wait_until 10 state_is locked
    run -0 ctl verify "$S/alice.crt"
    epoch=$(ctl --json status | json epoch)
    run -0 ctl revoke bob
    run -1 ctl verify "$S/bob.crt"
    [ "$(ctl --json status | json epoch)" != "$epoch" ]
    equals "$(rows)" 2
    run -0 ctl show "$(serial_of "$S/alice.crt")"
    run -4 ctl issue carol --out "$S"
    run -4 ctl renew alice --out "$S/new"
    csr dora
    run -4 ctl sign "$S/dora.csr"
    equals "$(rows)" 2
}

@test "unlocking is for root and the owner of the state directory" {
    need other-users can_be_others
    stranger=$(free_uid)
    cp "$S/pass" "$S/pass.stranger"
    if [ "$(id -u)" = 0 ]; then chown "$stranger" "$S/pass.stranger"; else chmod 644 "$S/pass.stranger"; fi
    run ! as_uid "$stranger" "$BIN/mtlsctl" --socket "$S/agent.sock" unlock --passphrase-file "$S/pass.stranger"
    equals "$(ctl --json status | json state)" locked
}

@test "the passphrase is nowhere in the agent: it goes to the keeper's own socket" {
    run -0 ctl unlock --passphrase-file "$S/pass"
    wait_until 10 state_is ready
    plain_build_only
    need other-memory test -r "/proc/$(pid_of agent)/mem"
    for pid in $(processes_of "$S/mtlsd.conf"); do
        run ! python3 "$HERE/memory.py" "$pid" "correct horse battery staple"
    done
}

@test "the key at rest is sealed: neither it nor the passphrase stands in the state directory" {
    run ! grep -rqa -e "PRIVATE KEY" -e "correct horse" "$S/state"
    run -0 find "$S/state/keeper" -maxdepth 0 -perm 700
    equals "$output" "$S/state/keeper"
    equals "$(find "$S/state/keeper" -type f -perm /077 ! -name ca.crt)" ""
}

@test "after a restart it is locked again" {
    agent_stop
    agent_start
    equals "$(ctl --json status | json state)" locked
    run -0 ctl verify "$S/alice.crt"
    run -1 ctl verify "$S/bob.crt"
}

@test "--reseal changes the passphrase and never the key" {
    ctl ca >"$S/before.crt"
    agent_stop
    echo "another one entirely" >"$S/new"
    chmod 600 "$S/new"
    run -0 "$BIN/mtlsd-keeper" --reseal --state "$S/state/keeper" --passphrase-file "$S/pass" --seal passphrase --new-passphrase-file "$S/new"
    agent_start
    run ! ctl unlock --passphrase-file "$S/pass"
    run -0 ctl unlock --passphrase-file "$S/new"
    wait_until 10 state_is ready
    ctl ca | cmp - "$S/before.crt"
    ctl issue erin --out "$S"
    openssl verify -CAfile "$S/before.crt" "$S/erin.crt"
}

@test "a secret file opens the key without a person" {
    agent_stop
    head -c 32 /dev/urandom >"$S/secret"
    chmod 600 "$S/secret"
    mkdir "$S/second"
    "$BIN/mtlsd" init --state "$S/second/state" --name "Second CA" --seal secret-file --secret-file "$S/secret"
    sed "s,^state=.*,state=$S/second/state," "$S/mtlsd.conf" >"$S/second.conf"
    printf '[keeper]\nsecret-file=%s\n' "$S/secret" >>"$S/second.conf"
    mv "$S/second.conf" "$S/mtlsd.conf"
    agent_start
    wait_until 10 state_is ready
    ctl issue frank --out "$S"
    ctl ca | openssl x509 -noout -subject | grep -q "Second CA"
}
