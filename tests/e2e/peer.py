# peer.py - a bare varlink peer over a Unix socket, for tests that send what no library would send.
# SPDX-License-Identifier: Apache-2.0
"""
As a program:  peer.py SOCKET METHOD [JSON-PARAMETERS]      prints the reply, one JSON object
"""
import json
import socket
import sys

AGENT = "io.mtlsd.Agent."


class Refused(Exception):
    """The agent answered with an error."""

    def __init__(self, reply):
        super().__init__(json.dumps(reply))
        self.name = reply["error"].rsplit(".", 1)[-1]
        self.parameters = reply.get("parameters", {})


class Peer:
    """One connection."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.rest = b""

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, method, parameters=None, **flags):
        if "." not in method:
            method = AGENT + method
        call = {"method": method, "parameters": parameters or {}, **flags}
        self.send_bytes(json.dumps(call).encode() + b"\0")

    def receive(self):
        """The next reply; EOFError where the agent has closed the connection."""
        while b"\0" not in self.rest:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError("the agent closed the connection")
            self.rest += data
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, parameters=None):
        """The reply's parameters; Refused where it is an error."""
        self.send(method, parameters)
        reply = self.receive()
        if "error" in reply:
            raise Refused(reply)
        return reply.get("parameters", {})

    def all(self, method, parameters=None):
        """With `more`: the parameters of each reply."""
        self.send(method, parameters, more=True)
        while True:
            reply = self.receive()
            if "error" in reply:
                raise Refused(reply)
            yield reply.get("parameters", {})
            if not reply.get("continues"):
                return

    def refused(self, method, parameters=None):
        """The error's short name and parameters; an AssertionError where the call was done."""
        try:
            done = self.call(method, parameters)
        except Refused as refusal:
            return refusal.name, refusal.parameters
        raise AssertionError(f"{method} {parameters} was done: {done}")

    def close(self):
        self.socket.close()


def certificates(path):
    """Every certificate in the index, by serial."""
    peer = Peer(path)
    found = {}
    for page in peer.all("List"):
        for certificate in page["certificates"]:
            assert certificate["serial"] not in found, "a serial twice: " + certificate["serial"]
            found[certificate["serial"]] = certificate
    peer.close()
    return found


if __name__ == "__main__":
    try:
        print(json.dumps(Peer(sys.argv[1]).call(sys.argv[2], json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})))
    except Refused as refused:
        print(refused)
        sys.exit(1)
