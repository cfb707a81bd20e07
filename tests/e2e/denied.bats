#!/usr/bin/env bats
# denied.bats - the kernel says who is asking, the policy says what they may have, and the refusal says which line.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    scratch denied
    ca_init
    KAREN=$(free_uid) MALLORY=$(free_uid)
    export KAREN MALLORY
    policy default <<EOF
use     required   peer     uid=0,$(id -u),$KAREN
issue   sufficient peer     uid=0,$(id -u)
issue   requisite  peer     uid=$KAREN
issue   required   profile  client
issue   required   name     dns=*.clients.example.com
issue   required   life     max=7d
verify  required   permit
revoke  required   peer     uid=0,$(id -u)
read    required   peer     uid=0,$(id -u)
EOF
    agent_config </dev/null
    agent_start
}
teardown_file() { tear_down; }
setup() { need other-users can_be_others; }

karen() { as_uid "$KAREN" "$BIN/mtlsctl" "$@"; }
mallory() { as_uid "$MALLORY" "$BIN/mtlsctl" "$@"; }

@test "karen may have a short certificate for a name below clients.example.com" {
    csr laptop.clients.example.com
    karen sign - --life 7d <"$S/laptop.clients.example.com.csr" >"$S/karen.crt"
    openssl x509 -in "$S/karen.crt" -noout -ext subjectAltName | grep -q DNS:laptop.clients.example.com
    equals "$(ctl --json list --name laptop.clients.example.com | json requesterUid)" "$KAREN"
}

@test "another name is denied; the sentence names operation, name, person and line" {
    csr admin.example.com
    before=$(rows)
    run -1 karen sign - --life 7d <"$S/admin.example.com.csr"
    contains "$output" "denied: issue DNS:admin.example.com by" "uid $KAREN" "policy.d/default:5 name" "mtlsctl policy explain"
    equals "$(rows)" "$before"
}

@test "a star in a pattern never matches a dot" {
    csr a.b.clients.example.com
    run -1 karen sign - --life 7d <"$S/a.b.clients.example.com.csr"
    contains "$output" "default:5"
}

@test "every name and every day of the finished certificate count, not those of the request" {
    csr both.clients.example.com -addext subjectAltName=DNS:both.clients.example.com,DNS:admin.example.com
    run -1 karen sign - --life 7d <"$S/both.clients.example.com.csr"
    contains "$output" "default:5"
    csr long.clients.example.com
    run -1 karen sign - <"$S/long.clients.example.com.csr"
    contains "$output" "default:6 life"
    run -1 karen sign - --life 7d --profile server <"$S/long.clients.example.com.csr"
    contains "$output" "default:4 profile"
}

@test "a denial in JSON has the error's name, the line, and exit code 1" {
    run -1 --separate-stderr karen --json sign - --life 7d <"$S/admin.example.com.csr"
    equals "$(json error <<<"$output")" io.mtlsd.Agent.NotPermitted
    equals "$(json parameters.operation <<<"$output")" issue
    contains "$(json parameters.line <<<"$output")" "policy.d/default:5"
    contains "$(json message <<<"$output")" denied:
    contains "$stderr" denied:
}

@test "who may not use the service gets nothing, and is told the same whether the certificate exists or not" {
    run -1 mallory sign - <"$S/laptop.clients.example.com.csr"
    contains "$output" "uid $MALLORY"
    told() { sed -E 's/[0-9a-f]{20,}/SERIAL/g' <<<"$output"; }
    run -1 mallory show "$(serial_of "$S/karen.crt")"
    there=$(told)
    run -1 mallory show 00112233445566778899aabbccddeeff
    equals "$(told)" "$there"
}

@test "karen may not revoke, list or read" {
    run -1 karen revoke laptop.clients.example.com --yes
    run -1 karen list
    run -1 karen show laptop.clients.example.com
    run -0 ctl verify "$S/karen.crt"
}

@test "the CA certificate and the CRL are for everybody" {
    mallory ca | openssl x509 -noout -subject | grep -q "Example CA"
    mallory crl | openssl crl -noout -issuer | grep -q "Example CA"
}

@test "a type that the file lacks is refused, and a service without a file too" {
    run -1 ctl export laptop.clients.example.com --key "$S/laptop.clients.example.com.key" --format pem --out "$S/x.pem"
    run -1 ctl issue x --service nosuch --out "$S"
    contains "$output" nosuch
    [ ! -e "$S/x.pem" ] && [ ! -e "$S/x.crt" ]
}

@test "without a policy only root and the agent's own user may do anything" {
    agent_stop
    NO_POLICY=1 agent_config </dev/null
    agent_start
    ctl issue mine --out "$S"
    run -1 karen sign - --life 7d <"$S/laptop.clients.example.com.csr"
    contains "$output" denied:
    run -1 karen verify "$S/karen.crt"
}

@test "a client cannot name another user: what it says of itself is an unknown parameter" {
    run python3 - <<'EOF'
import os
from peer import Peer
peer = Peer(os.environ["MTLS_SOCKET"])
for lie in ("uid", "requesterUid", "peer", "user"):
    name, parameters = peer.refused("Issue", {"name": "x", lie: 0})
    assert name == "InvalidParameter" and parameters["parameter"] == lie, (name, parameters)
EOF
    [ "$status" -eq 0 ] || { echo "$output"; false; }
}
