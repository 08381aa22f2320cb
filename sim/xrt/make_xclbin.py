# SPDX-License-Identifier: Apache-2.0
"""Writes an xclbin container that describes our kernels but holds no bitstream: for the simulated device and for tests.

`make_xclbin.py --output FILE [--platform NAME] [--build-id HEX] [--salt TEXT] [--edit CHANGE:KERNEL.ARGUMENT]`: the same
arguments give the same file. Layout: struct axlf of XRT's xclbin.h. Kernels, ports and registers are read from the tops
themselves, instances from the link file of the emulations; nothing about them is written here."""

import argparse
import os
import struct
import sys
import uuid
from xml.sax.saxutils import quoteattr

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "hw", "shell"))

import tops  # noqa: E402 - found by the line above

MODE_FLAT, IP_KERNEL, MEM_HBM = 0, 1, 6
IP_CONTROL = {"ap_ctrl_chain": 1, "ap_ctrl_none": 2}
SECTION_MEM_TOPOLOGY, SECTION_CONNECTIVITY, SECTION_IP_LAYOUT, SECTION_METADATA = 6, 7, 8, 2
BANK_KIB = 256 * 1024
HEADER_OCTETS, SECTION_OCTETS = 496 - 40, 40
LINK = "hw/shell/connectivity/emulation.cfg"
NO_ADDRESS = 0xFFFFFFFFFFFFFFFF
QUALIFIER = {tops.SCALAR: 0, tops.SHOWN: 0, tops.MEMORY: 1, tops.STREAM: 4}
EDITS = ("missing", "wide", "unknown")


def padded(text, octets):
    data = text.encode()
    if len(data) >= octets:
        raise ValueError(f"'{text}' is longer than {octets - 1} octets")
    return data.ljust(octets, b"\0")


def placed():
    """[(instance, Kernel, base address)], those with registers first, by name: the order of the device's indices."""
    kernels = tops.read_tops()
    found = sorted((not kernels[name].registers, name, instance) for instance, name in tops.instances(LINK).items())
    return [(instance, kernels[name], NO_ADDRESS if streams_only else 0x1800000 + 0x10000 * number)
            for number, (streams_only, name, instance) in enumerate(found)]


def port_of(argument):
    if argument.kind == tops.STREAM:
        return argument.name
    return f"M_AXI_{argument.bundle.upper()}" if argument.kind == tops.MEMORY else "S_AXI_CONTROL"


def kept(kernel, edits):
    """The arguments that the image has, in the order of their indices."""
    return [argument for argument in kernel.arguments if edits.get(f"{kernel.name}.{argument.name}") != "missing"]


def argument_lines(kernel, edits):
    offsets = tops.register_offsets(kernel)
    for index, argument in enumerate(kept(kernel, edits)):
        change = edits.get(f"{kernel.name}.{argument.name}")
        name = argument.name + ("_new" if change == "unknown" else "")
        octets = (argument.octets or 4) * (2 if change == "wide" else 1)
        kind = {tops.MEMORY: "void*", tops.STREAM: "stream<ap_uint>&"}.get(argument.kind, "uint")
        yield (f'<arg name={quoteattr(name)} addressQualifier="{QUALIFIER[argument.kind]}" id="{index}" '
               f'port="{port_of(argument)}" size="{octets:#x}" offset="{offsets.get(argument.name, 0):#x}" '
               f'hostOffset="0x0" hostSize="{octets:#x}" type={quoteattr(kind)}/>')


def metadata(edits):
    kernels = {}
    for instance, kernel, address in placed():
        if kernel.name not in kernels:
            bundles = sorted(port_of(argument) for argument in kernel.arguments if argument.kind == tops.MEMORY)
            lines = [f'<port name="{port}" mode="master" range="0xFFFFFFFFFFFFFFFF" dataWidth="512" '
                     'portType="addressable" base="0x0"/>' for port in bundles]
            lines += [f'<port name="{name}" mode="write_only" dataWidth="{bits}" portType="stream"/>'
                      for name, bits in kernel.streams().items()]
            if kernel.registers:
                lines.append('<port name="S_AXI_CONTROL" mode="slave" range="0x1000" dataWidth="32" '
                             'portType="addressable" base="0x0"/>')
            kernels[kernel.name] = (kernel, [*lines, *argument_lines(kernel, edits)])
        remap = f'<addrRemap base="{address:#x}" range="0x1000" port="S_AXI_CONTROL"/>' if kernel.registers else ""
        kernels[kernel.name][1].append(f'<instance name="{instance}">{remap}</instance>')
    listed = "".join(f'<kernel name="{name}" language="c" vlnv="tandem:kernel:{name}:1.0" '
                     f'hwControlProtocol="{kernel.control}">{"".join(lines)}</kernel>'
                     for name, (kernel, lines) in kernels.items())
    return ('<?xml version="1.0" encoding="UTF-8"?><project name="tandem"><platform vendor="tandem" boardid="simulated" '
            'name="simulated" featureRomTime="0"><version major="1" minor="0"/><device name="fpga0" fpgaDevice="none:none:none:-1:e" '
            'addressWidth="0"><core name="OCL_REGION_0" target="hw" type="clc_region" clockFreq="300MHz" '
            f'numComputeUnits="60">{listed}</core></device></platform></project>').encode()


def sections(edits):
    """(kind, name, content) of each."""
    memory = struct.pack("<i4x", 1) + struct.pack("<BB6xQQ16s", MEM_HBM, 1, BANK_KIB, 0, b"HBM[0]")
    found = placed()
    layout = struct.pack("<i4x", len(found))
    connections = []
    for number, (instance, kernel, address) in enumerate(found):
        layout += struct.pack("<IIQ64s", IP_KERNEL, IP_CONTROL[kernel.control] << 8, address,
                              padded(f"{kernel.name}:{instance}", 64))
        connections += [(index, number, 0) for index, argument in enumerate(kept(kernel, edits))
                        if argument.kind == tops.MEMORY]
    connectivity = struct.pack("<i", len(connections)) + b"".join(struct.pack("<iii", *entry) for entry in connections)
    return ((SECTION_METADATA, "embedded", metadata(edits)), (SECTION_MEM_TOPOLOGY, "memory", memory),
            (SECTION_CONNECTIVITY, "connect", connectivity), (SECTION_IP_LAYOUT, "ip", layout))


def edit(text):
    """(KERNEL.ARGUMENT, CHANGE) of an --edit; ValueError when the tops have no such argument in a register."""
    change, _, target = text.partition(":")
    name, _, argument = target.partition(".")
    kernel = tops.read_tops().get(name)
    if change not in EDITS or kernel is None or argument not in tops.register_offsets(kernel):
        raise ValueError(f"--edit {text}: wanted one of {' '.join(EDITS)}, then :KERNEL.ARGUMENT of a top")
    return target, change


def container(platform, build_id, salt, edits):
    parts = sections(edits)
    at = HEADER_OCTETS + SECTION_OCTETS * len(parts)
    headers, body = b"", b""
    for kind, name, content in parts:
        at += -at % 8
        body += b"\0" * (at - HEADER_OCTETS - SECTION_OCTETS * len(parts) - len(body)) + content
        headers += struct.pack("<I16s4xQQ", kind, padded(name, 16), at, len(content))
        at += len(content)
    image = uuid.uuid5(uuid.NAMESPACE_OID, f"tandem {platform} {build_id} {salt} {sorted(edits.items())}")
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
    parser.add_argument("--edit", action="append", default=[], metavar="CHANGE:KERNEL.ARGUMENT",
                        help=f"an image that does not fit this host: {', '.join(EDITS)} argument")
    arguments = parser.parse_args()
    try:
        content = container(arguments.platform, arguments.build_id, arguments.salt,
                            dict(edit(text) for text in arguments.edit))
    except ValueError as problem:
        print(f"make_xclbin.py: {problem}", file=sys.stderr)
        return 2
    with open(arguments.output, "wb") as target:
        target.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
