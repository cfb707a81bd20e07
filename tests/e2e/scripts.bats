#!/usr/bin/env bats
# scripts.bats - what a playbook relies on: twice is once, dry runs do nothing, a refused overwrite leaves no row.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    scratch scripts
    ca_init
    policy_open
    agent_config <<<"crl-interval=1h" # so that no CRL is built between two looks at status
    agent_start
    mkdir "$S/out"
}
teardown_file() { tear_down; }

@test "issue --if-due twice: one row" {
    equals "$(ctl --json issue a --out "$S/out" --if-due 30d | json changed)" true
    equals "$(ctl --json issue a --out "$S/out" --if-due 30d | json changed)" false
    equals "$(rows --name a)" 1
}

@test "sign --if-due twice: one row" {
    csr b
    equals "$(ctl --json sign "$S/b.csr" --out "$S/out/b.crt" --if-due 30d | json changed)" true
    equals "$(ctl --json sign "$S/b.csr" --out "$S/out/b.crt" --if-due 30d | json changed)" false
    equals "$(rows --name b)" 1
}

@test "revoke twice: exit 0 both times, changed false the second time" {
    run -0 ctl --json revoke a
    equals "$(json changed <<<"$output")" true
    run -0 ctl --json revoke "$(serial_of "$S/out/a.crt")"
    equals "$(json changed <<<"$output")" false
}

@test "--dry-run says what would happen and does nothing" {
    before=$(rows)
    run -0 ctl issue c --out "$S/out" --dry-run
    contains "$output" c
    run -0 ctl --json sign "$S/b.csr" --out "$S/out/dry.crt" --dry-run
    equals "$(json changed <<<"$output")" true
    run -0 ctl revoke b --dry-run
    equals "$(rows)" "$before"
    [ ! -e "$S/out/c.key" ] && [ ! -e "$S/out/c.crt" ] && [ ! -e "$S/out/dry.crt" ]
    run -0 ctl verify "$S/out/b.crt"
}

@test "an overwrite is refused before the agent is asked: exit 2, no row, the file as it was" {
    before=$(rows)
    for file in key crt; do
        rm -f "$S/out/d.key" "$S/out/d.crt"
        echo precious >"$S/out/d.$file"
        run -2 ctl issue d --out "$S/out"
        contains "$output" "$S/out/d.$file" --force
        equals "$(cat "$S/out/d.$file")" precious
    done
    echo precious >"$S/out/d.crt"
    run -2 ctl sign "$S/b.csr" --out "$S/out/d.crt"
    equals "$(rows)" "$before"
    rm -f "$S/out/d.key"
    run -0 ctl issue d --out "$S/out" --force
    openssl x509 -in "$S/out/d.crt" -noout
}

@test "a directory that is not there or cannot be written is found before the agent is asked" {
    before=$(rows)
    run -2 ctl sign "$S/b.csr" --out "$S/b.csr/b.crt"
    contains "$output" "$S/b.csr"
    equals "$(rows)" "$before"
}

@test "a private key is never readable by others, whatever the umask" {
    (umask 0 && ctl issue e --out "$S/out")
    equals "$(stat -c %a "$S/out/e.key")" 600
}

@test "a name that means several: revoke without a terminal and without --yes is Conflict with the list, and does nothing" {
    ctl issue laptop --label one --out "$S/out"
    ctl issue laptop --label two --out "$S/out" --force
    run -2 ctl revoke laptop
    contains "$output" "$(serial_of "$S/out/laptop.crt")"
    run -2 --separate-stderr ctl --json revoke laptop
    equals "$(json error <<<"$output")" io.mtlsd.Agent.Conflict
    equals "$(json parameters.serials <<<"$output" | wc -l)" 2
    equals "$(ctl --json list --name laptop --status live | wc -l)" 2
    run -0 ctl --json revoke laptop --yes
    equals "$(json count <<<"$output")" 2
}

@test "export of a name that means several is Conflict unless a label or a serial decides" {
    ctl issue phone --label one --out "$S/out"
    cp "$S/out/phone.key" "$S/phone-one.key"
    ctl issue phone --label two --out "$S/out" --force
    run -2 ctl export phone --key "$S/phone-one.key" --format pem --out "$S/out/phone.pem"
    [ ! -e "$S/out/phone.pem" ]
    run -0 ctl export phone --label one --key "$S/phone-one.key" --format pem --out "$S/out/phone.pem"
    grep -q "PRIVATE KEY" "$S/out/phone.pem"
}

@test "revoke in bulk, by profile and by time: one transaction, one bump of the epoch" {
    for i in 1 2 3 4 5; do ctl issue "bulk$i" --profile person --out "$S/out"; done
    before=$(ctl --json status)
    run -0 ctl --json revoke --profile person --yes
    equals "$(json count <<<"$output")" 5
    python3 - "$before" "$(ctl --json status)" <<'EOF'
import json, sys
before, after = map(json.loads, sys.argv[1:])
assert after["commits"] - before["commits"] == 1, (before["commits"], after["commits"])
assert before["page"] == after["page"]
step = (int(after["epoch"], 16) - int(before["epoch"], 16)) % (1 << 64)
assert step == 1, (before["epoch"], after["epoch"])
EOF
    run -0 ctl --json revoke --profile person --yes
    equals "$(json changed <<<"$output")" false
}

@test "exit codes: 2 for a usage error, a local file and what does not exist" {
    run -2 ctl issue
    run -2 ctl frobnicate
    run -2 ctl list --no-such-option
    run -2 ctl sign "$S/no-such.csr"
    run -2 ctl show 00112233445566778899aabbccddeeff
    run -2 ctl revoke nobody-has-this-name
    run -2 ctl issue "two words here" --out "$S/out"
    contains "$output" "--san"
}

@test "a failure in JSON: error, parameters and message on standard output, the sentence on standard error" {
    run -2 --separate-stderr ctl --json show 00112233445566778899aabbccddeeff
    equals "$(json error <<<"$output")" io.mtlsd.Agent.NotFound
    [ -n "$(json message <<<"$output")" ]
    [ -n "$stderr" ]
}

@test "--json list prints one object a line, with RFC 3339 times in UTC" {
    run -0 ctl --json list --name laptop
    for line in "${lines[@]}"; do
        [[ $(json notAfter <<<"$line") =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$ ]]
        [[ $(json serial <<<"$line") =~ ^[0-9a-f]+$ ]]
    done
}

@test "--json never prints key material, only paths" {
    run -0 ctl --json issue secret --out "$S/out"
    lacks "$output" "PRIVATE KEY"
    contains "$output" "$S/out/secret.key"
}

@test "list filters: name, status, profile, expiring within" {
    ctl issue short --life 1d --out "$S/out"
    equals "$(ctl --json list --expiring 2d | json name)" short
    equals "$(rows --status revoked)" "$(ctl --json list --status revoked | grep -c '"revoked"')"
    equals "$(rows --profile person)" 5
    run -2 ctl list --status funny
}

@test "no colour where there is no terminal; --help opens with three examples and exits 0" {
    run -0 ctl list
    lacks "$output" $'\e['
    for command in issue sign verify export revoke resume renew list show ca crl status unlock lock; do
        run -0 ctl "$command" --help
        [ "$(head -n 12 <<<"$output" | grep -c "mtlsctl $command")" -ge 3 ] || { echo "$command --help has no three examples: $output"; false; }
    done
    run -0 ctl policy explain --help
    run -0 ctl --help
}
