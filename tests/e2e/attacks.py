# attacks.py - what a stranger might send to the agent's socket, and what must come back.
# SPDX-License-Identifier: Apache-2.0
"""attacks.py SOCKET ATTACK"""
import json
import os
import random
import select
import socket
import sys
import time

from peer import AGENT, Peer

PATH = sys.argv[1]


def lives(peer=None):
    """A connection, this one or a new one, is still served."""
    assert (peer or Peer(PATH)).call("Status")["state"] == "ready"


def raw(peer, data):
    """Send one frame of any bytes; the reply's short error name and parameters."""
    peer.send_bytes(data + b"\0")
    reply = peer.receive()
    assert "error" in reply, (data[:80], reply)
    return reply["error"].rsplit(".", 1)[-1], reply.get("parameters", {})


def closed(peer, seconds):
    """The agent closes the connection within so many seconds (it may say why first)."""
    peer.socket.settimeout(seconds)
    try:
        while peer.socket.recv(65536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def garbage():
    peer = Peer(PATH)
    for data in (b"", b"x", b"\xff\xfe", b"{", b"[]", b"null", b"42", b'"text"', b"{}", b"{]", b"'", b"GET / HTTP/1.1\r\n\r\n",
                 b"\x16\x03\x01\x02", b"A" * 1000, b"{" * 1000, b'{"method":', b'{"method":"x"} trailing', os.urandom(200).replace(b"\0", b"x")):
        name, parameters = raw(peer, data)
        assert name in ("BadRequest", "InvalidParameter", "InterfaceNotFound", "MethodNotFound"), (data, name)
        if name == "BadRequest" and data.startswith(b"{]"):
            assert parameters["offset"] >= 0, parameters
        lives(peer)


def wrong_types():
    peer = Peer(PATH)
    for value in (1, True, [], {}, 1.5):
        name, parameters = peer.refused("Issue", {"name": value})
        assert (name, parameters.get("parameter")) == ("InvalidParameter", "name"), (name, parameters)
    for field, value in (("sans", "DNS:x"), ("sans", [1]), ("sans", {"a": 1}), ("dryRun", "yes"), ("life", 90), ("unknown", 1)):
        name, parameters = peer.refused("Issue", {"name": "x", field: value})
        assert name == "InvalidParameter" and parameters["parameter"].startswith(field), (field, value, name, parameters)
    name, parameters = peer.refused("Issue", {})
    assert (name, parameters.get("parameter")) == ("InvalidParameter", "name"), (name, parameters)
    for envelope in ({"method": 1}, {"method": "io.mtlsd.Agent.Status", "parameters": []}, {"method": "io.mtlsd.Agent.Status", "more": 1},
                     {"method": "io.mtlsd.Agent.Status", "oneway": "no"}, {"method": "io.mtlsd.Agent.Status", "extra": 1}, {"parameters": {}},
                     {"method": ""}, {"method": "."}, {"method": "x" * 5000}):
        name, _ = raw(peer, json.dumps(envelope).encode())
        assert name in ("BadRequest", "InvalidParameter", "MethodNotFound", "InterfaceNotFound"), (envelope, name)
    assert peer.refused("NoSuchMethod")[0] == "MethodNotFound"
    assert peer.refused("com.example.Other.Call")[0] == "InterfaceNotFound"
    lives(peer)


def strict_json():
    peer = Peer(PATH)
    status = b'{"method":"io.mtlsd.Agent.Status"'
    for data in (status + b',"method":"io.mtlsd.Agent.Status"}', status + b',"parameters":{"a":1,"a":2}}',
                 status + b',"parameters":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}", status + b',"parameters":' + b"[" * 100000 + b"]" * 100000 + b"}",
                 b'{"method":"io.mtlsd.Agent.Get","parameters":{"name":"\xc3\x28"}}', b'{"method":"io.mtlsd.Agent.Get","parameters":{"name":"\xed\xa0\x80"}}',
                 b'{"method":"io.mtlsd.Agent.Get","parameters":{"name":"a\\u0000b"}}', b'{"method":"io.mtlsd.Agent.Get","parameters":{"name":"\\ud800"}}',
                 status + b',"parameters":{}}}', status + b"}{}", status + b',"parameters":{"a":1e999}}', status + b',"parameters":{"a":' + b"9" * 400 + b"}}"):
        name, _ = raw(peer, data)
        assert name in ("BadRequest", "InvalidParameter"), (data[:100], name)
        lives(peer)
    peer.send_bytes(status + b'}\0' + status + b'}\0')
    assert "error" not in peer.receive() and "error" not in peer.receive()


def truncated():
    call = json.dumps({"method": AGENT + "Issue", "parameters": {"name": "truncated"}}).encode()
    for length in range(1, len(call), 7):
        peer = Peer(PATH)
        peer.send_bytes(call[:length])
        peer.close()
    silent = Peer(PATH)
    silent.send_bytes(call[:20])
    lives()
    assert closed(silent, 10), "an unfinished frame is waited for for ever"
    half = Peer(PATH)
    half.send_bytes(call)
    half.socket.shutdown(socket.SHUT_WR)
    assert closed(half, 10)


def huge():
    peer = Peer(PATH)
    sent = 0
    try:
        while sent < 64 << 20:
            peer.send_bytes(b"a" * 65536)
            sent += 65536
    except OSError:
        pass
    assert sent < 8 << 20, sent
    assert closed(peer, 5)
    largest = {"method": AGENT + "Get", "parameters": {"name": "a" * 250000}}
    peer = Peer(PATH)
    assert raw(peer, json.dumps(largest).encode())[0] == "BadRequest"
    lives(peer)


def slow_sender():
    peer = Peer(PATH)
    call = json.dumps({"method": AGENT + "Status", "parameters": {}}).encode() + b" " * 400 + b"\0"
    began = time.monotonic()
    try:
        for byte in call:
            peer.send_bytes(bytes([byte]))
            time.sleep(0.05)
            if time.monotonic() - began > 12:
                break
    except OSError:
        pass
    assert time.monotonic() - began < 12, "a slow sender is waited for"
    lives()


def never_reads():
    peers = [Peer(PATH, timeout=1) for _ in range(8)]
    for peer in peers:
        try:
            for _ in range(100000):
                peer.send("GetAuthority")
        except (TimeoutError, OSError):
            pass
        lives()
    # To look whether it is closed without reading: poll(2) tells of a hang-up unasked.
    ends = time.monotonic() + 15
    for peer in peers:
        poll = select.poll()
        poll.register(peer.socket, 0)
        assert poll.poll(max(0, ends - time.monotonic()) * 1000), "one who never reads is kept"


def mutations():
    random.seed(7)
    pem = open(os.path.join(os.path.dirname(PATH), "alice.crt")).read()
    calls = [{"method": AGENT + "Status"}, {"method": AGENT + "Verify", "parameters": {"certificate": pem}},
             {"method": AGENT + "List", "parameters": {"name": "alice"}, "more": True},
             {"method": AGENT + "Explain", "parameters": {"operation": "issue", "name": "x", "sans": ["DNS:x"]}},
             {"method": AGENT + "Get", "parameters": {"serial": "0a"}}, {"method": "org.varlink.service.GetInfo"},
             {"method": AGENT + "Issue", "parameters": {"name": "m", "sans": ["DNS:m"], "life": "1d", "dryRun": True}}]
    for turn in range(3000):
        data = bytearray(json.dumps(random.choice(calls)).encode())
        for _ in range(random.randint(1, 6)):
            at = random.randrange(len(data))
            what = random.randrange(4)
            if what == 0:
                data[at] = random.randrange(1, 256)
            elif what == 1:
                del data[at:at + random.randint(1, 8)]
            elif what == 2:
                data[at:at] = random.choice((b'"', b"{", b"}", b"[", b"\\u0000", b",", b"9" * 30, b"null", b"\xf0\x9f"))
            else:
                data[at:at] = data[at:at + 20]
            if not data:
                data = bytearray(b"x")
        if b"dryRun" not in data and b"Issue" in data:
            continue
        peer = Peer(PATH)
        peer.send_bytes(bytes(data) + (b"\0" if turn % 4 else b""))
        if turn % 4 == 1:
            peer.receive()
        peer.close()
    lives()


def names():
    peer = Peer(PATH)

    def bad(field, parameters):
        name, told = peer.refused("Issue", parameters)
        assert name == "BadRequest" and told["field"].startswith(field), (parameters, name, told)

    for text in ("", " ", " x", "x ", "a\nb", "a\tb", "a\x7fb", "a\u0085b", "x" * 65, "\x01", "a\r\nDNS:b"):
        bad("name", {"name": text, "sans": ["DNS:x"]})
    long = ".".join(["a" * 60] * 5)
    for san in ("", "x", "DNS:", "DNS: x", "DNS:a b", "DNS:a..b", "DNS:.a", "DNS:-a", "DNS:a-", "DNS:a_b", "DNS:" + "a" * 64, "DNS:" + long,
                "DNS:m\u00fcnchen.example", "DNS:a.*.b", "DNS:*", "DNS:*a.b", "DNS:**.b", "DNS:a\nb", "DNS:127.0.0.1:80", "email:", "email:x", "email:a@b@c",
                "email:a@", "email:@b", "email:\u00fc@example.com", "email:a b@example.com", "URI:", "URI:relative", "URI:http://a b/", "URI:x:\n",
                "URI:" + "urn:" + "x" * 2000, "IP:", "IP:1.2.3", "IP:1.2.3.4/24", "IP:256.1.1.1", "IP:::g", "IP:01.2.3.4", "IP:1.2.3.4 ", "RID:1.2.3",
                "otherName:x", "dirName:x", "DNS:a,DNS:b", "DNS:a;email:x@y.z"):
        bad("sans", {"name": "x", "sans": [san]})
    bad("sans", {"name": "x", "sans": [f"DNS:a{i}" for i in range(101)]})
    name, _ = peer.refused("Issue", {"name": "x", "sans": [f"DNS:a{i}" for i in range(5000)]})
    assert name == "BadRequest", name
    bad("sans", {"name": "two words"})
    bad("profile", {"name": "x", "profile": "no-such"})
    bad("keyType", {"name": "x", "keyType": "rsa:1024"})
    bad("keyType", {"name": "x", "keyType": "dsa"})
    bad("label", {"name": "x", "label": "a\nb"})
    for service in ("../x", ".x", "a/b", "a" * 65, "a\nb"):
        name, told = peer.refused("Issue", {"name": "x", "service": service})
        assert name in ("BadRequest", "NotPermitted"), (service, name, told)
    lives(peer)


def terms():
    peer = Peer(PATH)
    for term in ("", "0d", "-1d", "d", "1", "1y", "90 d", "1d1h", "99999999999999999999d", "36501d", "1.5d", "0x10d", "+1d", "\u0661d", "106751991167301d"):
        name, told = peer.refused("Issue", {"name": "x", "life": term})
        assert name == "BadRequest" and told["field"] == "life", (term, name, told)
    pem = open(os.path.join(os.path.dirname(PATH), "alice.crt")).read()
    for at in ("", "now", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T25:00:00Z", "99999-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "1e9", "-1"):
        name, told = peer.refused("Verify", {"certificate": pem, "at": at})
        assert name == "BadRequest" and told["field"] == "at", (at, name, told)
    assert peer.call("Verify", {"certificate": pem, "at": "2055-01-01T00:00:00Z"})["reason"] == "expired"
    assert peer.call("Verify", {"certificate": pem, "at": "9999-12-31T23:59:59Z"})["reason"] == "expired"
    assert peer.call("Verify", {"certificate": pem, "at": "1999-01-01T00:00:00Z"})["valid"] is False
    for serial in ("", "x", "0" * 100, "12:3", "zz", "1" * 41, "-1"):
        name, told = peer.refused("Get", {"serial": serial})
        assert name == "BadRequest" and told["field"] == "serial", (serial, name, told)
    lives(peer)


def idle():
    peers = []
    for _ in range(10000):
        peers.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        peers[-1].connect(PATH)
    began = time.monotonic()
    lives()
    assert time.monotonic() - began < 5
    for peer in peers:
        peer.close()
    lives()


ATTACKS = {"garbage": garbage, "wrong-types": wrong_types, "json": strict_json, "truncated": truncated, "huge": huge, "slow-sender": slow_sender,
           "never-reads": never_reads, "mutations": mutations, "names": names, "terms": terms, "idle": idle}
ATTACKS[sys.argv[2]]()
