# SPDX-License-Identifier: Apache-2.0
"""Writes an xclbin container that names our kernels but holds no bitstream: for the simulated device and for tests.

`make_xclbin.py --output FILE [--platform NAME] [--build-id HEX] [--salt TEXT]`: the same arguments give the same file.
Layout: struct axlf of XRT's xclbin.h; the kernels' ports and arguments are what v++ writes for hw/kernel's tops."""

import argparse
import struct
import sys
import uuid
from xml.sax.saxutils import quoteattr

MODE_FLAT, IP_KERNEL, AP_CTRL_NONE, MEM_HBM = 0, 1, 2, 6
SECTION_MEM_TOPOLOGY, SECTION_CONNECTIVITY, SECTION_IP_LAYOUT, SECTION_METADATA = 6, 7, 8, 2
BANK_KIB = 256 * 1024
HEADER_OCTETS, SECTION_OCTETS = 496 - 40, 40

# Kernel: its arguments as (name, octets, offset in the register file, memory port or None).
KERNELS = {
    "tandem_encrypt": (("memory", 8, 0x10, "M_AXI_TABLES"), ("outbound", 8, 0x1C, "M_AXI_SLOTS"), ("slots", 4, 0x28, None)),
    "tandem_decrypt": (("memory", 8, 0x10, "M_AXI_TABLES"), ("inbound", 8, 0x1C, "M_AXI_SLOTS"), ("slots", 4, 0x28, None)),
    "tandem_identity": (("magic", 8, 0x10, None), ("contract_version", 4, 0x20, None), ("slots_max", 4, 0x30, None),
                        ("build_id_0", 4, 0x40, None), ("build_id_1", 4, 0x50, None), ("build_id_2", 4, 0x60, None),
                        ("build_id_3", 4, 0x70, None), ("build_id_4", 4, 0x80, None), ("simulated", 4, 0x90, None)),
}


def padded(text, octets):
    data = text.encode()
    if len(data) >= octets:
        raise ValueError(f"'{text}' is longer than {octets - 1} octets")
    return data.ljust(octets, b"\0")


def metadata():
    kernels = []
    for number, (name, arguments) in enumerate(KERNELS.items()):
        ports = sorted({port for _, _, _, port in arguments if port})
        lines = [f'<port name="{port}" mode="master" range="0xFFFFFFFFFFFFFFFF" dataWidth="512" portType="addressable" base="0x0"/>'
                 for port in ports]
        lines.append('<port name="S_AXI_CONTROL" mode="slave" range="0x1000" dataWidth="32" portType="addressable" base="0x0"/>')
        for index, (argument, octets, offset, port) in enumerate(arguments):
            lines.append(f'<arg name={quoteattr(argument)} addressQualifier="{1 if port else 0}" id="{index}" '
                         f'port="{port or "S_AXI_CONTROL"}" size="{octets:#x}" offset="{offset:#x}" hostOffset="0x0" '
                         f'hostSize="{octets:#x}" type="{"void*" if port else "uint"}"/>')
        lines.append(f'<instance name="{name}_1"><addrRemap base="{base_address(number):#x}" range="0x1000" '
                     'port="S_AXI_CONTROL"/></instance>')
        kernels.append(f'<kernel name="{name}" language="c" vlnv="tandem:kernel:{name}:1.0" '
                       f'hwControlProtocol="ap_ctrl_none">{"".join(lines)}</kernel>')
    return ('<?xml version="1.0" encoding="UTF-8"?><project name="tandem"><platform vendor="tandem" boardid="simulated" '
            'name="simulated" featureRomTime="0"><version major="1" minor="0"/><device name="fpga0" fpgaDevice="none:none:none:-1:e" '
            'addressWidth="0"><core name="OCL_REGION_0" target="hw" type="clc_region" clockFreq="300MHz" '
            f'numComputeUnits="60">{"".join(kernels)}</core></device></platform></project>').encode()


def base_address(number):
    return 0x1800000 + 0x10000 * number


def sections():
    """(kind, name, content) of each."""
    memory = struct.pack("<i4x", 1) + struct.pack("<BB6xQQ16s", MEM_HBM, 1, BANK_KIB, 0, b"HBM[0]")
    layout = struct.pack("<i4x", len(KERNELS))
    connections = []
    for number, (name, arguments) in enumerate(KERNELS.items()):
        layout += struct.pack("<IIQ64s", IP_KERNEL, AP_CTRL_NONE << 8, base_address(number),
                              padded(f"{name}:{name}_1", 64))
        connections += [(index, number, 0) for index, (_, _, _, port) in enumerate(arguments) if port]
    connectivity = struct.pack("<i", len(connections)) + b"".join(struct.pack("<iii", *entry) for entry in connections)
    return ((SECTION_METADATA, "embedded", metadata()), (SECTION_MEM_TOPOLOGY, "memory", memory),
            (SECTION_CONNECTIVITY, "connect", connectivity), (SECTION_IP_LAYOUT, "ip", layout))


def container(platform, build_id, salt):
    parts = sections()
    at = HEADER_OCTETS + SECTION_OCTETS * len(parts)
    headers, body = b"", b""
    for kind, name, content in parts:
        at += -at % 8
        body += b"\0" * (at - HEADER_OCTETS - SECTION_OCTETS * len(parts) - len(body)) + content
        headers += struct.pack("<I16s4xQQ", kind, padded(name, 16), at, len(content))
        at += len(content)
    image = uuid.uuid5(uuid.NAMESPACE_OID, f"tandem {platform} {build_id} {salt}")
    header = struct.pack("<QQQHBBHH16s64s16s16sI4x", at, 0, 0, 0, 2, 13, MODE_FLAT, 0, b"\0" * 16, padded(platform, 64),
                         image.bytes, b"\0" * 16, len(parts))
    return (b"xclbin2\0" + struct.pack("<i", -1) + b"\xff" * 28 + b"\0" * 256 + struct.pack("<Q", 0) + header + headers
            + body)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True)
    parser.add_argument("--platform", default="tandem_simulated_shell_1")
    parser.add_argument("--build-id", default="")
    parser.add_argument("--salt", default="", help="anything that makes another image of the same build")
    arguments = parser.parse_args()
    try:
        content = container(arguments.platform, arguments.build_id, arguments.salt)
    except ValueError as problem:
        print(f"make_xclbin.py: {problem}", file=sys.stderr)
        return 2
    with open(arguments.output, "wb") as target:
        target.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
