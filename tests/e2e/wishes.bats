#!/usr/bin/env bats
# wishes.bats - what a CSR asks is a wish: only names that are also allowed are taken, everything else is ignored and reported.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    house wishes
    ctl ca >"$S/ca.crt"
}
teardown_file() { tear_down; }

@test "a CSR that asks for CA rights in every way gets a client certificate" {
    csr greedy -addext basicConstraints=critical,CA:TRUE,pathlen:5 -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature \
        -addext extendedKeyUsage=serverAuth,codeSigning,OCSPSigning,anyExtendedKeyUsage -addext nameConstraints=permitted\;DNS:example.com \
        -addext subjectAltName=DNS:greedy.example.com -addext certificatePolicies=1.2.3.4
    run -0 ctl --json sign "$S/greedy.csr" --out "$S/greedy.crt"
    contains "$(json ignored <<<"$output")" basicConstraints keyUsage extendedKeyUsage nameConstraints certificatePolicies
    run -0 openssl x509 -in "$S/greedy.crt" -noout -text
    contains "$output" "CA:FALSE" "TLS Web Client Authentication" "DNS:greedy.example.com"
    for right in "CA:TRUE" "Certificate Sign" "CRL Sign" "Code Signing" "OCSP Signing" "Any Extended" "Server Authentication" \
        "Name Constraints" "1.2.3.4"; do
        lacks "$output" "$right"
    done
    openssl verify -x509_strict -purpose sslclient -CAfile "$S/ca.crt" "$S/greedy.crt"
}

@test "a certificate made from it can sign nothing that openssl believes" {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$S/sub.key" -subj /CN=sub -out "$S/sub.csr" 2>/dev/null
    openssl x509 -req -in "$S/sub.csr" -CA "$S/greedy.crt" -CAkey "$S/greedy.key" -CAcreateserial -out "$S/sub.crt" 2>/dev/null
    run ! openssl verify -CAfile "$S/ca.crt" -untrusted "$S/greedy.crt" "$S/sub.crt"
    run -1 ctl verify "$S/sub.crt" --chain "$S/greedy.crt"
}

@test "of the subject only the CN is taken, and the rest is reported" {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$S/subject.key" -out "$S/subject.csr" \
        -subj "/C=AT/O=Evil Corp/OU=Root/CN=subject" 2>/dev/null
    run -0 ctl --json sign "$S/subject.csr" --out "$S/subject.crt"
    [ -n "$(json ignored <<<"$output")" ]
    equals "$(openssl x509 -in "$S/subject.crt" -noout -subject)" "subject=CN = subject"
}

@test "SAN kinds that we do not know are ignored and reported; those we know are taken" {
    csr kinds -addext "subjectAltName=DNS:kinds.example.com,email:kinds@example.com,URI:urn:x:kinds,IP:2001:db8::1,RID:1.2.3.4,otherName:1.2.3.4;UTF8:boo"
    run -0 ctl --json sign "$S/kinds.csr" --out "$S/kinds.crt"
    [ -n "$(json ignored <<<"$output")" ]
    run -0 openssl x509 -in "$S/kinds.crt" -noout -ext subjectAltName
    contains "$output" DNS:kinds.example.com email:kinds@example.com URI:urn:x:kinds "IP Address:2001:DB8:0:0:0:0:0:1"
    lacks "$output" "Registered ID"
    lacks "$output" othername
}

@test "--san of the signer replaces the CSR's names" {
    run -0 ctl --json sign "$S/kinds.csr" --san DNS:mine.example.com --out "$S/mine.crt"
    run -0 openssl x509 -in "$S/mine.crt" -noout -ext subjectAltName
    contains "$output" DNS:mine.example.com
    lacks "$output" kinds
}

@test "a life beyond 2049 is written as RFC 5280 wants it, beyond the CA's end it is clamped and said" {
    run -0 ctl --json issue long --life 824d --out "$S"
    "$BIN/mtlsd" init --state "$S/century" --name "Century CA" --days 20000 --max-life 18000d --seal none
    agent_stop
    sed -i "s,^state=.*,state=$S/century," "$S/mtlsd.conf"
    agent_start
    run -0 ctl --json issue far --days 17000 --out "$S"
    openssl x509 -in "$S/far.crt" -outform DER | openssl asn1parse -inform DER | grep -q GENERALIZEDTIME
    run -0 ctl --json issue tooFar --san DNS:toofar --days 17999 --out "$S"
    run -2 ctl issue never --days 19000 --out "$S"
    contains "$output" life
}

@test "past the CA's own end the certificate ends with the CA, and the answer says clamped" {
    "$BIN/mtlsd" init --state "$S/brief" --name "Brief CA" --days 30 --seal none
    agent_stop
    sed -i "s,^state=.*,state=$S/brief," "$S/mtlsd.conf"
    agent_start
    run -0 ctl --json issue clamped --out "$S"
    equals "$(json clamped <<<"$output")" true
    ctl ca >"$S/brief.crt"
    equals "$(openssl x509 -in "$S/clamped.crt" -noout -enddate)" "$(openssl x509 -in "$S/brief.crt" -noout -enddate)"
}

@test "name constraints of the CA hold" {
    "$BIN/mtlsd" init --state "$S/bound" --name "Bound CA" --permit-dns example.com --seal none
    agent_stop
    sed -i "s,^state=.*,state=$S/bound," "$S/mtlsd.conf"
    agent_start
    ctl ca >"$S/bound.crt"
    openssl x509 -in "$S/bound.crt" -noout -ext nameConstraints | grep -q DNS:example.com
    ctl issue inside.example.com --out "$S"
    openssl verify -x509_strict -purpose sslclient -CAfile "$S/bound.crt" "$S/inside.example.com.crt"
}
