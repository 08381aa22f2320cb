# SPDX-License-Identifier: Apache-2.0
"""Captures on the outer wire and reads them back: ESP (plain or in UDP), IKE headers, and the checks on nonces."""

import re
import signal
import struct
import time
from collections import Counter, namedtuple

from .process import LabError, wait_until

SNAP_BYTES = 96
WRITE_S = 2.5  # tcpdump's ring hands over a block after a second at the latest
IKE_SA_INIT = 34
EXCHANGES = {34: "IKE_SA_INIT", 35: "IKE_AUTH", 36: "CREATE_CHILD_SA", 37: "INFORMATIONAL",
             38: "IKE_SESSION_RESUME"}

# time_ns is CLOCK_MONOTONIC; source is the IPv4 source as text, mac the source hardware address as text.
Esp = namedtuple("Esp", "time_ns mac source spi sequence iv")
Ike = namedtuple("Ike", "time_ns mac source exchange response spi_i spi_r message_id")


class Capture:
    """tcpdump on one interface of a namespace. On a switch, take one port only: each frame is then seen once."""

    def __init__(self, topology, namespace, interface, name="wire", snap=SNAP_BYTES, expression="ip"):
        self.path = topology.path(f"{name}.pcap")
        # The capture's stamps are wall-clock time; the lab measures on the monotonic clock.
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._process = topology.start(
            f"tcpdump-{name}",
            ["tcpdump", "-n", "-p", "-i", interface, "-s", str(snap), "-B", "65536", "-U", "-Z", "root",
             "--time-stamp-precision=nano", "-w", self.path, expression], namespace=namespace)
        wait_until(lambda: "listening on" in self._process.output(), 10, "tcpdump to listen")

    def stop(self):
        """Ends the capture; LabError when it lost packets: then it proves nothing about uniqueness."""
        received, end = self._counts()[1], time.monotonic() + WRITE_S
        # What arrived before its filter stood counts as received and is never written.
        while self._counts()[0] < received and time.monotonic() < end:
            time.sleep(0.05)
        self._process.stop(number=signal.SIGINT)
        dropped = re.search(r"(\d+) packets? dropped by kernel", self._process.output())
        if dropped and int(dropped.group(1)):
            raise LabError(f"the capture lost {dropped.group(1)} packets: {self.path}")

    def _counts(self):
        """(written, received) as tcpdump tells on SIGUSR1: its ring hands packets over in blocks, up to a second late."""
        told = len(self._reports())
        self._process.deliver(signal.SIGUSR1)
        wait_until(lambda: len(self._reports()) > told, 10, "tcpdump's counts")
        return tuple(map(int, self._reports()[-1]))

    def _reports(self):
        return re.findall(r"(\d+) packets? captured\W+(\d+) packets? received by filter", self._process.output())

    def read(self):
        """Returns (esp, ike): the Esp and Ike records of the capture, in order."""
        return read_pcap(self.path, self._offset_ns)


def _frames(data):
    """Yields (time_ns, frame) of a pcap file's bytes; stops at a cut-off record."""
    if len(data) < 24:
        return
    magic = data[:4]
    scale = {b"\x4d\x3c\xb2\xa1": 1, b"\xd4\xc3\xb2\xa1": 1000}.get(magic)
    if scale is None:
        raise LabError("not a little-endian pcap file")
    position, size = 24, len(data)
    head = struct.Struct("<IIII")
    while position + 16 <= size:
        seconds, fraction, kept, _ = head.unpack_from(data, position)
        position += 16
        if position + kept > size:
            return
        yield seconds * 1_000_000_000 + fraction * scale, data[position:position + kept]
        position += kept


def read_pcap(path, offset_ns=0):
    """Reads a capture file; `offset_ns` is subtracted from its time stamps."""
    with open(path, "rb") as source:
        data = source.read()
    esp, ike = [], []
    texts = {}

    def text(raw):
        known = texts.get(raw)
        if known is None:
            known = texts[raw] = ".".join(map(str, raw)) if len(raw) == 4 else raw.hex(":")
        return known

    for stamp, frame in _frames(data):
        if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4:
            continue
        if (frame[20] & 0x1f) or frame[21]:
            continue  # a later fragment carries no ESP header
        body = 14 + (frame[14] & 15) * 4
        protocol = frame[23]
        payload = None
        if protocol == 50:
            payload = body
        elif protocol == 17 and len(frame) >= body + 12:
            ports = struct.unpack_from(">HH", frame, body)
            if 4500 in ports:
                # Four zero octets mark IKE on port 4500; anything else is ESP in UDP (RFC 3948 2.2).
                if frame[body + 8:body + 12] == bytes(4):
                    _add_ike(ike, frame, body + 12, stamp - offset_ns, text)
                else:
                    payload = body + 8
            elif 500 in ports:
                _add_ike(ike, frame, body + 8, stamp - offset_ns, text)
        if payload is not None and len(frame) >= payload + 16:
            spi, sequence, iv = struct.unpack_from(">IIQ", frame, payload)
            esp.append(Esp(stamp - offset_ns, text(frame[6:12]), text(frame[26:30]), spi, sequence, iv))
    return esp, ike


def _add_ike(ike, frame, at, stamp, text):
    if len(frame) < at + 24:
        return
    spi_i, spi_r = frame[at:at + 8].hex(), frame[at + 8:at + 16].hex()
    ike.append(Ike(stamp, text(frame[6:12]), text(frame[26:30]), frame[at + 18], bool(frame[at + 19] & 0x20), spi_i,
                   spi_r, struct.unpack_from(">I", frame, at + 20)[0]))


def nonce_repeats(esp):
    """How many packets carry an (SPI, IV) that an earlier packet carried already."""
    seen = Counter((packet.spi, packet.iv) for packet in esp)
    return sum(count - 1 for count in seen.values())


def sequence_repeats(esp):
    """How many packets carry an (SPI, sequence number) that an earlier packet carried already."""
    seen = Counter((packet.spi, packet.sequence) for packet in esp)
    return sum(count - 1 for count in seen.values())


def steps_back(esp):
    """How many packets carry a lower sequence number than their predecessor of the same SPI."""
    last, count = {}, 0
    for packet in esp:
        count += packet.sequence < last.get(packet.spi, 0)
        last[packet.spi] = max(packet.sequence, last.get(packet.spi, 0))
    return count


def speakers(esp):
    """Splits ESP by who sent it: {incarnation: packets}; the upper 16 bits of Tandem's IV name member and activation."""
    split = {}
    for packet in esp:
        split.setdefault(packet.iv >> 48, []).append(packet)
    return split


def sequence_jump(esp, kill_ns):
    """The jump of the busiest SPI at the change of speaker after `kill_ns`.

    Returns {spi, before, after, last_old_ns, first_new_ns, overlap}: `overlap` counts packets of the old speaker that
    were on the wire after the new one had begun. None when the speaker never changed."""
    busiest = Counter(packet.spi for packet in esp).most_common(1)
    if not busiest:
        return None
    flow = [packet for packet in esp if packet.spi == busiest[0][0]]
    earlier = [packet for packet in flow if packet.time_ns <= kill_ns]
    if not earlier:
        return None
    old = earlier[-1].iv >> 48
    changed = [packet for packet in flow if packet.time_ns > kill_ns and packet.iv >> 48 != old]
    if not changed:
        return None
    first = changed[0]
    last = [packet for packet in flow if packet.iv >> 48 == old and packet.time_ns <= first.time_ns][-1]
    overlap = sum(1 for packet in esp if packet.time_ns > first.time_ns and packet.iv >> 48 == old)
    return {"spi": f"{first.spi:08x}", "before": last.sequence, "after": first.sequence, "last_old_ns": last.time_ns,
            "first_new_ns": first.time_ns, "overlap": overlap}


def requests(ike, exchange, since_ns=0):
    """The requests of one exchange type that were sent after `since_ns`, retransmissions included."""
    return [message for message in ike
            if message.exchange == exchange and not message.response and message.time_ns > since_ns]


def count_exchanges(ike, since_ns=0):
    """{exchange name: requests, each counted once} after `since_ns`."""
    distinct = {(message.exchange, message.spi_i, message.source, message.message_id) for message in ike
                if not message.response and message.time_ns > since_ns}
    return dict(Counter(EXCHANGES.get(exchange, str(exchange)) for exchange, *_ in distinct))


class Replayer:
    """Keeps the sender's ESP frames of a capture and sends them again, bit for bit, as an attacker on the wire would."""

    def __init__(self, topology):
        self._topology = topology

    def send(self, capture, source_mac, since_ns, until_ns, most=400):
        """Replays up to `most` whole ESP frames of `source_mac` from the last before `until_ns` backwards.

        Returns how many were sent. They leave from the peer's own interface."""
        frames = []
        with open(capture.path, "rb") as source:
            data = source.read()
        for stamp, frame in _frames(data):
            if (since_ns < stamp - capture._offset_ns <= until_ns and frame[6:12].hex(":") == source_mac
                    and frame[23] == 17 and frame[42:46] != bytes(4)
                    and len(frame) == 14 + struct.unpack_from(">H", frame, 16)[0]):
                frames.append(frame)
        frames = frames[-most:]
        if not frames:
            return 0
        path = self._topology.path("replay.bin")
        with open(path, "wb") as target:
            for frame in frames:
                target.write(struct.pack("<I", len(frame)) + frame)
        self._topology.run("peer", ["/usr/bin/python3", "-c", _SENDER, path, "wan0"])
        return len(frames)


_SENDER = """
import socket, struct, sys, time
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[2], 0))
data, at = open(sys.argv[1], 'rb').read(), 0
while at < len(data):
    size = struct.unpack_from('<I', data, at)[0]
    out.send(data[at + 4:at + 4 + size])
    at += 4 + size
    time.sleep(0.0005)
"""
