# SPDX-License-Identifier: Apache-2.0
"""The lab's own arithmetic: captures and logs made by hand, each with a planted fault that must be found."""

import os
import struct
import tempfile

from lab import capture as wire
from lab import strongswan
from lab.measure import Arrival, Flow

GROUP = "demo"

GATEWAY, PEER = bytes([10, 9, 1, 1]), bytes([10, 9, 1, 10])
MILLISECOND = 1_000_000


def _esp(time_ms, spi, sequence, iv, source=GATEWAY):
    payload = struct.pack(">IIQ", spi, sequence, iv) + bytes(32)
    return time_ms * MILLISECOND, _udp(source, payload)


def _ike(time_ms, exchange, flags=0x08, source=PEER):
    header = bytes(range(8)) + bytes(8) + bytes([33, 0x20, exchange, flags]) + struct.pack(">II", 0, 28)
    return time_ms * MILLISECOND, _udp(source, bytes(4) + header)


def _udp(source, payload):
    target = PEER if source == GATEWAY else GATEWAY
    udp = struct.pack(">HHHH", 4500, 4500, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, source, target)
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + ip + udp


def _read(frames):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "made.pcap")
        with open(path, "wb") as target:
            target.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
            for stamp, frame in frames:
                target.write(struct.pack("<IIII", stamp // 10**9, stamp % 10**9, len(frame), len(frame)) + frame)
            target.write(b"\x01\x02\x03")  # a record cut off by the end of the capture
        return wire.read_pcap(path)


def _flow(sent, arrivals):
    return Flow(sent, [Arrival(sequence, at * MILLISECOND, (at + 1) * MILLISECOND) for sequence, at in arrivals], 1000, 0)


def test_nonce_repeat_is_found(_):
    """a nonce that is on the wire twice under one SPI is counted, under two SPIs it is not"""
    esp, _ = _read([_esp(1, 0x1000, 1, 7), _esp(2, 0x1000, 2, 8), _esp(3, 0x2000, 1, 8)])
    assert len(esp) == 3 and wire.nonce_repeats(esp) == 0, esp
    esp, _ = _read([_esp(1, 0x1000, 1, 7), _esp(2, 0x1000, 2, 8), _esp(3, 0x1000, 3, 7)])
    assert wire.nonce_repeats(esp) == 1


def test_sequence_step_back_is_found(_):
    """a sequence number that repeats or goes back is counted"""
    esp, _ = _read([_esp(1, 0x1000, 5, 1), _esp(2, 0x1000, 6, 2), _esp(3, 0x1000, 5, 3)])
    assert wire.steps_back(esp) == 1 and wire.sequence_repeats(esp) == 1


def test_new_initiation_is_found(_):
    """an IKE_SA_INIT request after the start is counted, an earlier one and a response are not"""
    _, ike = _read([_ike(1, 34), _ike(20, 34), _ike(21, 34, flags=0x20, source=GATEWAY), _ike(22, 37)])
    assert len(ike) == 4
    assert len(wire.requests(ike, wire.IKE_SA_INIT, 10 * MILLISECOND)) == 1
    assert wire.count_exchanges(ike, 10 * MILLISECOND) == {"IKE_SA_INIT": 1, "INFORMATIONAL": 1}


def test_sequence_jump_is_measured(_):
    """the jump at a change of incarnation is found, and packets that the old speaker sends after it"""
    old, new = 1 << 58, 2 << 58
    frames = [_esp(number, 0x1000, number, old + number) for number in range(1, 20)]
    frames += [_esp(50 + number, 0x1000, 1000 + number, new + number) for number in range(5)]
    jump = wire.sequence_jump(_read(frames)[0], 10 * MILLISECOND)
    assert (jump["before"], jump["after"], jump["overlap"]) == (19, 1000, 0), jump
    jump = wire.sequence_jump(_read([*frames, _esp(60, 0x1000, 20, old + 20)])[0], 10 * MILLISECOND)
    assert jump["overlap"] == 1, jump
    assert wire.sequence_jump(_read(frames[:19])[0], 10 * MILLISECOND) is None


def test_blackout_and_loss_are_measured(_):
    """the gap around a kill, what was lost in it, duplicates and order are counted exactly"""
    flow = _flow(200, [(n, n) for n in range(200) if not 100 <= n < 140])
    dark, began, ended = flow.blackout(105 * MILLISECOND)
    assert abs(dark - 40) < 0.01, dark
    assert began == 100 * MILLISECOND and ended == 141 * MILLISECOND
    assert flow.lost == 40 and flow.lost_between(90 * MILLISECOND, 150 * MILLISECOND) == 40
    assert flow.lost_between(150 * MILLISECOND, 200 * MILLISECOND) == 0
    assert flow.duplicated == 0 and flow.reordered() == 0
    flow = _flow(4, [(0, 0), (2, 2), (1, 3), (1, 4), (3, 5)])
    assert (flow.lost, flow.duplicated, flow.reordered(), flow.repeated) == (0, 1, 1, {1})


def test_flow_that_never_returns_is_dark(_):
    """a flow that does not come back is dark to the end of the window, not shorter"""
    dark, _, _ = _flow(300, [(n, n) for n in range(100)]).blackout(100 * MILLISECOND)
    assert dark >= 3000, dark


def test_peer_sas_are_read(_):
    """the SPIs of every IKE and CHILD SA are read from strongSwan's raw listing"""
    raw = ("list-sa event {gw {uniqueid=1 version=2 state=ESTABLISHED local-host=10.9.1.10 initiator-spi=aa "
           "responder-spi=bb child-sas {net-1 {name=net state=INSTALLED mode=TUNNEL spi-in=c1 spi-out=c2 "
           "packets-in=3 packets-out=4 local-ts=[10.9.4.0/24] remote-ts=[10.9.2.0/24]}}}}\nlist-sas reply {}\n")
    sas = strongswan.parse_sas(raw)
    assert len(sas) == 1 and (sas[0]["spi_i"], sas[0]["spi_r"], sas[0]["state"]) == ("aa", "bb", "ESTABLISHED"), sas
    child = sas[0]["children"][0]
    assert (child["name"], child["spi_in"], child["spi_out"], child["packets_in"]) == ("net", "c1", "c2", 3), child
