#!/usr/bin/env bats
# diskfull.bats - no space left: nothing is handed out, people still get in, and the agent recovers when there is space again.
# SPDX-License-Identifier: Apache-2.0
#
# The state directory lies on a tmpfs of 3 MiB in a mount namespace of its own (and, where not root, a user namespace, in which one may mount).
# Whatever has to see it runs through `inside`.
# shellcheck disable=SC2086 # SPACES is a list of words
load helper

setup_file() {
    scratch diskfull
    mkdir "$S/small"
    SPACES=--mount MAPPING=
    if [ "$(id -u)" != 0 ]; then SPACES="--user --mount" MAPPING=--map-root-user; fi
    export SPACES
    unshare $SPACES $MAPPING --propagation private sh -c '
        mount -t tmpfs -o size=3m,mode=755 none "$1/small" && : >"$1/mounted" && exec sleep 3600' sh "$S" \
        >"$S/holder.log" 2>&1 </dev/null 3>&- &
    echo $! >"$S/holder.pid"
    disown
    wait_until 5 test -e "$S/mounted" || true
}
teardown_file() {
    if [ -e "$S/holder.pid" ]; then end_process "$(pid_of holder)" KILL; fi
    tear_down
}

inside() { nsenter $SPACES --preserve-credentials --target "$(pid_of holder)" "$@"; }

@test "a CA and an agent on a small file system" {
    need small-tmpfs test -e "$S/mounted"
    inside "$BIN/mtlsd" init --state "$S/small/state" --name "Example CA" --seal none
    policy default <<EOF
use     required  permit
issue   required  permit
verify  required  permit
revoke  required  permit
read    required  permit
EOF
    agent_config </dev/null
    sed -i "s,^state=.*,state=$S/small/state," "$S/mtlsd.conf"
    spawn agent nsenter $SPACES --preserve-credentials --target "$(pid_of holder)" "$BIN/mtlsd" --config "$S/mtlsd.conf"
    wait_until 20 answers_or_ended
    agent_running_or_tells
    ctl issue alice --out "$S"
    ctl issue bob --out "$S"
}

@test "with the disk full, issuing is refused and no file appears" {
    need small-tmpfs test -e "$S/mounted"
    inside sh -c 'cat /dev/zero >"$1/small/ballast" 2>/dev/null; sync; true' sh "$S"
    csr full
    refused=0
    for i in $(seq 60); do
        run ctl sign "$S/full.csr" --san "DNS:full$i" --out "$S/full$i.crt"
        if [ "$status" -eq 0 ]; then
            [ -s "$S/full$i.crt" ]
        else
            refused=$((refused + 1))
            equals "$status" 4
            contains "$output" "disk"
            [ ! -e "$S/full$i.crt" ]
        fi
    done
    echo "refused $refused of 60"
    [ "$refused" -gt 0 ]
    agent_running_or_tells
}

@test "verify and list work on a full disk, and all that was handed out is in the index" {
    need small-tmpfs test -e "$S/mounted"
    run -0 ctl verify "$S/alice.crt"
    for certificate in "$S"/full*.crt; do
        [ -e "$certificate" ] || continue
        run -0 ctl verify "$certificate"
    done
    run -0 ctl list
}

@test "when there is space again everything works, without a restart" {
    need small-tmpfs test -e "$S/mounted"
    inside rm "$S/small/ballast"
    run -0 ctl issue carol --out "$S"
    run -0 ctl revoke bob
    run -1 ctl verify "$S/bob.crt"
    agent_running_or_tells
    before=$(rows)
    kill -TERM "$(pid_of agent)"
    gone() { ! alive "$(pid_of agent)"; }
    wait_until 15 gone
    spawn agent nsenter $SPACES --preserve-credentials --target "$(pid_of holder)" "$BIN/mtlsd" --config "$S/mtlsd.conf"
    wait_until 20 answers
    equals "$(rows)" "$before"
}
