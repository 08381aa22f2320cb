# SPDX-License-Identifier: Apache-2.0
"""Icarus Verilog runs the same packets as Verilator did: a second simulator's opinion, and the one that mutants meet."""

import os
import re

from tools import HERE, VERILOG, run, sources

SEED = 1
# Beyond one of every length to 130: Icarus takes some milliseconds for a clock of gcm_word.
RANDOM_PACKETS = 12
_RATIO = re.compile(r"words_per_clock (\d+)/(\d+)")


def export(bench, folder, packets, octets=0, seed=SEED):
    """Traffic and answers of `rtl_bench` as files in `folder`."""
    os.makedirs(folder, exist_ok=True)
    run([bench, "--export", folder, "--packets", str(packets), "--octets", str(octets), "--seed", str(seed)])


def compile_bench(bench, program, verilog=VERILOG):
    """Compiles a testbench of sim/rtl/verilog with the design in `verilog`; any warning is a TaskError's business."""
    return run(["iverilog", "-g2001", "-Wall", "-Wno-timescale", "-o", program, "-s", bench, *sources(verilog),
                os.path.join(HERE, "verilog", f"{bench}.v")])


def lines_of(path):
    with open(path, "rb") as source:
        return sum(1 for _ in source)


def run_word(program, folder, pace, out_pace=None, dump="", seed=SEED):
    """(whether every answer was right, words, clocks, output) of gcm_word_tb. `dump`: vcd or fst, waves as gcm_word.vcd."""
    count = {name: lines_of(os.path.join(folder, f"{name}.hex")) for name in ("key", "job", "source")}
    output = run(["vvp", "-n", program, f"+folder={folder}", f"+keys={count['key']}", f"+jobs={count['job']}",
                  f"+words={count['source']}", f"+pace={pace}", f"+out_pace={pace if out_pace is None else out_pace}",
                  f"+seed={seed}", *(["+dump", f"-{dump}"] if dump else [])],
                 check=False)
    words, clocks = map(int, (_RATIO.findall(output) or [("0", "0")])[-1])
    return "passed:" in output and "FAILED" not in output, words, clocks, output


def run_lanes(program, folder, seed=SEED):
    output = run(["vvp", "-n", program, f"+folder={folder}",
                  f"+count={lines_of(os.path.join(folder, 'product.hex'))}", f"+seed={seed}"], check=False)
    return "passed:" in output and "FAILED" not in output, output


def check(report, bench, folder):
    """Both testbenches over random traffic, free running and with gaps and back-pressure."""
    random, small = os.path.join(folder, "random"), os.path.join(folder, "small")
    export(bench, random, RANDOM_PACKETS)
    export(bench, small, 40, octets=64)
    for top in ("gcm_word_tb", "lanes_tb"):
        said = compile_bench(top, os.path.join(folder, top))
        report.add(f"iverilog -Wall compiles {top} without a word", said == "", said[-400:].strip())
    word = os.path.join(folder, "gcm_word_tb")
    for pace, out_pace in ((100, 30), (60, 60)):
        good, _, _, output = run_word(word, random, pace, out_pace)
        report.add(f"gcm_word answers right in Icarus, offered at {pace} %, taken at {out_pace} %", good, output.strip().splitlines()[-1])
    good, words, clocks, output = run_word(word, small, 100)
    report.add("gcm_word takes a word of 64 octets every clock in Icarus", good and words == clocks, f"{words}/{clocks}")
    good, output = run_lanes(os.path.join(folder, "lanes_tb"), random)
    report.add("the lanes answer right in Icarus", good, output.strip().splitlines()[-1])
