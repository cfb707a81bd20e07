#!/usr/bin/env bats
# badinput.bats - garbage, floods, slow and odd: a named error or a closed connection, the agent lives, nothing is stored.
# SPDX-License-Identifier: Apache-2.0
load helper

setup_file() {
    scratch badinput
    ca_init
    policy_open
    agent_config <<EOF
slow-timeout=2s
idle-timeout=4s
connections=11000
connections-per-uid=11000
EOF
    ulimit -n "$(ulimit -H -n)"
    agent_start
    ctl issue alice --out "$S"
}
teardown_file() { tear_down; }

setup() {
    ROWS=$(rows)
    AGENT=$(ctl --json status | json pid)
}
teardown() {
    agent_running_or_tells
    equals "$(rows)" "$ROWS"
    equals "$(ctl --json status | json pid)" "$AGENT"
}
attack() { python3 "$HERE/attacks.py" "$S/agent.sock" "$@"; }

@test "bytes that are no JSON get a named error with the offset, and the connection lives on" { attack garbage; }
@test "each way to get the envelope or a parameter wrong is refused by name and field" { attack wrong-types; }
@test "JSON too deep, members twice, UTF-8 broken, NUL inside" { attack json; }
@test "a truncated frame and then silence: the connection is closed, the others are served" { attack truncated; }
@test "a frame without end is cut off at the limit" { attack huge; }
@test "a sender of one byte at a time is cut off; its frame is not waited for for ever" { attack slow-sender; }
@test "one who asks and never reads the replies is cut off" { attack never-reads; }
@test "thousands of random mutations of good calls, connections cut at any byte" { attack mutations; }
@test "names: control characters, NUL, too long, too many, wildcards in the wrong place, odd types" { attack names; }
@test "terms and times: zero, negative, overflowing, beyond 2049 and 9999" { attack terms; }

@test "10,000 idle connections: the agent serves the next one" {
    need many-files test "$(ulimit -H -n)" -ge 11000
    ulimit -n "$(ulimit -H -n)"
    attack idle
}

# refused CSR [field]: sign says no with exit code 2, and says why.
refused() {
    run -2 ctl --json sign "$1" --san DNS:odd
    contains "$output" BadRequest
    run -2 ctl sign "$1" --san DNS:odd
    [ -n "$output" ]
}

@test "a CSR whose signature is broken" {
    csr good
    openssl req -in "$S/good.csr" -outform DER -out "$S/good.der"
    python3 - "$S/good.der" "$S/broken.der" <<'EOF'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[-3] ^= 1
open(sys.argv[2], "wb").write(data)
EOF
    refused "$S/broken.der"
    contains "$output" signature
}

@test "a CSR that was changed after it was signed" {
    python3 - "$S/good.der" "$S/changed.der" <<'EOF'
import sys
data = open(sys.argv[1], "rb").read()
assert data.count(b"good") == 1
open(sys.argv[2], "wb").write(data.replace(b"good", b"evil"))
EOF
    refused "$S/changed.der"
    contains "$output" signature
}

@test "weak and odd keys: RSA 1024, a curve that nobody asked for, DSA" {
    openssl req -new -newkey rsa:1024 -nodes -keyout "$S/k" -out "$S/rsa1024.csr" -subj /CN=weak 2>/dev/null
    refused "$S/rsa1024.csr"
    contains "$output" 2048
    for curve in secp256k1 brainpoolP256r1 prime192v1; do
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:$curve -nodes -keyout "$S/k" -out "$S/$curve.csr" -subj /CN=odd 2>/dev/null
        refused "$S/$curve.csr"
    done
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit -nodes -keyout "$S/k" \
        -out "$S/explicit.csr" -subj /CN=odd 2>/dev/null
    refused "$S/explicit.csr"
}

@test "digests that are broken: SHA-1" {
    openssl req -new -sha1 -newkey rsa:2048 -nodes -keyout "$S/k" -out "$S/sha1.csr" -subj /CN=old 2>/dev/null
    refused "$S/sha1.csr"
    contains "${output^^}" SHA
}

@test "truncated, empty and hostile DER; two CSRs in one file; a certificate in place of a CSR" {
    for bytes in 0 1 2 10 60 100; do
        head -c $bytes "$S/good.der" >"$S/cut.der"
        run -2 ctl sign "$S/cut.der" --san DNS:odd
    done
    printf '\060\204\377\377\377\377\002\001\000' >"$S/length.der"
    refused "$S/length.der"
    python3 -c 'import sys; sys.stdout.buffer.write(b"\x30\x80" * 20000)' >"$S/deep.der"
    refused "$S/deep.der"
    cat "$S/good.der" "$S/good.der" >"$S/two.der"
    refused "$S/two.der"
    cat "$S/good.csr" "$S/good.csr" >"$S/two.csr"
    refused "$S/two.csr"
    run -2 ctl sign "$S/alice.crt" --san DNS:odd
}
