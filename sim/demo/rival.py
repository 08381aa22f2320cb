#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same failover with a pair of strongSwan with its `ha` plugin in place of Tandem: what its peer sees.

Debian's kernel has neither ClusterIP nor the plugin's patches, so the pair runs its ESP in user space (kernel-libipsec),
and this script stands in for a perfect address manager: it moves the virtual addresses at the moment of the kill. What
is measured is what the plugin synchronises, not how fast it detects. host/ha/README.md compares.
"""

import argparse
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lab import build, strongswan  # noqa: E402 - found by the line above
from lab import capture as wire  # noqa: E402
from lab import topology as net  # noqa: E402
from lab.traffic import Traffic, wait_ping  # noqa: E402

RATE = 500
BEFORE_S = 4
AFTER_S = 20
_HA = "ha {{ local = {local}\n remote = {remote}\n segment_count = 1\n fifo_interface = no }}"
_ANNOUNCE = """
import socket, struct, sys
port, mac, address = sys.argv[1], bytes.fromhex(sys.argv[2].replace(':', '')), socket.inet_aton(sys.argv[3])
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((port, 0))
head = b'\\xff' * 6 + mac + b'\\x08\\x06' + struct.pack('>HHBBH', 1, 0x800, 6, 4, 2)
out.send(head + mac + address + b'\\xff' * 6 + address)
"""


class Node(strongswan.StrongSwan):
    """One of the two: a charon with the plugin, forwarding between its ports."""

    def __init__(self, topology, name, psk):
        other = "b" if name == "a" else "a"
        super().__init__(topology, name, psk, local=net.VIRTUAL_OUTER, remote=net.PEER_OUTER, local_id="gw.example",
                         remote_id="peer.example", local_ts=net.HOST_NET, remote_ts=net.PEER_NET, load="ha",
                         plugins=_HA.format(local=net.MEMBER_SYNC[name], remote=net.MEMBER_SYNC[other]))
        self.name = name
        topology.ip(name, "address", "add", f"{net.MEMBER_OUTER[name]}/24", "dev", "outer")
        topology.ip(name, "address", "add", f"{net.MEMBER_INNER[name]}/24", "dev", "inner")
        topology.run(name, ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward; "
                            "for i in outer inner; do echo 0 > /proc/sys/net/ipv4/conf/$i/arp_ignore; done"])

    def own_addresses(self):
        """Puts the virtual addresses on this node's ports and announces them."""
        for port, address in (("outer", net.VIRTUAL_OUTER), ("inner", net.VIRTUAL_INNER)):
            self._topology.ip(self.name, "address", "add", f"{address}/24", "dev", port)
            self._topology.run(self.name, ["/usr/bin/python3", "-c", _ANNOUNCE, port,
                                           self._topology.mac(self.name, port), address])


def measure(binaries):
    """Runs the experiment once; returns the lines to print."""
    with net.Topology() as topology:
        psk = "a secret of this laboratory only"
        first, second = Node(topology, "a", psk), Node(topology, "b", psk)
        first.own_addresses()
        first.start()
        second.start()
        peer = strongswan.peer(topology, psk)
        peer.start()
        capture = wire.Capture(topology, "wan", "peer")
        peer.initiate()
        peer.wait_established()
        wait_ping(topology)
        traffic = Traffic(topology, f"{binaries}/demo_traffic", rate=RATE, bulk_mbit=0)
        traffic.start()
        time.sleep(BEFORE_S)
        moment = time.monotonic_ns()
        first.process.deliver(signal.SIGSTOP)
        topology.unplug("a")
        first.process.kill()
        second.own_addresses()
        time.sleep(AFTER_S)
        flows = traffic.stop()["flows"]
        capture.stop()
        esp, ike = capture.read()
        ours = [packet for packet in esp if packet.source == net.VIRTUAL_OUTER]
        second_mac = topology.mac("b", "outer")
        before = [packet.sequence for packet in ours if packet.mac != second_mac]
        after = [packet.sequence for packet in ours if packet.mac == second_mac]
        return [f"{way}: {flow.lost} of {flow.sent} lost" for way, flow in flows.items()] + [
            f"ESP sequence number before the death {before[-1]}, first one after it {after[0] if after else 'none'}",
            f"{wire.sequence_repeats(ours)} of {len(ours)} packets carry a (SPI, sequence number) used before",
            f"exchanges after the death: {wire.count_exchanges(ike, moment) or 'none'}"]


def main():
    parser = argparse.ArgumentParser(prog="sim/demo/rival.py", description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", default=build.binaries("dev"))
    arguments = parser.parse_args()
    print("\n".join(measure(os.path.abspath(arguments.binaries))))


if __name__ == "__main__":
    main()
