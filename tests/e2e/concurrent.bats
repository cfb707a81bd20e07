#!/usr/bin/env bats
# concurrent.bats - many clients at once: no serial twice, no row lost, one sync for many, and the keeper works while the disk does.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() { house concurrent; }
teardown_file() { tear_down; }

@test "eight clients issue 25 certificates each: 200 serials, 200 rows, and each row is the certificate that was received" {
    mkdir "$S/out"
    for client in 1 2 3 4 5 6 7 8; do
        (
            set -e
            for i in $(seq 25); do
                "$BIN/mtlsctl" issue "c$client-$i" --out "$S/out" >/dev/null
            done
        ) 3>&- &
        clients[client]=$!
    done
    for client in "${clients[@]}"; do wait "$client"; done
    equals "$(find "$S/out" -name '*.crt' | wc -l)" 200
    python3 - "$S/out" <<'EOF'
import os, pathlib, subprocess, sys
from peer import certificates
index = certificates(os.environ["MTLS_SOCKET"])
assert len(index) == 200, len(index)
by_name = {c["name"]: c for c in index.values()}
for path in pathlib.Path(sys.argv[1]).glob("*.crt"):
    text = subprocess.check_output(["openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha256"], text=True)
    fingerprint = text.split("=")[1].strip().replace(":", "").lower()
    assert by_name[path.stem]["fingerprint"].replace(":", "") == fingerprint, path
EOF
}

@test "32 connections that sign at once share their syncs: at most one for four" {
    csr many
    run -0 python3 "$HERE/load.py" sign --socket "$S/agent.sock" --csr "$S/many.csr" --connections 32 --calls 1600
    echo "$output"
    equals "$(json "done" <<<"$output")" 1600
    python3 - "$output" <<'EOF'
import json, sys
load = json.loads(sys.argv[1])
assert load["syncs"] * 4 <= load["done"], load
assert load["serials"] == load["done"], "a serial twice"
EOF
}

@test "grants go to the keeper while a COMMIT is under way" {
    run -0 ctl --json status
    echo "overlapped: $(json overlapped <<<"$output") of $(json committed <<<"$output")"
    [ "$(json overlapped <<<"$output")" -gt 0 ]
}

@test "one call at a time for each connection: pipelined calls are answered in their order" {
    python3 - <<'EOF'
import os
from peer import Peer
peer = Peer(os.environ["MTLS_SOCKET"])
names = [f"p{i}" for i in range(40)]
for name in names:
    peer.send("Issue", {"name": name})
    peer.send("Get", {"name": name})
for name in names:
    issued, got = peer.receive(), peer.receive()
    assert issued["parameters"]["certificate"]["name"] == name, issued
    assert got["parameters"]["certificate"]["serial"] == issued["parameters"]["certificate"]["serial"], "one reads what one wrote"
EOF
}

@test "two revocations of one certificate at once: it is revoked once, both are told so" {
    python3 - <<'EOF'
import os
from peer import Peer
socket = os.environ["MTLS_SOCKET"]
serial = Peer(socket).call("Issue", {"name": "twice"})["certificate"]["serial"]
peers = [Peer(socket) for _ in range(8)]
for peer in peers:
    peer.send("Revoke", {"serial": serial})
changed = [peer.receive()["parameters"]["changed"] for peer in peers]
assert changed.count(True) == 1, changed
EOF
}
