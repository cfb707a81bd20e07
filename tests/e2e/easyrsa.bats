#!/usr/bin/env bats
# easyrsa.bats - the easy-rsa way side by side: its CSR is signed here, and the result is what was asked.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    house easyrsa
    ctl ca >"$S/ca.crt"
    export EASYRSA_PKI=$S/pki EASYRSA_BATCH=1 EASYRSA_ALGO=rsa
}
teardown_file() { tear_down; }

easyrsa() { /usr/share/easy-rsa/easyrsa "$@"; }

@test "easyrsa gen-req writes a CSR without SAN; mtlsctl sign --san signs it, as easyrsa --san=... sign-req would" {
    need easy-rsa test -x /usr/share/easy-rsa/easyrsa
    easyrsa init-pki
    EASYRSA_REQ_CN=karen easyrsa gen-req karen nopass
    run -0 ctl sign "$S/pki/reqs/karen.req" --san DNS:karen.clients.example.com,email:karen@example.com --out "$S/karen.crt"
    run -0 openssl x509 -in "$S/karen.crt" -noout -subject -ext subjectAltName,extendedKeyUsage
    contains "$output" "CN = karen" "DNS:karen.clients.example.com" "email:karen@example.com" "TLS Web Client Authentication"
    lacks "$output" "Server Authentication"
    openssl verify -x509_strict -purpose sslclient -CAfile "$S/ca.crt" "$S/karen.crt"
    equals "$(openssl x509 -in "$S/karen.crt" -noout -pubkey)" "$(openssl pkey -in "$S/pki/private/karen.key" -pubout)"
}

@test "without --san the rule of names gives it one" {
    need easy-rsa test -x /usr/share/easy-rsa/easyrsa
    EASYRSA_REQ_CN=laptop easyrsa gen-req laptop nopass
    ctl sign "$S/pki/reqs/laptop.req" --out "$S/laptop.crt"
    run -0 openssl x509 -in "$S/laptop.crt" -noout -ext subjectAltName
    contains "$output" "DNS:laptop"
}

@test "a CSR from standard input, PEM or DER, goes to standard output as PEM" {
    csr stdin -addext subjectAltName=DNS:stdin.example.com
    ctl sign - <"$S/stdin.csr" | openssl x509 -noout -ext subjectAltName | grep -q DNS:stdin.example.com
    openssl req -in "$S/stdin.csr" -outform DER -out "$S/stdin.der"
    ctl sign "$S/stdin.der" | openssl x509 -noout -subject | grep -q "CN = stdin"
}

@test "the profile server gives serverAuth, and openssl takes it for a server's" {
    EASYRSA_REQ_CN=www.example.com easyrsa gen-req www nopass
    ctl sign "$S/pki/reqs/www.req" --profile server --san DNS:www.example.com --out "$S/www.crt"
    openssl verify -x509_strict -purpose sslserver -CAfile "$S/ca.crt" "$S/www.crt"
    run ! openssl verify -purpose sslclient -CAfile "$S/ca.crt" "$S/www.crt"
}

@test "beside it, easy-rsa's own CA gives the same names and usage" {
    easyrsa --req-cn="Old CA" build-ca nopass
    easyrsa --subject-alt-name=DNS:karen.clients.example.com,email:karen@example.com sign-req client karen
    ext() { openssl x509 -in "$1" -noout -ext subjectAltName,extendedKeyUsage | tr -d ' '; }
    equals "$(ext "$S/karen.crt")" "$(ext "$S/pki/issued/karen.crt")"
}

@test "mtlsctl verify --anchors accepts a certificate of the old CA, with its CRL, and without an agent" {
    easyrsa gen-crl
    cp "$S/pki/issued/karen.crt" "$S/old-karen.crt"
    run -0 ctl --socket "$S/nobody.sock" verify "$S/old-karen.crt" --anchors "$S/pki/ca.crt" --crl "$S/pki/crl.pem" --purpose client
    easyrsa revoke karen
    easyrsa gen-crl
    run -1 ctl --socket "$S/nobody.sock" verify "$S/old-karen.crt" --anchors "$S/pki/ca.crt" --crl "$S/pki/crl.pem" --purpose client
    contains "$output" revoked
}

@test "the agent does not take the old CA's karen for its own" {
    run -1 ctl --json verify "$S/old-karen.crt"
    equals "$(json valid <<<"$output")" false
}
