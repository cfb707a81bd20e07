#!/usr/bin/env bats
# varlink.bats - varlink clients that we did not write: varlinkctl of systemd 257, and Go's varlink library.
# SPDX-License-Identifier: Apache-2.0
load helper

# varlinkctl of Debian 13, unpacked under the build directory (once) and run by its own dynamic loader: no chroot, no root needed.
varlinkctl_install() {
    local tree=$BUILD/trixie mirror
    [ -x "$tree/usr/bin/varlinkctl" ] && return 0
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/*$' | head -n 1)
    rm -rf "$tree.new"
    mmdebstrap --quiet --mode="$([ "$(id -u)" = 0 ] && echo root || echo chrootless)" --variant=extract --include=systemd trixie "$tree.new" \
        "${mirror:-http://deb.debian.org/debian}" >"$BUILD/trixie.log" 2>&1 || { cat "$BUILD/trixie.log"; return 1; }
    mv -T "$tree.new" "$tree" || [ -x "$tree/usr/bin/varlinkctl" ]
}
varlinkctl() {
    local tree=$BUILD/trixie library loader
    for loader in "$tree"/usr/lib*/ld-linux-*.so.* "$tree"/usr/lib/*/ld-linux-*.so.*; do
        [ -e "$loader" ] && break
    done
    library=$(dirname "$(echo "$tree"/usr/lib/*/libc.so.6)")
    "$loader" --library-path "$library:$library/systemd" "$tree/usr/bin/varlinkctl" "$@"
}

setup_file() {
    house varlink
    ctl issue alice --out "$S"
    # mmdebstrap and apt use descriptors of their own: they get neither the lock nor those of bats.
    (flock 9 && varlinkctl_install 9>&- 3>&-) 9>"$BUILD/trixie.lock" >"$S/varlinkctl.log" 2>&1 || true
}
teardown_file() { tear_down; }

@test "varlinkctl info" {
    need varlinkctl varlinkctl --version
    contains "$(varlinkctl --version)" "systemd 257"
    run -0 varlinkctl info "unix:$S/agent.sock"
    contains "$output" io.mtlsd.Agent org.varlink.service mtlsd
}

@test "varlinkctl introspect reads the interface back, and it is the file in proto/" {
    need varlinkctl varlinkctl --version
    run -0 varlinkctl introspect "unix:$S/agent.sock" io.mtlsd.Agent
    contains "$output" "method Issue(" "method Verify(" "error NotPermitted"
    python3 - "$ROOT/proto/io.mtlsd.Agent.varlink" <<'EOF'
import os, sys
from peer import Peer
got = Peer(os.environ["MTLS_SOCKET"]).call("org.varlink.service.GetInterfaceDescription", {"interface": "io.mtlsd.Agent"})
assert got["description"] == open(sys.argv[1]).read()
EOF
    run -0 varlinkctl list-methods "unix:$S/agent.sock" io.mtlsd.Agent
    contains "$output" io.mtlsd.Agent.Sign
}

@test "varlinkctl call" {
    need varlinkctl varlinkctl --version
    run -0 varlinkctl --json=short call "unix:$S/agent.sock" io.mtlsd.Agent.Get '{"name":"alice"}'
    equals "$(json certificate.name <<<"$output")" alice
    run -0 varlinkctl --json=short call "unix:$S/agent.sock" io.mtlsd.Agent.Issue '{"name":"by-varlinkctl"}'
    equals "$(json changed <<<"$output")" true
    contains "$output" "PRIVATE KEY"
}

@test "varlinkctl call shows our errors by name and with their fields" {
    need varlinkctl varlinkctl --version
    run ! varlinkctl --json=short call "unix:$S/agent.sock" io.mtlsd.Agent.Get '{"name":"nobody"}'
    contains "$output" io.mtlsd.Agent.NotFound
    run ! varlinkctl --json=short call "unix:$S/agent.sock" io.mtlsd.Agent.Get '{"nosuch":1}'
    contains "$output" InvalidParameter
    run ! varlinkctl --json=short call "unix:$S/agent.sock" io.mtlsd.Agent.NoSuch '{}'
    contains "$output" MethodNotFound
}

@test "varlinkctl call --more streams a list" {
    need varlinkctl varlinkctl --version
    csr many
    python3 "$HERE/load.py" sign --socket "$S/agent.sock" --csr "$S/many.csr" --connections 16 --calls 600 >/dev/null
    run -0 varlinkctl --more --json=short call "unix:$S/agent.sock" io.mtlsd.Agent.List '{}'
    equals "$(python3 -c '
import json, sys
pages = [json.loads(line) for line in sys.stdin.read().replace("\x1e", "").splitlines() if line.strip()]
assert len(pages) > 1, "one page only"
print(sum(len(page["certificates"]) for page in pages))' <<<"$output")" "$(rows)"
}

@test "Go's varlink library: info, interface description, a call, a stream, a typed error" {
    need go go version
    need go-varlink test -d /usr/share/gocode/src/github.com/varlink/go/varlink
    mkdir -p "$BUILD/e2e"
    GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$BUILD/e2e/go-cache GOFLAGS='' go build -o "$S/peer-go" "$HERE/peers/agent_client.go"
    run -0 "$S/peer-go" "unix:$S/agent.sock"
    contains "$output" "interface io.mtlsd.Agent" "issued by-go" "error io.mtlsd.Agent.NotFound"
    equals "$(sed -n 's/^listed //p' <<<"$output")" "$(rows)"
}

@test "a oneway call is done and not answered" {
    python3 - <<'EOF'
import os
from peer import Peer
peer = Peer(os.environ["MTLS_SOCKET"])
peer.send("Issue", {"name": "oneway"}, oneway=True)
assert peer.call("Get", {"name": "oneway"})["certificate"]["name"] == "oneway"
EOF
}

@test "upgrade is refused by name" {
    python3 - <<'EOF'
import os
from peer import Peer
peer = Peer(os.environ["MTLS_SOCKET"])
peer.send("Status", {}, upgrade=True)
reply = peer.receive()
assert "error" in reply, reply
assert peer.call("Status")["state"] == "ready"
EOF
}

@test "who lost the connection asks by the id of its call what became of it" {
    python3 - <<'EOF'
import os
from peer import Peer
socket = os.environ["MTLS_SOCKET"]
first = Peer(socket).call("Issue", {"name": "lost", "requestId": "2d7c"})["certificate"]
again = Peer(socket).call("Get", {"requestId": "2d7c"})["certificate"]
assert first["serial"] == again["serial"]
assert Peer(socket).refused("Get", {"requestId": "other"})[0] == "NotFound"
EOF
}
