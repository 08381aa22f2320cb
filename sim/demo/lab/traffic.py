# SPDX-License-Identifier: Apache-2.0
"""Starts and ends the traffic across the tunnel: a UDP flow each way, one TCP transfer, a ping each way."""

import json
import os
import re
import signal
import time

from . import topology as net
from .measure import Flow, read_arrivals
from .process import LabError, wait_until

PORT_UDP = 5001
PORT_TCP = 5002
# "in" is what comes in through the tunnel (peer to host), "out" what goes out through it.
DIRECTIONS = ("in", "out")


def _ends(topology):
    """{direction: (source namespace, source address, target namespace, target address)}."""
    peer, host = ("far" if topology.far else "peer", net.PEER_INNER), ("host", net.HOST)
    return {"in": (*peer, *host), "out": (*host, *peer)}


def ping(topology, direction, count=3, timeout=5):
    """Whether `count` pings in one direction were all answered."""
    source, source_address, _, target_address = _ends(topology)[direction]
    output = topology.run(source, ["ping", "-n", "-q", "-c", str(count), "-i", "0.05", "-W", "1", "-I", source_address,
                                   target_address], check=False, timeout=timeout + count)
    return f" {count} received" in output


def wait_ping(topology, timeout=10):
    """Waits until a ping crosses in both directions."""
    for direction in DIRECTIONS:
        wait_until(lambda: ping(topology, direction, count=1), timeout, f"a ping {direction} through the tunnel",
                   interval=0.1)


def last_json(process):
    """The report that a demo_traffic process printed at its end."""
    for line in reversed(process.output().splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    raise LabError(f"{process.name} gave no report: {process.output()[-300:]} (log: {process.log})")


class Traffic:
    """All flows of one run; start() once, stop() once."""

    def __init__(self, topology, program, rate=1000, size=100, bulk_mbit=20):
        self._topology = topology
        self._program = program
        self._rate = rate
        self._size = size
        self._bulk_mbit = bulk_mbit
        self._udp = {}
        self._tcp = None
        self._pings = {}
        self.start_ns = 0

    def _start(self, name, namespace, *words):
        process = self._topology.start(name, [self._program, *words], namespace=namespace)
        process.wait_line("ready", 10)
        return process

    def start(self):
        if not os.access(self._program, os.X_OK):
            raise LabError(f"not built: {self._program}")
        for direction, (source, source_address, target, target_address) in _ends(self._topology).items():
            log = self._topology.path(f"arrivals-{direction}.bin")
            receiver = self._start(f"udp-receive-{direction}", target, "udp-receive", "--bind",
                                   f"{target_address}:{PORT_UDP}", "--log", log)
            self._udp[direction] = (receiver, log)
        self.start_ns = time.monotonic_ns()
        if self._bulk_mbit:
            source, source_address, target, target_address = _ends(self._topology)["out"]
            receiver = self._start("tcp-receive", target, "tcp-receive", "--bind", f"{target_address}:{PORT_TCP}")
            sender = self._start("tcp-send", source, "tcp-send", "--bind", f"{source_address}:0", "--to",
                                 f"{target_address}:{PORT_TCP}", "--mbit", str(self._bulk_mbit))
            self._tcp = (sender, receiver)
        for direction, (source, source_address, _, target_address) in _ends(self._topology).items():
            sender = self._start(f"udp-send-{direction}", source, "udp-send", "--bind", f"{source_address}:0", "--to",
                                 f"{target_address}:{PORT_UDP}", "--rate", str(self._rate), "--size", str(self._size))
            self._udp[direction] = (sender, *self._udp[direction])
            self._pings[direction] = self._topology.start(
                f"ping-{direction}", ["ping", "-n", "-q", "-i", "0.1", "-I", source_address, target_address],
                namespace=source)

    def stop(self):
        """Ends the senders, lets the last packets arrive, and returns {flows, tcp, pings, senders}."""
        senders = {direction: sender for direction, (sender, _, _) in self._udp.items()}
        for sender in senders.values():
            sender.deliver(signal.SIGTERM)
        tcp = self._stop_tcp() if self._tcp else None
        for process in self._pings.values():
            process.stop(number=signal.SIGINT)
        time.sleep(0.5)
        flows, reports = {}, {}
        for direction, (sender, receiver, log) in self._udp.items():
            sender.stop()
            receiver.stop()
            reports[direction] = last_json(sender)
            flows[direction] = Flow(reports[direction]["sent"], read_arrivals(log), self._rate,
                                    reports[direction]["start_ns"])
        pings = {direction: _ping_counts(process.output()) for direction, process in self._pings.items()}
        return {"flows": flows, "tcp": tcp, "pings": pings, "senders": reports}

    def _stop_tcp(self):
        """The outcome at both ends of the TCP transfer; an end that hangs counts as not completed."""
        sender, receiver = self._tcp
        sender.deliver(signal.SIGTERM)
        ended = sender.wait(20) is not None and receiver.wait(5) is not None
        sender.kill()
        receiver.kill()
        ends = {}
        for name, process in (("sender", sender), ("receiver", receiver)):
            try:
                ends[name] = last_json(process)
            except LabError:
                ends[name] = {"bytes": 0, "confirmed": 0, "wrong_content": False, "reset": False, "error": "hung"}
        return {
            "bytes": ends["sender"]["bytes"],
            "reset": any(end["reset"] for end in ends.values()),
            "completed": ended and not any(end["error"] or end["wrong_content"] for end in ends.values()),
            "wrong_content": ends["receiver"]["wrong_content"],
            "errors": [end["error"] for end in ends.values() if end["error"]],
            "stall_max_ms": ends["receiver"].get("stall_max_ms"),
        }


def _ping_counts(output):
    found = re.search(r"(\d+) packets transmitted, (\d+) received", output)
    return {"sent": int(found.group(1)), "answered": int(found.group(2))} if found else {"sent": 0, "answered": 0}
