#!/usr/bin/env bats
# policy.bats - `mtlsctl policy explain`: which line decides, without doing anything, and the same as what then happens.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    scratch policy
    ca_init
    KAREN=$(free_uid)
    export KAREN
    cat >"$S/empty" </dev/null
    policy default <<EOF
# who may name this service
use      required    permit
issue    sufficient  name     dns=*.free.example.com
issue    requisite   peer     uid=0,$(id -u),$KAREN
issue    include     common
issue    required    name     dns=*.clients.example.com email=*@example.com
verify   required    permit
read     required    permit
revoke   required    peer     uid=0,$(id -u)
admin    required    peer     uid=0,$(id -u)
EOF
    policy common <<EOF
use      required    deny
issue    required    life     max=30d
EOF
    policy empty-service <<EOF
use      required    permit
EOF
    agent_config </dev/null
    agent_start
}
teardown_file() { tear_down; }

@test "explain shows each line, its result, and the one that decided; nothing is stored" {
    run -0 ctl policy explain issue --name a.clients.example.com --san DNS:a.clients.example.com --life 7d
    contains "$output" "policy.d/default" "policy.d/common" name life peer
    run -0 ctl --json policy explain issue --name a.clients.example.com --san DNS:a.clients.example.com --life 7d
    equals "$(json allowed <<<"$output")" true
    equals "$(rows)" 0
}

@test "a refusal: exit 1, and the line" {
    run -1 ctl --json policy explain issue --name x.example.com --san DNS:x.example.com --life 7d
    equals "$(json allowed <<<"$output")" false
    contains "$(json line <<<"$output")" "policy.d/default:6"
    run -1 ctl --json policy explain issue --name a.clients.example.com --san DNS:a.clients.example.com --life 60d
    contains "$(json line <<<"$output")" "policy.d/common:2"
}

@test "sufficient ends the stack" {
    run -0 ctl --json policy explain issue --name a.free.example.com --san DNS:a.free.example.com --life 365d
    equals "$(json allowed <<<"$output")" true
    contains "$(json line <<<"$output")" "policy.d/default:3"
}

@test "explain and the decision agree, for every name, term and service tried" {
    for name in a.clients.example.com a.b.clients.example.com a.free.example.com clients.example.com x.org; do
        for life in 1d 30d 31d; do
            for service in default empty-service missing; do
                ctl policy explain issue --name "$name" --san "DNS:$name" --life $life --service $service >/dev/null 2>&1 && told=0 || told=$?
                ctl issue "$name" --san "DNS:$name" --life $life --service $service --out "$S" --force >/dev/null 2>&1 && done=0 || done=$?
                [ "$told" -eq "$done" ] || { echo "$name $life $service: explained $told, done $done"; false; }
            done
        done
    done
}

@test "asking as somebody else needs admin" {
    run -0 ctl --json policy explain issue --name a.clients.example.com --san DNS:a.clients.example.com --life 7d --as "$KAREN"
    equals "$(json allowed <<<"$output")" true
    need other-users can_be_others
    run -1 as_uid "$KAREN" "$BIN/mtlsctl" policy explain issue --name a.clients.example.com --san DNS:a.clients.example.com --life 7d --as 0
}

@test "a file that exists never falls through to other, and a service name cannot leave the directory" {
    policy other <<EOF
use     required permit
issue   required permit
EOF
    kill -HUP "$(pid_of agent)"
    falls() { ctl issue o.example.com --service unheard-of --out "$S" --force >/dev/null 2>&1; }
    wait_until 10 falls
    run -1 ctl issue o.example.com --service empty-service --out "$S" --force
    for service in ../default .hidden a/b; do
        run ! ctl issue o.example.com --service "$service" --out "$S" --force
    done
}

@test "a policy file that others may write is refused, and a missing directory is an error at the start" {
    chmod 666 "$S/policy.d/other"
    run ! "$BIN/mtlsd" --config "$S/mtlsd.conf" --check-config
    contains "$output" other
    chmod 644 "$S/policy.d/other"
    "$BIN/mtlsd" --config "$S/mtlsd.conf" --check-config
    sed "s,^policy=.*,policy=$S/nowhere," "$S/mtlsd.conf" >"$S/bad.conf"
    run ! "$BIN/mtlsd" --config "$S/bad.conf" --check-config
    contains "$output" "$S/nowhere"
}
