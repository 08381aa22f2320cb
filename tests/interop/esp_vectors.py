#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Golden ESP packets: Scapy seals and the card's kernels open, the kernels seal and Scapy opens.

RFC 4303, 4106, 3948. Usage: esp_vectors.py PATH_OF_ESP_TOOL [--step N]. Exit status 1 at any mismatch.
"""
import argparse
import random
import subprocess
import sys

from scapy.layers.inet import IP, UDP
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import Raw

OURS, PEER = "192.0.2.1", "192.0.2.2"
SPI = 0x80030005
HOST_NEAR, HOST_FAR = "10.1.0.9", "10.2.0.9"


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            sys.exit("esp_vectors: the tool died")
        return answer

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def inner(source, target, payload_octets, generator):
    """An inner UDP packet (bare IP below 8 octets of payload), TTL 64."""
    payload = generator.randbytes(payload_octets)
    if payload_octets < 8:
        packet = IP(src=source, dst=target, proto=99, ttl=64, flags="DF") / Raw(payload)
    else:
        packet = IP(src=source, dst=target, ttl=64, flags="DF") / UDP(sport=1000, dport=2000) / Raw(payload[8:])
    return IP(bytes(packet))


def forwarded(packet):
    """The packet after one hop."""
    copy = packet.copy()
    copy.ttl -= 1
    del copy.chksum
    return bytes(IP(bytes(copy)))


def association(key, salt, esn, udp, source, target):
    return SecurityAssociation(
        ESP, spi=SPI, crypt_algo="AES-GCM", crypt_key=key + salt, esn_en=esn, esn=0,
        tunnel_header=IP(src=source, dst=target), nat_t_header=UDP(sport=4500, dport=4500) if udp else None)


def from_scapy(tool, sa, number, high, packet, generator):
    """Scapy seals, the kernels open. True when the inner packet comes out, one hop older."""
    sa.seq_num = number
    sealed = bytearray(bytes(sa.encrypt(packet, seq_num=number, iv=generator.randbytes(8), esn_en=sa.esn_en, esn=high)))
    if sa.nat_t_header is not None:
        # Scapy leaves the UDP length of an empty datagram there; RFC 3948 2.1 wants UDP and ESP counted.
        sealed[24:26] = (len(sealed) - 20).to_bytes(2, "big")
    answer = tool.ask("open", sealed.hex())
    return answer == forwarded(packet).hex()


def to_scapy(tool, sa, high, packet, number):
    """The kernels seal, Scapy opens. True when header, number and inner packet are right."""
    answer = tool.ask("seal", bytes(packet).hex())
    if answer == "drop":
        return False
    outer = IP(bytes.fromhex(answer))
    esp = outer[ESP]
    if esp.spi != SPI or esp.seq != number & 0xFFFFFFFF or outer.len != len(answer) // 2:
        return False
    opened = sa.decrypt(outer, esn_en=sa.esn_en, esn=high)
    return bytes(opened) == forwarded(packet)


def run(tool, key_octets, esn, udp, start, sizes, generator):
    key, salt = generator.randbytes(key_octets), generator.randbytes(4)
    wrong = 0
    high, low = start >> 32, start & 0xFFFFFFFF
    tool.ask("sa", key.hex(), salt.hex(), f"{SPI:08x}", int(esn), int(udp), start)
    to_us = association(key, salt, esn, udp, PEER, OURS)
    to_peer = association(key, salt, esn, udp, OURS, PEER)
    for index, size in enumerate(sizes):
        packet = inner(HOST_FAR, HOST_NEAR, size, generator)
        wrong += not from_scapy(tool, to_us, low + index, high, packet, generator)
        packet = inner(HOST_NEAR, HOST_FAR, size, generator)
        wrong += not to_scapy(tool, to_peer, high, packet, start + index)
    return 2 * len(sizes), wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool")
    parser.add_argument("--step", type=int, default=7, help="distance between payload sizes")
    options = parser.parse_args()
    generator = random.Random(4303)
    tool = Tool(options.tool)
    total = failures = 0
    sizes = sorted(set(range(1, 70)) | set(range(1, 1481, options.step)) | {1480})
    for key_octets in (16, 32):
        for esn in (False, True):
            for udp in (False, True):
                for start in (1, 3 << 32 | 17) if esn else (1,):
                    count, wrong = run(tool, key_octets, esn, udp, start, sizes, generator)
                    print(f"AES-{key_octets * 8} esn={int(esn)} udp={int(udp)} from {start}: "
                          f"{count} packets, {wrong} wrong")
                    total += count
                    failures += wrong
    print(f"esp_vectors: {total} packets in both directions, {failures} wrong")
    status = tool.close()
    return 1 if failures or total == 0 or status else 0


if __name__ == "__main__":
    sys.exit(main())
