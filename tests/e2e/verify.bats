#!/usr/bin/env bats
# verify.bats - verdicts: our own by recognition, foreign ones by path validation, CRLs with their scopes, no agent needed for those.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    scratch verify
    ca_init
    policy_open
    foreign_pki
    cat >>"$S/anchors" <<EOF
[anchors partner]
file=$S/pki/root.crt
EOF
    agent_config <"$S/anchors"
    agent_start
    ctl issue alice --out "$S"
}
teardown_file() { tear_down; }

# A root, an intermediate, a client leaf, a server leaf, and an expired one; made by openssl alone.
foreign_pki() {
    mkdir "$S/pki"
    (
        cd "$S/pki" || exit 1
        key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null; }
        sign() { # NAME ISSUER DAYS extensions...
            local name=$1 issuer=$2 days=$3
            shift 3
            key "$name"
            openssl req -new -key "$name.key" -subj "/O=Partner/CN=$name" -out "$name.csr"
            printf '%s\n' "$@" subjectKeyIdentifier=hash authorityKeyIdentifier=keyid >ext
            openssl x509 -req -in "$name.csr" -CA "$issuer.crt" -CAkey "$issuer.key" -CAcreateserial -days "$days" -extfile ext -out "$name.crt" 2>/dev/null
        }
        key root
        openssl req -x509 -new -key root.key -subj "/O=Partner/CN=root" -days 3650 -addext basicConstraints=critical,CA:TRUE \
            -addext keyUsage=critical,keyCertSign,cRLSign -out root.crt
        sign middle root 1000 basicConstraints=critical,CA:TRUE,pathlen:0 keyUsage=critical,keyCertSign,cRLSign
        sign alice middle 90 basicConstraints=CA:FALSE extendedKeyUsage=clientAuth subjectAltName=DNS:alice,DNS:alice.partner.example
        sign www middle 90 basicConstraints=CA:FALSE extendedKeyUsage=serverAuth subjectAltName=DNS:www.partner.example
        sign imposter middle 90 basicConstraints=critical,CA:TRUE keyUsage=critical,keyCertSign
        sign victim imposter 90 basicConstraints=CA:FALSE extendedKeyUsage=clientAuth
        touch index.txt
        echo 01 >number
        printf '%s\n' '[ca]' 'default_ca=c' '[c]' 'database=index.txt' 'crlnumber=number' 'default_md=sha256' 'default_crl_days=30' >ca.conf
        openssl ca -config ca.conf -gencrl -keyfile middle.key -cert middle.crt -out empty.crl 2>/dev/null
        openssl ca -config ca.conf -gencrl -keyfile root.key -cert root.crt -out root.crl 2>/dev/null
        openssl ca -config ca.conf -keyfile middle.key -cert middle.crt -revoke alice.crt 2>/dev/null
        openssl ca -config ca.conf -gencrl -keyfile middle.key -cert middle.crt -out alice.crl 2>/dev/null
    )
}
alone() { ctl --socket "$S/nobody.sock" verify "$@"; }
P() { echo "$S/pki/$1"; }

@test "our own: valid, and the reason where not" {
    run -0 ctl --json verify "$S/alice.crt"
    equals "$(json valid <<<"$output")" true
    run -1 ctl --json verify "$S/alice.crt" --at 2100-01-01T00:00:00Z
    equals "$(json reason <<<"$output")" expired
}

@test "cacheableUntil is at most a minute away" {
    python3 - "$(ctl --json verify "$S/alice.crt")" <<'EOF'
import datetime, json, sys
until = datetime.datetime.fromisoformat(json.loads(sys.argv[1])["cacheableUntil"].replace("Z", "+00:00"))
assert datetime.timedelta(0) < until - datetime.datetime.now(datetime.timezone.utc) <= datetime.timedelta(seconds=61), until
EOF
}

@test "a certificate that chains to our key but is not in the index is refused" {
    ctl issue ghost --out "$S"
    agent_stop
    cp -r "$S/state" "$S/state.full"
    rm "$S"/state/index.db*
    run -71 "$BIN/mtlsd" --config "$S/mtlsd.conf" # not in silence
    contains "$output" "index.db is missing"
    rm "$S"/state/ca.der
    agent_start
    run -1 ctl --json verify "$S/ghost.crt"
    equals "$(json valid <<<"$output")" false
    [ "$(ctl --json status | json alarms)" -ge 1 ]
    agent_stop
    rm -rf "$S/state"
    mv "$S/state.full" "$S/state"
    agent_start
    run -0 ctl verify "$S/ghost.crt"
}

@test "one whose signature bytes were changed is not taken" {
    openssl x509 -in "$S/alice.crt" -outform DER -out "$S/alice.der"
    python3 - "$S" <<'EOF'
import sys
data = bytearray(open(sys.argv[1] + "/alice.der", "rb").read())
data[-1] ^= 1
open(sys.argv[1] + "/altered.der", "wb").write(data)
EOF
    openssl x509 -inform DER -in "$S/altered.der" -out "$S/altered.crt"
    run -1 ctl --json verify "$S/altered.crt"
    equals "$(json valid <<<"$output")" false
}

@test "an anchor of the configuration: a foreign alice is valid and never ours" {
    run -0 ctl --json verify "$(P alice.crt)" --chain "$(P middle.crt)"
    equals "$(json identity.ours <<<"$output")" false
    contains "$(json identity.authority <<<"$output")" partner
    run -1 ctl --json verify "$(P alice.crt)"
    equals "$(json valid <<<"$output")" false
}

@test "--anchors: path validation by mtlsctl itself, without an agent" {
    run -0 alone "$(P alice.crt)" --anchors "$(P root.crt)" --chain "$(P middle.crt)" --purpose client
    run -1 --separate-stderr alone --json "$(P alice.crt)" --anchors "$(P root.crt)" --purpose client
    equals "$(json valid <<<"$output")" false
    run -1 alone "$(P alice.crt)" --anchors "$S/alice.crt" --chain "$(P middle.crt)"
}

@test "--anchors: purpose, name and time count" {
    run -1 alone "$(P alice.crt)" --anchors "$(P root.crt)" --chain "$(P middle.crt)" --purpose server
    run -0 alone "$(P www.crt)" --anchors "$(P root.crt)" --chain "$(P middle.crt)" --purpose server --dns www.partner.example
    run -1 alone "$(P www.crt)" --anchors "$(P root.crt)" --chain "$(P middle.crt)" --purpose server --dns other.partner.example
    run -0 alone "$(P www.crt)" --anchors "$(P root.crt)" --chain "$(P middle.crt)" --purpose any
    run -1 alone "$(P alice.crt)" --anchors "$(P root.crt)" --chain "$(P middle.crt)" --at 2100-01-01T00:00:00Z
    contains "$output" expired
}

@test "--anchors: a CRL that names it, one that does not, and one that is missing for a part of the chain" {
    run -0 alone "$(P alice.crt)" --anchors "$(P root.crt)" --chain "$(P middle.crt)" --crl "$(P empty.crl)" --crl "$(P root.crl)"
    run -1 alone "$(P alice.crt)" --anchors "$(P root.crt)" --chain "$(P middle.crt)" --crl "$(P alice.crl)" --crl "$(P root.crl)"
    contains "$output" revoked
    run -1 alone "$(P alice.crt)" --anchors "$(P root.crt)" --chain "$(P middle.crt)" --crl "$(P root.crl)"
}

@test "--anchors: a path length is held" {
    cat "$(P imposter.crt)" "$(P middle.crt)" >"$S/pki/long.crt"
    run -1 alone "$(P victim.crt)" --anchors "$(P root.crt)" --chain "$(P long.crt)"
}

@test "no file, no certificate in it, or garbage: exit 2, and the file is named" {
    run -2 ctl verify "$S/nothing.crt"
    contains "$output" "$S/nothing.crt"
    echo garbage >"$S/garbage.crt"
    run -2 ctl verify "$S/garbage.crt"
    run -2 alone "$(P alice.crt)" --anchors "$S/garbage.crt"
}
