#!/bin/bash
# demo.sh - the main job on real parts: a CA, an agent, a certificate for alice, a real nginx, a visitor, a revocation.
# SPDX-License-Identifier: Apache-2.0
#
# usage: tests/demo.sh BUILD        KEEP=1 leaves it running and says how to talk to it and how to stop it
# Loopback only. Ends 0 only if every outcome was the expected one, and leaves no process and no scratch directory behind.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$(realpath "$1") || exit 2
# shellcheck source=tests/scratch.sh
source tests/scratch.sh
if [ -x /usr/bin/python3 ]; then python3() { /usr/bin/python3 "$@"; }; fi

scratch_make "$build" demo
S=$SCRATCH
PATH=$BIN:$PATH:/usr/sbin:/sbin
export MTLS_SOCKET=$S/agent.sock
wrong=0 steps=0

clean_up() {
    [ -z "${KEEP:-}" ] || [ $wrong -ne 0 ] || return 0
    local pid
    for name in nginx agent; do
        if [ -s "$S/$name.pid" ]; then end_process "$(cat "$S/$name.pid")"; fi
    done
    for pid in $(processes_of "$S"); do end_process "$pid" KILL; done
    rm -rf "$S"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

if [ -t 1 ]; then bold=$'\e[1m' good=$'\e[32m' bad=$'\e[31m' plain=$'\e[0m'; else bold='' good='' bad='' plain=''; fi

# expect "what should come of it" CONDITION... : judges the outcome of the step before, which stands in $outcome and $status.
expect() {
    local expected=$1
    shift
    steps=$((steps + 1))
    if "$@"; then
        printf '%s\n\n' "    ${good}as expected${plain}: $expected"
    else
        printf '%s\n\n' "    ${bad}NOT as expected${plain}: $expected (exit code $status)"
        wrong=$((wrong + 1))
    fi
}
# step COMMAND: prints it as someone would type it, runs it, prints what it said.
step() {
    printf '%s\n' "  ${bold}\$ $1${plain}"
    outcome=$(cd "$S" && eval "$1" 2>&1)
    status=$?
    [ -z "$outcome" ] || printf '%s\n' "$outcome" | sed 's/^/    /'
}
said() { [[ $outcome == *"$1"* ]]; }
worked() { [ $status -eq 0 ]; }
worked_and_said() { worked && said "$1"; }
refused_and_said() { [ $status -eq 1 ] && said "$1"; }

agent_up() { mtlsctl status >/dev/null 2>&1 || ! alive "$(cat "$S/agent.pid")"; }
nginx_up() { python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$port" 2>/dev/null || ! alive "$(cat "$S/nginx.pid")"; }

if [ "$(id -u)" = 0 ]; then worker='user www-data;' who=root; else worker='' who=$(id -un); fi
echo "mtlsd demo, as $who, in $S"
echo

echo "1. A CA. Its key is made and kept by a process of its own, mtlsd-keeper."
step 'mtlsd init --state state --name "Example CA" --seal none'
expect "there is a CA" worked

cat >"$S/hook" <<EOF
#!/bin/sh
# What crl-hook= names: nginx reads the CRL again.
[ ! -s "$S/nginx.run" ] || kill -HUP "\$(cat "$S/nginx.run")"
EOF
chmod 755 "$S/hook"
mkdir -m 755 "$S/www" "$S/tmp"
cat >"$S/mtlsd.conf" <<EOF
[agent]
state=$S/state
socket=$S/agent.sock
epoch=$S/epoch
crl=$S/www/mtlsd.crl
crl-hook=$S/hook
crl-interval=1s
EOF
echo "2. The agent, in the foreground of a terminal of its own; here in the background."
printf '%s\n' "  ${bold}\$ mtlsd --config mtlsd.conf &${plain}"
mtlsd --config "$S/mtlsd.conf" >"$S/agent.log" 2>&1 </dev/null &
echo $! >"$S/agent.pid"
wait_until 20 agent_up
step 'mtlsctl status'
expect "the agent answers and is ready; keeper and walls are named" worked_and_said ready

echo "3. A certificate for alice, and one for the web server."
step 'mtlsctl issue alice --out .'
expect "alice has a key and a certificate" test -s "$S/alice.key" -a -s "$S/alice.crt"
step 'mtlsctl issue localhost --profile server --san DNS:localhost --out www'
expect "the server has its own" worked
step 'mtlsctl ca > www/ca.crt && openssl verify -purpose sslclient -CAfile www/ca.crt alice.crt'
expect "openssl accepts alice as a TLS client" worked_and_said "alice.crt: OK"
wait_until 10 test -s "$S/www/mtlsd.crl"

echo "4. A real nginx that asks every visitor for a certificate of this CA (packaging/nginx/ssl-verify-client.conf)."
port=$(free_port)
sed -e "s,/etc/nginx/mtlsd,$S/www,g" -e "s,www\.example\.com,localhost,g" -e "s,listen .*;,listen 127.0.0.1:$port ssl;," \
    packaging/nginx/ssl-verify-client.conf >"$S/site.conf"
cat >"$S/nginx.conf" <<EOF
$worker
daemon off;
pid $S/nginx.run;
error_log $S/nginx.error;
events {}
http {
    access_log off;
    client_body_temp_path $S/tmp/body; proxy_temp_path $S/tmp/proxy; fastcgi_temp_path $S/tmp/fastcgi;
    uwsgi_temp_path $S/tmp/uwsgi; scgi_temp_path $S/tmp/scgi;
    include $S/site.conf;
}
EOF
step "nginx -t -q -c $S/nginx.conf -e $S/nginx.error"
expect "nginx likes the configuration" worked
nginx -c "$S/nginx.conf" -e "$S/nginx.error" >>"$S/nginx.log" 2>&1 </dev/null &
echo $! >"$S/nginx.pid"
wait_until 15 nginx_up

curl='curl -sS --max-time 20 --cacert www/ca.crt -o page -w "%{http_code}\n"'
step "$curl https://localhost:$port/"
expect "without a certificate nginx answers 400" worked_and_said 400
step "$curl --cert alice.crt --key alice.key https://localhost:$port/"
expect "with it, alice is let in: 200" worked_and_said 200

echo "5. The laptop is lost."
step 'mtlsctl verify alice.crt'
expect "so far the certificate is good" worked
step 'mtlsctl revoke alice --reason keyCompromise --yes'
expect "revoked" worked
step 'mtlsctl verify alice.crt'
expect "for the agent it is revoked from that moment on" refused_and_said revoked
printf '%s\n' "    (the CRL is written, crl-hook= makes nginx read it)"
# Five times in a row: while nginx reloads, its old worker may take one more connection.
shut_out() {
    local try
    for try in 1 2 3 4 5; do
        [ "$(cd "$S" && eval "$curl --cert alice.crt --key alice.key https://localhost:$port/" 2>/dev/null)" = 400 ] || return 1
        sleep "0.$try"
    done
}
wait_until 20 shut_out
step "$curl --cert alice.crt --key alice.key https://localhost:$port/"
expect "nginx shuts alice out: 400" worked_and_said 400
step 'mtlsctl list'
expect "and the index knows both" worked_and_said revoked

if [ -n "${KEEP:-}" ] && [ $wrong -eq 0 ]; then
    echo "It is still running. To talk to it:"
    echo "    export MTLS_SOCKET=$S/agent.sock PATH=$BIN:\$PATH; cd $S"
    echo "    mtlsctl status"
    echo "    mtlsctl issue bob --out ."
    echo "    curl --cacert www/ca.crt --cert bob.crt --key bob.key https://localhost:$port/"
    echo "To stop it and remove everything:"
    echo "    kill $(cat "$S/nginx.pid") $(cat "$S/agent.pid"); sleep 2; rm -r $S"
    disown -a
else
    clean_up
    left=$(processes_of "$S")
    [ -z "$left" ] || { echo "processes were left behind: $left"; wrong=$((wrong + 1)); }
fi
if [ $wrong -eq 0 ]; then
    echo "$steps steps, each as expected"
else
    echo "$wrong of $steps steps NOT as expected"
    exit 1
fi
