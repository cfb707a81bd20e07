#!/usr/bin/env bats
# kill.bats - SIGKILL in the middle of issuing: what a client received is in the index, nothing is half there.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    house kill
    csr load
}
teardown_file() { tear_down; }

@test "50 times SIGKILL of the agent while replies are outstanding: every certificate that a client received is in the index" {
    run -0 python3 "$HERE/kill.py" --programs "$BIN" --config "$S/mtlsd.conf" --socket "$S/agent.sock" --csr "$S/load.csr" \
        --rounds 50 --log "$S/agent.log" --pid-file "$S/agent.pid"
    echo "$output"
    echo "# $output" >&3
}

@test "afterwards the database is whole, and so is the audit chain" {
    answers
    run -0 python3 - "$S/state" <<'EOF'
import pathlib, sqlite3, sys
files = [path for path in pathlib.Path(sys.argv[1]).iterdir() if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"]
assert len(files) == 1, files
database = sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True)
assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
EOF
    "$BIN/mtlsd" --config "$S/mtlsd.conf" --check-config
}

@test "and every certificate in the index is whole: it parses, and the CA's signature on it holds" {
    ctl ca >"$S/ca.crt"
    python3 - "$S" <<'EOF'
import os, subprocess, sys
from peer import Peer, certificates
socket, scratch = os.environ["MTLS_SOCKET"], sys.argv[1]
index = certificates(socket)
assert len(index) >= 50, len(index)
peer, bundle = Peer(socket), []
for serial in index:
    bundle.append(peer.call("Get", {"serial": serial})["pem"])
for start in range(0, len(bundle), 200):
    paths = []
    for i, pem in enumerate(bundle[start:start + 200]):
        paths.append(f"{scratch}/part{i}.crt")
        with open(paths[-1], "w") as file:
            file.write(pem)
    subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", f"{scratch}/ca.crt", *paths],
                   check=True, stdout=subprocess.DEVNULL)
EOF
}
