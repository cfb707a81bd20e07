#!/usr/bin/env bats
# life.bats - the life of a certificate, from an empty directory to a CRL that openssl believes.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() { house life; }
teardown_file() { tear_down; }

@test "mtlsd init makes a CA certificate that openssl calls a CA, with path length 0" {
    ctl ca >"$S/ca.crt"
    run -0 openssl x509 -in "$S/ca.crt" -noout -subject -ext basicConstraints,keyUsage
    contains "$output" "CN = Example CA" "critical" "CA:TRUE, pathlen:0" "Certificate Sign, CRL Sign"
    openssl verify -x509_strict -CAfile "$S/ca.crt" "$S/ca.crt"
}

@test "mtlsd init never overwrites a CA that is there" {
    ctl ca >"$S/before.crt"
    run ! ca_init
    contains "$output" "$S/state"
    ctl ca | cmp - "$S/before.crt"
}

@test "mtlsctl issue alice --out DIR writes a private key for its owner alone, and a certificate that fits it" {
    mkdir "$S/out"
    run -0 ctl issue alice --out "$S/out"
    equals "$(stat -c %a "$S/out/alice.key")" 600
    run -0 head -n 1 "$S/out/alice.key"
    equals "$output" "-----BEGIN PRIVATE KEY-----"
    equals "$(openssl pkey -in "$S/out/alice.key" -pubout)" "$(openssl x509 -in "$S/out/alice.crt" -noout -pubkey)"
}

@test "openssl takes it for a TLS client's, strictly, and not for a server's" {
    openssl verify -x509_strict -purpose sslclient -CAfile "$S/ca.crt" "$S/out/alice.crt"
    run ! openssl verify -purpose sslserver -CAfile "$S/ca.crt" "$S/out/alice.crt"
    run -0 openssl x509 -in "$S/out/alice.crt" -noout -subject -ext \
        basicConstraints,keyUsage,extendedKeyUsage,subjectAltName,subjectKeyIdentifier,authorityKeyIdentifier
    contains "$output" "CN = alice" "CA:FALSE" "Digital Signature" "TLS Web Client Authentication" "DNS:alice" \
        "Subject Key Identifier" "Authority Key Identifier"
    equals "$(grep -c critical <<<"$output")" 2
    lacks "$output" "Server Authentication"
}

@test "it starts five minutes back and ends in 90 days" {
    run -0 python3 - "$S/out/alice.crt" <<'EOF'
import subprocess, sys, time, email.utils, ssl
text = subprocess.check_output(["openssl", "x509", "-in", sys.argv[1], "-noout", "-dates"], text=True)
begins, ends = (ssl.cert_time_to_seconds(line.split("=")[1]) for line in text.split("\n")[:2])
assert 290 <= time.time() - begins <= 400, time.time() - begins
assert abs(ends - begins - 90 * 86400 - 300) <= 60, (ends - begins) / 86400
EOF
}

@test "mtlsctl list, show and status know it" {
    serial=$(serial_of "$S/out/alice.crt")
    run -0 ctl list
    contains "$output" alice live
    run -0 ctl --json list --name alice
    equals "$(json serial <<<"$output")" "$serial"
    equals "$(json status <<<"$output")" live
    equals "$(json profile <<<"$output")" client
    run -0 ctl show "$serial"
    contains "$output" alice "$serial" DNS:alice
    run -0 ctl --json status
    equals "$(json state <<<"$output")" ready
    equals "$(json live <<<"$output")" 1
}

@test "serials are accepted with and without colons, in either case" {
    serial=$(serial_of "$S/out/alice.crt")
    colons=$(sed 's/../&:/g; s/:$//' <<<"$serial" | tr a-f A-F)
    for form in "$serial" "${serial^^}" "$colons"; do
        equals "$(ctl --json show "$form" | json certificate.serial)" "$serial"
    done
}

@test "mtlsctl verify says that it is good, and whose it is" {
    run -0 ctl verify "$S/out/alice.crt"
    contains "$output" alice
    run -0 ctl --json verify "$S/out/alice.crt"
    equals "$(json valid <<<"$output")" true
    equals "$(json identity.ours <<<"$output")" true
    equals "$(json identity.name <<<"$output")" alice
}

@test "the CRL is empty and openssl believes it" {
    ctl crl >"$S/empty.crl"
    openssl crl -in "$S/empty.crl" -noout -CAfile "$S/ca.crt"
    run -0 openssl crl -in "$S/empty.crl" -noout -text
    contains "$output" "No Revoked Certificates"
    openssl verify -crl_check -CAfile "$S/ca.crt" -CRLfile "$S/empty.crl" "$S/out/alice.crt"
}

@test "mtlsctl revoke holds from the moment that it returns" {
    run -0 ctl revoke alice --reason keyCompromise
    run -1 ctl verify "$S/out/alice.crt"
    contains "$output" revoked
    run -1 ctl --json verify "$S/out/alice.crt"
    equals "$(json valid <<<"$output")" false
    equals "$(json reason <<<"$output")" revoked
    equals "$(ctl --json show "$(serial_of "$S/out/alice.crt")" | json certificate.status)" revoked
}

@test "the next CRL names it with its reason, and openssl refuses it" {
    revoked_in_crl() {
        ctl crl >"$S/full.crl" && openssl crl -in "$S/full.crl" -noout -text | grep -q "Key Compromise"
    }
    wait_until 20 revoked_in_crl
    openssl crl -in "$S/full.crl" -noout -CAfile "$S/ca.crt"
    run -0 openssl crl -in "$S/full.crl" -noout -text
    contains "${output^^}" "SERIAL NUMBER: $(openssl x509 -in "$S/out/alice.crt" -noout -serial | cut -d= -f2)"
    run ! openssl verify -crl_check -CAfile "$S/ca.crt" -CRLfile "$S/full.crl" "$S/out/alice.crt"
    contains "$output" "certificate revoked"
}

@test "certificateHold suspends and resume lifts it; another reason is for good" {
    ctl issue bob --out "$S/out"
    ctl revoke bob --reason certificateHold
    run -1 ctl verify "$S/out/bob.crt"
    run -0 ctl resume bob
    run -0 ctl verify "$S/out/bob.crt"
    run -2 ctl resume alice
    run -1 ctl verify "$S/out/alice.crt"
}

@test "renew keeps names and profile, and makes a new key" {
    mkdir -p "$S/new"
    run -0 ctl renew bob --out "$S/new"
    run -0 ctl verify "$S/new/bob.crt"
    equals "$(openssl x509 -in "$S/new/bob.crt" -noout -ext subjectAltName)" "$(openssl x509 -in "$S/out/bob.crt" -noout -ext subjectAltName)"
    [ "$(openssl x509 -in "$S/new/bob.crt" -noout -pubkey)" != "$(openssl x509 -in "$S/out/bob.crt" -noout -pubkey)" ]
    [ "$(serial_of "$S/new/bob.crt")" != "$(serial_of "$S/out/bob.crt")" ]
}

@test "a label tells alice's devices apart and is not in the certificate" {
    ctl issue carol --label MacBook --out "$S/out"
    equals "$(ctl --json list --name carol | json label)" MacBook
    run ! grep -aq MacBook <(openssl x509 -in "$S/out/carol.crt" -outform DER)
}

@test "every key type that is offered is what openssl reads" {
    while read -r type words; do
        name=k-$(tr -cd 'a-z0-9' <<<"${type,,}")
        ctl issue "$name" --key-type "$type" --out "$S/out"
        run -0 openssl x509 -in "$S/out/$name.crt" -noout -text
        contains "$output" "$words"
        openssl verify -x509_strict -purpose sslclient -CAfile "$S/ca.crt" "$S/out/$name.crt"
    done <<'EOF'
ec:P-256 NIST CURVE: P-256
ec:P-384 NIST CURVE: P-384
ed25519 ED25519
rsa:2048 Public-Key: (2048 bit)
EOF
}

@test "issue --p12 writes a PKCS#12 that openssl opens with the passphrase from a file" {
    echo "correct horse" >"$S/pass"
    chmod 600 "$S/pass"
    run -0 ctl issue dora --out "$S/out" --p12 "$S/out/dora.p12" --passphrase-file "$S/pass"
    equals "$(stat -c %a "$S/out/dora.p12")" 600
    run -0 openssl pkcs12 -in "$S/out/dora.p12" -passin file:"$S/pass" -nokeys
    contains "$output" "CN = dora"
    run ! openssl pkcs12 -in "$S/out/dora.p12" -passin pass:wrong -nokeys
}

@test "export packages a key that the caller holds, and no other" {
    serial=$(serial_of "$S/new/bob.crt")
    run -0 ctl export "$serial" --key "$S/new/bob.key" --format p12 --out "$S/out/bob.p12" --passphrase-file "$S/pass"
    openssl pkcs12 -in "$S/out/bob.p12" -passin file:"$S/pass" -nokeys | grep -q "CN = bob"
    run -2 ctl export "$serial" --key "$S/out/carol.key" --format pem --out "$S/out/wrong.pem"
    [ ! -e "$S/out/wrong.pem" ]
}

@test "the state directory is mtlsd's business and the socket is mtlsctl's: the wrong one names the right one" {
    run ! "$BIN/mtlsd" --socket "$S/agent.sock"
    contains "$output" socket= mtlsctl
    run -2 ctl --state "$S/state" list
    contains "$output" --socket mtlsd
}

@test "without an agent mtlsctl says so and exits 3" {
    run -3 ctl --socket "$S/nobody.sock" status
    contains "$output" "$S/nobody.sock"
    run -3 ctl --json --socket "$S/nobody.sock" status
}

@test "SIGTERM ends agent and keeper, and what was stored is there at the next start" {
    before=$(rows)
    agent_stop
    equals "$(processes_of "$S")" ""
    agent_start
    equals "$(rows)" "$before"
    run -1 ctl verify "$S/out/alice.crt"
    contains "$output" revoked
}
