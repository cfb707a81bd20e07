#!/usr/bin/env bats
# nginx.bats - a real nginx with ssl_verify_client, our CA, our CRL, and the hook that makes nginx read it.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    scratch nginx
    ca_init
    policy_open
    mkdir "$S/www"
    cat >"$S/hook" <<EOF
#!/bin/sh
[ ! -e "$S/nginx.run" ] || kill -HUP "\$(cat "$S/nginx.run")"
echo hooked >>"$S/hooks"
EOF
    chmod 755 "$S/hook"
    agent_config <<EOF
crl=$S/www/mtlsd.crl
crl-hook=$S/hook
crl-interval=1s
EOF
    agent_start
    PORT=$(free_port)
    export PORT
    ctl ca >"$S/www/ca.crt"
    ctl issue localhost --profile server --san DNS:localhost --san IP:127.0.0.1 --out "$S/www"
    ctl issue alice --out "$S"
    ctl issue bob --out "$S"
}
teardown_file() { tear_down; }

web() { curl -sS --max-time 20 --cacert "$S/www/ca.crt" -o "$S/body" -w '%{http_code}' "$@" "https://localhost:$PORT/"; }
present() { web --cert "$S/$1.crt" --key "$S/$1.key"; }
refused_is() { [ "$(present "$1")" = "$2" ]; }

@test "the CRL is written before anybody asks for it" {
    wait_until 10 test -s "$S/www/mtlsd.crl"
    openssl crl -in "$S/www/mtlsd.crl" -noout -CAfile "$S/www/ca.crt"
}

@test "packaging/nginx/ssl-verify-client.conf starts in a real nginx" {
    need nginx nginx -v
    worker=www-data
    user_line=
    if [ "$(id -u)" = 0 ]; then user_line="user $worker;"; fi
    sed -e "s,/etc/nginx/mtlsd,$S/www,g" -e "s,www\.example\.com,localhost,g" -e "s,listen .*;,listen 127.0.0.1:$PORT ssl;," \
        "$ROOT/packaging/nginx/ssl-verify-client.conf" >"$S/site.conf"
    mkdir "$S/tmp"
    chmod 755 "$S/www"
    chmod 644 "$S/www/localhost.crt" "$S/www/ca.crt"
    cat >"$S/nginx.conf" <<EOF
$user_line
daemon off;
pid $S/nginx.run;
error_log $S/nginx.error info;
events {}
http {
    access_log off;
    client_body_temp_path $S/tmp/body; proxy_temp_path $S/tmp/proxy; fastcgi_temp_path $S/tmp/fastcgi;
    uwsgi_temp_path $S/tmp/uwsgi; scgi_temp_path $S/tmp/scgi;
    include $S/site.conf;
}
EOF
    nginx -t -c "$S/nginx.conf" -e "$S/nginx.error"
}

@test "without a certificate: 400; with alice's: 200" {
    need nginx nginx -v
    spawn nginx nginx -c "$S/nginx.conf" -e "$S/nginx.error"
    up() { web >/dev/null 2>&1; }
    wait_until 10 up
    equals "$(web)" 400
    grep -q "No required SSL certificate was sent" "$S/body"
    equals "$(present alice)" 200
    equals "$(present bob)" 200
}

@test "a certificate of another CA with the same name: 400" {
    need nginx nginx -v
    "$BIN/mtlsd" init --state "$S/other" --name "Example CA" --seal none
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=alice" -keyout "$S/fake.key" -out "$S/fake.crt" 2>/dev/null
    equals "$(present fake)" 400
}

@test "alice revoked: the CRL is written, the hook runs, nginx answers 400; bob still gets 200" {
    need nginx nginx -v
    : >"$S/hooks"
    ctl revoke alice
    wait_until 20 refused_is alice 400
    equals "$(present bob)" 200
    [ -s "$S/hooks" ]
    openssl crl -in "$S/www/mtlsd.crl" -noout -text | grep -q "Serial Number"
}

@test "the CRL appears whole or not at all: a reader in a loop never sees half of one" {
    (
        while [ ! -e "$S/enough" ]; do
            openssl crl -in "$S/www/mtlsd.crl" -noout -CAfile "$S/www/ca.crt" 2>&1 | grep -v "verify OK" || true
        done >"$S/bad-reads"
    ) 3>&- &
    reader=$!
    for i in 1 2 3 4; do
        ctl issue "r$i" --out "$S"
        ctl revoke "r$i"
        sleep 1.1
    done
    : >"$S/enough"
    wait "$reader"
    equals "$(cat "$S/bad-reads")" ""
}

@test "nginx ends and leaves nothing" {
    need nginx nginx -v
    end_process "$(pid_of nginx)" QUIT
    run ! web
}
