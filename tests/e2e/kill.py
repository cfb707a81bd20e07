# kill.py - rounds of: sign on many connections, SIGKILL the agent while replies are outstanding, start it again, compare.
# SPDX-License-Identifier: Apache-2.0
import argparse
import os
import random
import selectors
import signal
import subprocess
import sys
import time

from peer import Peer, certificates

CONNECTIONS = 16


def agent_processes(config):
    """The agent and its parent: every process whose command line names the configuration file."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words and words[0].endswith(b"/mtlsd") and config.encode() in words:
            found.append(int(entry))
    return found


def wait_for(condition, what, seconds=30):
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            sys.exit("waited in vain: " + what)
        time.sleep(0.01)


def start(options):
    with open(options.log, "ab") as log:
        process = subprocess.Popen([options.programs + "/mtlsd", "--config", options.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def answers():
        if process.poll() is not None:
            sys.exit(f"the agent ended by itself: {process.returncode}; see {options.log}")
        try:
            status = Peer(options.socket).call("Status")
        except OSError:
            return False
        return status["state"] == "ready"

    wait_for(answers, "an agent that is ready")
    with open(options.pid_file, "w") as file:
        file.write(str(process.pid))
    return process


def load(options, csr, first, replies_wanted):
    """Sign on all connections; after so many replies, kill. Returns received {serial: fingerprint} and outstanding replies at the kill."""
    peers = [Peer(options.socket) for _ in range(CONNECTIONS)]
    watch = selectors.DefaultSelector()
    received, outstanding, sent, killed = {}, 0, first, False

    def send(peer):
        nonlocal outstanding, sent
        peer.send("Sign", {"csr": csr, "name": f"k{sent}"})
        sent += 1
        outstanding += 1

    for peer in peers:
        watch.register(peer.socket, selectors.EVENT_READ, peer)
        send(peer)
    at_kill = 0
    while watch.get_map():
        if len(received) >= replies_wanted and not killed:
            at_kill, killed = outstanding, True
            for pid in agent_processes(options.config):
                os.kill(pid, signal.SIGKILL)
        for key, _ in watch.select(10):
            peer = key.data
            try:
                certificate = peer.receive()["parameters"]["certificate"]
                received[certificate["serial"]] = certificate["fingerprint"]
                outstanding -= 1
                if not killed:
                    send(peer)
            except (EOFError, OSError):
                watch.unregister(peer.socket)
    return received, at_kill, sent


def main():
    parser = argparse.ArgumentParser()
    for name in ("programs", "config", "socket", "csr", "log", "pid-file"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    with open(options.csr) as file:
        csr = file.read()
    random.seed(1)
    total = lost = unanswered = sent = 0
    process = None
    for turn in range(options.rounds):
        received, outstanding, sent = load(options, csr, sent, random.randint(1, 60))
        assert outstanding > 0, f"round {turn}: no reply was outstanding at the kill"
        unanswered += outstanding
        if process:
            process.wait()
        process = start(options)
        index = certificates(options.socket)
        for serial, fingerprint in received.items():
            if serial not in index or index[serial]["fingerprint"] != fingerprint:
                lost += 1
        total += len(received)
        assert lost == 0, f"round {turn}: {lost} certificates that a client received are not in the index"
    print(f"{options.rounds} kills with {unanswered} replies outstanding; {total} certificates received, {lost} lost")


main()
