# SPDX-License-Identifier: Apache-2.0
"""yosys sizes the lanes for Xilinx UltraScale+: LUTs, registers and levels of logic, against budgets that a change may not
exceed. No place and route: what routing costs is not in these figures."""

import json
import os

from tools import HERE, run, sources

BUDGETS = os.path.join(HERE, "budgets.json")
# Wide multiplexers suit the S-box's table; the multiplier is all exclusive-or and larger with them.
OPTIONS = {"aes_ctr_lane": "", "ghash_lane": "-nowidelut"}
_SEQUENTIAL = ("FD", "SRL", "RAM", "BUFG", "URAM")


def measure(top, folder):
    """{"lut", "srl", "ff", "levels"} of one lane, synthesised flat."""
    netlist = os.path.join(folder, f"{top}.json")
    run(["yosys", "-q", "-p", f"read_verilog {' '.join(sources())}; synth_xilinx -family xcup -top {top} -noiopad "
         f"-noclkbuf {OPTIONS[top]}; flatten; clean; write_json {netlist}"])
    with open(netlist, encoding="utf-8") as source:
        cells = json.load(source)["modules"][top]["cells"].values()
    count = {"lut": 0, "srl": 0, "ff": 0}
    for cell in cells:
        kind = cell["type"]
        if kind.startswith("LUT"):
            count["lut"] += 1
        elif kind.startswith("SRL"):
            count["srl"] += 1
        elif kind.startswith("FD"):
            count["ff"] += 1
    return {**count, "levels": levels(cells)}


def levels(cells):
    """The most LUTs in a row between registers or ports. The slice's own multiplexers (MUXF7, MUXF8) and inverters count
    for nothing."""
    driver, inputs = {}, []
    for cell in cells:
        if cell["type"].startswith(_SEQUENTIAL):
            continue
        number = len(inputs)
        weight = 1 if cell["type"].startswith(("LUT", "CARRY")) else 0
        nets = []
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output":
                driver.update((bit, number) for bit in bits)
            else:
                nets += [bit for bit in bits if isinstance(bit, int)]
        inputs.append((weight, nets))
    depth = [None] * len(inputs)
    for root in range(len(inputs)):
        stack = [root]
        while stack:
            number = stack[-1]
            before = [driver[net] for net in inputs[number][1] if net in driver]
            waiting = [other for other in before if depth[other] is None]
            if waiting:
                stack += waiting
                continue
            depth[number] = inputs[number][0] + max((depth[other] for other in before), default=0)
            stack.pop()
    return max(depth, default=0)


def check(report, folder):
    with open(BUDGETS, encoding="utf-8") as source:
        budgets = json.load(source)
    found = {}
    for top in OPTIONS:
        found[top] = measure(top, folder)
        for what, limit in budgets[top].items():
            value = found[top][what]
            report.add(f"{top}: {what} within its budget", value <= limit, f"{value} of {limit}")
    return found
