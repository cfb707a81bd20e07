#!/usr/bin/env bats
# ifdue.bats - `--if-due TERM`: nothing is done while all is well; each condition alone makes the certificate due.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() { house ifdue; }
teardown_file() { tear_down; }

# Each test has a certificate of its own, in a directory of its own, made like this.
setup() {
    OUT=$S/$BATS_TEST_NUMBER NAME=host$BATS_TEST_NUMBER
    mkdir "$OUT"
    order --if-due 30d >/dev/null
    SERIAL=$(serial_of "$OUT/$NAME.crt")
}
order() { ctl --json issue "$NAME" --san "DNS:$NAME.example.com" --out "$OUT" "$@"; }

not_due() {
    run -0 order --if-due 30d
    equals "$(json changed <<<"$output")" false
    equals "$(serial_of "$OUT/$NAME.crt")" "$SERIAL"
    equals "$(rows --name "$NAME")" 1
}
due() {
    run -0 order --if-due 30d "$@"
    equals "$(json changed <<<"$output")" true
    [ "$(serial_of "$OUT/$NAME.crt")" != "$SERIAL" ]
    equals "$(rows --name "$NAME")" 2
    equals "$(openssl pkey -in "$OUT/$NAME.key" -pubout)" "$(openssl x509 -in "$OUT/$NAME.crt" -noout -pubkey)"
    equals "$(stat -c %a "$OUT/$NAME.key")" 600
    # And then it is not due again.
    run -0 order --if-due 30d "$@"
    equals "$(json changed <<<"$output")" false
}

@test "nothing is due: exit 0, changed false, no row, the same files" {
    before=$(stat -c '%i %Y' "$OUT/$NAME.key" "$OUT/$NAME.crt")
    not_due
    not_due
    equals "$(stat -c '%i %Y' "$OUT/$NAME.key" "$OUT/$NAME.crt")" "$before"
}
@test "due because the certificate file is missing" {
    rm "$OUT/$NAME.crt"
    run -0 order --if-due 30d
    equals "$(json changed <<<"$output")" true
    [ -s "$OUT/$NAME.crt" ]
}
@test "due because the key file is missing" {
    rm "$OUT/$NAME.key"
    due
}
@test "due because key and certificate do not fit each other" {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$OUT/$NAME.key" 2>/dev/null
    chmod 600 "$OUT/$NAME.key"
    due
}
@test "a file that is no certificate is nobody's to replace: exit 2, nothing stored, unless --force" {
    echo precious >"$OUT/$NAME.crt"
    run -2 order --if-due 30d
    equals "$(cat "$OUT/$NAME.crt")" precious
    equals "$(rows --name "$NAME")" 1
    run -0 order --if-due 30d --force
    openssl x509 -in "$OUT/$NAME.crt" -noout
}
@test "due because it was revoked" {
    ctl revoke "$SERIAL"
    due
}
@test "due because it is suspended" {
    ctl revoke "$SERIAL" --reason certificateHold
    due
}
@test "due because it is not in the index: another CA made it" {
    "$BIN/mtlsd" init --state "$S/other" --name "Example CA" --seal none
    openssl req -new -x509 -key "$OUT/$NAME.key" -subj "/CN=$NAME" -addext "subjectAltName=DNS:$NAME.example.com" -days 90 \
        -out "$OUT/$NAME.crt"
    SERIAL=$(serial_of "$OUT/$NAME.crt")
    due
}
@test "due because a name is asked for that it does not carry" {
    due --san "DNS:also.example.com"
}
@test "due because it carries a name that is not asked for any more" {
    ctl --json issue "$NAME" --san "DNS:$NAME.example.com" --san DNS:old.example.com --out "$OUT" --force >/dev/null
    ctl revoke "$SERIAL"
    SERIAL=$(serial_of "$OUT/$NAME.crt")
    run -0 order --if-due 30d
    equals "$(json changed <<<"$output")" true
}
@test "due because another profile is asked for" {
    due --profile person
}
@test "due because another key type is asked for" {
    due --key-type ec:P-384
    openssl x509 -in "$OUT/$NAME.crt" -noout -text | grep -q P-384
}
@test "due because it is within the term of its expiry; a share of its life is a term too" {
    not_due
    run -0 order --if-due 33%
    equals "$(json changed <<<"$output")" false
    run -0 order --if-due 91d
    equals "$(json changed <<<"$output")" true
}
@test "sign --if-due: the same with a CSR, and a CSR with another key makes it due" {
    csr "$NAME-a"
    csr "$NAME-b"
    run -0 ctl --json sign "$S/$NAME-a.csr" --out "$OUT/signed.crt" --if-due 30d
    equals "$(json changed <<<"$output")" true
    run -0 ctl --json sign "$S/$NAME-a.csr" --out "$OUT/signed.crt" --if-due 30d
    equals "$(json changed <<<"$output")" false
    run -0 ctl --json sign "$S/$NAME-b.csr" --san "DNS:$NAME-a" --out "$OUT/signed.crt" --if-due 30d
    equals "$(json changed <<<"$output")" true
}
@test "a term that is no term is refused with exit code 2" {
    run -2 order --if-due soon
    contains "$output" if-due
    run -2 order --if-due 101%
}
