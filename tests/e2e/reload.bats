#!/usr/bin/env bats
# reload.bats - SIGHUP reads the policy again, all or nothing; a bad line leaves the old one in force and is told.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() { house reload; }
teardown_file() { tear_down; }

generation() { ctl --json status | json policyGeneration; }
generation_is() { [ "$(generation)" = "$1" ]; }
policy_error() { [ "$(ctl --json status | json policyError 2>/dev/null)" != "" ]; }

@test "SIGHUP: the new policy is in force, the generation and the epoch have moved" {
    ctl issue alice --out "$S"
    generation=$(generation)
    epoch=$(ctl --json status | json epoch)
    sed -i 's/^issue .*/issue required deny/' "$S/policy.d/default"
    kill -HUP "$(pid_of agent)"
    wait_until 10 generation_is $((generation + 1))
    [ "$(ctl --json status | json epoch)" != "$epoch" ]
    run -1 ctl issue bob --out "$S"
    contains "$output" "policy.d/default:2"
    run -0 ctl verify "$S/alice.crt"
}

@test "a bad line: the old policy stays, status and log name file and line" {
    generation=$(generation)
    printf 'issue required permti\n' >>"$S/policy.d/default"
    kill -HUP "$(pid_of agent)"
    wait_until 10 policy_error
    equals "$(generation)" "$generation"
    contains "$(ctl --json status | json policyError)" "default:8" permti
    grep -q "default:8" "$S/agent.log"
    run -1 ctl issue bob --out "$S"
    run -0 ctl list
}

@test "the line mended: it is in force" {
    policy_open
    kill -HUP "$(pid_of agent)"
    issue_works() { ctl issue bob --out "$S" --force >/dev/null 2>&1; }
    wait_until 10 issue_works
}

@test "the method Reload does the same for those who may, and answers with the bad line" {
    generation=$(generation)
    run -0 python3 "$HERE/peer.py" "$S/agent.sock" Reload
    equals "$(json generation <<<"$output")" $((generation + 1))
    printf 'nonsense\n' >>"$S/policy.d/default"
    run -1 python3 "$HERE/peer.py" "$S/agent.sock" Reload
    contains "$output" "default:8"
    policy_open
    python3 "$HERE/peer.py" "$S/agent.sock" Reload
}

@test "nothing in flight is lost over a reload" {
    csr load
    python3 "$HERE/load.py" sign --socket "$S/agent.sock" --csr "$S/load.csr" --connections 16 --calls 1500 >"$S/load.json" 3>&- &
    load=$!
    for _ in 1 2 3 4 5; do
        sleep 0.1
        kill -HUP "$(pid_of agent)"
    done
    wait "$load"
    equals "$(json "done" <"$S/load.json")" 1500
}

@test "SIGTERM finishes what was accepted: every reply that was sent is in the index, none is lost" {
    python3 - "$S/load.csr" "$(pid_of agent)" >"$S/received" <<'EOF'
import os, signal, sys
from peer import Peer
csr = open(sys.argv[1]).read()
peers = [Peer(os.environ["MTLS_SOCKET"]) for _ in range(32)]
for i, peer in enumerate(peers):
    peer.send("Sign", {"csr": csr, "name": f"term{i}"})
first = peers[0].receive()
os.kill(int(sys.argv[2]), signal.SIGTERM)
replies = [first]
for peer in peers[1:]:
    try:
        replies.append(peer.receive())
    except (EOFError, ConnectionError):
        pass
for reply in replies:
    if "parameters" in reply and "certificate" in reply["parameters"]:
        print(reply["parameters"]["certificate"]["serial"])
EOF
    gone() { ! alive "$(pid_of agent)"; }
    wait_until 15 gone
    agent_start
    [ -s "$S/received" ]
    while read -r serial; do ctl show "$serial" >/dev/null; done <"$S/received"
}
