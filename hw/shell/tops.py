# SPDX-License-Identifier: Apache-2.0
"""Reads the kernels' tops (hw/kernel/*_top.cpp): ports and control as Vitis would see them, and what an image places."""

import glob
import os
import re
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STREAM_BITS = {"Word": 640, "Line": 512, "ClockWord": 64, "KeyWord": 192, "JobWord": 256, "TagWord": 192}
STREAM, MEMORY, SCALAR, SHOWN = "stream", "memory", "scalar", "shown"
# A port named so gets another name in RTL (`wire_r`), which no link file would find.
RESERVED = set("""access after alias all always and array assert assign attribute begin block body buf buffer bus case cell component
config configuration constant context default design disable disconnect edge else end entity event exit expect export final
file for force function generate generic group guarded if in inout input instance integer is label library linkage literal
local loop map mod module nand new next null of on open or others out output package packed parameter port primitive priority
procedure process property pure range rand record ref reg register reject release repeat report return scalared select
sequence severity shared signal small solve static strong subtype table tagged task then this time to transport tri type
units unique until use var variable vectored void wait when while wire with within xnor xor""".split())
_OCTETS = {"uint64_t": 8, "uint32_t": 4}


@dataclass(frozen=True)
class Argument:
    """A port: `kind` is STREAM, MEMORY (a pointer given in a register), SCALAR (given) or SHOWN (a register that the
    kernel writes). `octets`: of its register, 0 for a stream; `bits`: of a stream; `bundle`: of a memory port."""
    name: str
    kind: str
    octets: int = 0
    bits: int = 0
    bundle: str = ""


@dataclass(frozen=True)
class Kernel:
    """A top. `control`: ap_ctrl_chain or ap_ctrl_none; `registers`: whether it has any."""
    name: str
    control: str
    arguments: tuple

    @property
    def registers(self):
        return any(argument.octets for argument in self.arguments)

    def streams(self):
        return {argument.name: argument.bits for argument in self.arguments if argument.kind == STREAM}

    def bundles(self):
        return {argument.bundle for argument in self.arguments if argument.kind == MEMORY}


def _text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as source:
        return source.read()


def _pragmas(text, mode):
    return set(re.findall(rf"#pragma HLS INTERFACE {mode} port = (\w+)", text))


def read_top(path):
    """The Kernel of one file. ValueError when its ports and its pragmas disagree."""
    text = _text(path)
    name, listed = re.search(r'extern "C" void (\w+)\(([^)]*)\)', text).groups()
    bundles = dict(re.findall(r"INTERFACE m_axi port = (\w+) offset = slave bundle = (\w+)", text))
    axis, lite = _pragmas(text, "axis"), _pragmas(text, "s_axilite")
    arguments = []
    for words in (argument.strip() for argument in listed.split(",")):
        port = re.search(r"(\w+)$", words).group(1)
        stream = re.search(r"Stream<(\w+)>&", words)
        scalar = re.search(r"uint\d+_t", words)
        if stream:
            arguments.append(Argument(port, STREAM, bits=STREAM_BITS[stream.group(1)]))
        elif port in bundles:
            arguments.append(Argument(port, MEMORY, octets=8, bundle=bundles[port]))
        else:
            arguments.append(Argument(port, SHOWN if "*" in words else SCALAR, octets=_OCTETS[scalar.group(0)]))
    for argument in arguments:
        if argument.name in RESERVED:
            raise ValueError(f"{path}: '{argument.name}' is a word of Verilog or VHDL: Vitis HLS calls that port otherwise")
    control = re.findall(r"INTERFACE (ap_ctrl_\w+) port = return", text)
    kernel = Kernel(name, control[0] if len(control) == 1 else "", tuple(arguments))
    in_registers = {argument.name for argument in arguments if argument.octets}
    if axis != set(kernel.streams()):
        raise ValueError(f"{path}: streams {sorted(kernel.streams())}, axis pragmas {sorted(axis)}")
    if lite - {"return"} != in_registers:
        raise ValueError(f"{path}: arguments in registers {sorted(in_registers)}, s_axilite pragmas {sorted(lite)}")
    if len(set(bundles.values())) != len(bundles) or not set(bundles) <= in_registers:
        raise ValueError(f"{path}: m_axi pragmas {bundles}: one bundle for each pointer")
    started = kernel.control == "ap_ctrl_chain"
    if kernel.control not in ("ap_ctrl_chain", "ap_ctrl_none") or started != kernel.registers or started != ("return" in lite):
        raise ValueError(f"{path}: who has registers is started by one of them (ap_ctrl_chain), nobody else (UG1393)")
    return kernel


def read_tops():
    """{name: Kernel} of every top, and of the clock, which is RTL."""
    kernels = [read_top(path) for path in sorted(glob.glob(os.path.join(ROOT, "hw", "kernel", "*_top.cpp")))]
    kernels.append(Kernel("tandem_clock", "ap_ctrl_none", tuple(
        Argument(name, STREAM, bits=64) for name in ("encrypt", "decrypt", "host"))))
    return {kernel.name: kernel for kernel in kernels}


def instances(config):
    """{instance: kernel} that a link file places."""
    return {instance: name for name, _, names in re.findall(r"^nk=(\w+):(\d+):([\w.]+)$", _text(config), re.MULTILINE)
            for instance in names.split(".")}


def register_offsets(kernel):
    """{argument: offset} as Vitis HLS lays its registers out: from 0x10 on, a 64-bit argument with a word behind it, a
    32-bit one likewise; what a kernel shows has its valid bit and room behind it."""
    offsets, at = {}, 0x10
    for argument in kernel.arguments:
        if argument.octets:
            offsets[argument.name] = at
            at += 16 if argument.kind == SHOWN else argument.octets + 4
    return offsets
