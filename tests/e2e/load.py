# load.py - many connections that call at once; prints what came of it as one JSON object.
# SPDX-License-Identifier: Apache-2.0
"""
load.py sign --socket PATH --csr FILE --connections N --calls N

One call under way on each connection, until all calls are answered. Prints done, refused, serials (different ones), seconds, and by how
much commits, committed, syncs and overlapped of Status grew.
"""
import argparse
import json
import selectors
import time

from peer import Peer

COUNTERS = ("commits", "committed", "syncs", "overlapped")


def read_counters(path):
    peer = Peer(path)
    status = peer.call("Status")
    peer.close()
    return {name: status[name] for name in COUNTERS}


def run(path, csr, connections, calls):
    peers = [Peer(path) for _ in range(connections)]
    watch = selectors.DefaultSelector()
    sent = done = refused = 0
    serials = set()
    for peer in peers:
        watch.register(peer.socket, selectors.EVENT_READ, peer)
        if sent < calls:
            peer.send("Sign", {"csr": csr, "name": f"load{sent}"})
            sent += 1
    while done + refused < calls:
        for key, _ in watch.select(30):
            peer = key.data
            reply = peer.receive()
            if "error" in reply:
                refused += 1
            else:
                done += 1
                serials.add(reply["parameters"]["certificate"]["serial"])
            if sent < calls:
                peer.send("Sign", {"csr": csr, "name": f"load{sent}"})
                sent += 1
    return {"done": done, "refused": refused, "serials": len(serials)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["sign"])
    parser.add_argument("--socket", required=True)
    parser.add_argument("--csr", required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--calls", type=int, default=1000)
    options = parser.parse_args()
    with open(options.csr) as file:
        csr = file.read()
    before = read_counters(options.socket)
    began = time.monotonic()
    result = run(options.socket, csr, options.connections, options.calls)
    result["seconds"] = round(time.monotonic() - began, 3)
    after = read_counters(options.socket)
    result.update({name: after[name] - before[name] for name in COUNTERS})
    print(json.dumps(result))


main()
