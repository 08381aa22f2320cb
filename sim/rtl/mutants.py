# SPDX-License-Identifier: Apache-2.0
"""Planted bugs: each changes one line of a copy of hw/rtl, and passes only if a testbench says that something is wrong."""

import os
import shutil
from dataclasses import dataclass

import icarus
from tools import VERILOG, TaskError


@dataclass(frozen=True)
class Mutant:
    """One planted bug. `bench`: lanes, word (answers under gaps and back-pressure) or rate (words per clock)."""
    name: str
    bench: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant("aes_ctr_lane: a round key comes a clock early", "lanes", "aes_ctr_lane.v", ".DEPTH(r)",
           ".DEPTH(r == 7 ? 6 : r)"),
    Mutant("aes_ctr_lane: AES-128 ends as late as AES-256", "lanes", "aes_rounds.v",
           "(r == ROUNDS_128 && !wide[r-1])", "1'b0"),
    Mutant("S-box: one entry wrong", "lanes", "aes_sbox.v", "8'h53: sub = 8'hed;", "8'h53: sub = 8'hec;"),
    Mutant("ghash_lane: the sum so far is left out", "lanes", "ghash_lane.v", ".a(block ^ addend)", ".a(block)"),
    Mutant("ghash_lane: a coefficient is reduced wrong", "lanes", "gf_reduce.v", "{over[1:0], 5'b0}", "7'b0"),
    Mutant("lanes: a result is not held for ap_continue", "lanes", "lane_control.v", "ap_ce & ~(ap_done & ~ap_continue)",
           "ap_ce"),
    Mutant("gcm_word: every word begins at counter 2", "word", "gcm_word.v", "{22'b0, index3, 2'b00} + lane + 2",
           "{22'b0, index3 & 8'd0, 2'b00} + lane + 2"),
    Mutant("gcm_word: octets behind the end enter the hash of an open", "word", "gcm_word.v",
           "seal18 ? done18[128*lane+:128] : clear18", "seal18 ? done18[128*lane+:128] : data18"),
    Mutant("gcm_word: back-pressure is not counted", "word", "gcm_issue.v", "(targets != ROOM) & (tags != ROOM)", "1'b1"),
    Mutant("gcm_word: a partial last word is hashed as a full one", "word", "gcm_word.v", "ends3 <= payload2 ? ends2 :",
           "ends3 <= payload2 ? 2'd0 :"),
    Mutant("gcm_hash: a sum is lost in a gap of the stream", "word", "gcm_hash.v",
           "sum_carries && sum_slot == slot ? sum : sums[slot]", "sum"),
    Mutant("gcm_hash: a sum is not there without a gap", "word", "gcm_hash.v",
           "sum_carries && sum_slot == slot ? sum : sums[slot]", "sums[slot]"),
    Mutant("gcm_hash: a packet's sum goes on from the one before", "word", "gcm_hash.v",
           "(sum_settles ? 128'b0 : total) ^ sum", "total ^ sum"),
    Mutant("gcm_issue: a bubble behind every packet", "rate", "gcm_issue.v", "wire fire = job_valid &",
           "wire fire = ~(beat & beat_last) & job_valid &"),
)


def check(report, bench, folder):
    """Every mutant is caught, and the code as it is passes the same benches (or catching would prove nothing)."""
    traffic, small = os.path.join(folder, "random"), os.path.join(folder, "small")
    icarus.export(bench, traffic, icarus.RANDOM_PACKETS)
    icarus.export(bench, small, 24, octets=64)
    clean = {name: _verdict(name, VERILOG, folder, traffic, small) for name in ("lanes", "word", "rate")}
    for name, (wrong, said) in clean.items():
        report.add(f"without a mutant the {name} bench passes", not wrong, said)
    for mutant in MUTANTS:
        copy = os.path.join(folder, "mutant")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(VERILOG, copy)
        path = os.path.join(copy, mutant.file)
        with open(path, encoding="utf-8") as source:
            text = source.read()
        if text.count(mutant.old) != 1:
            raise TaskError(f"mutant '{mutant.name}': {mutant.file} does not have '{mutant.old}' once")
        with open(path, "w", encoding="utf-8") as target:
            target.write(text.replace(mutant.old, mutant.new))
        caught, said = _verdict(mutant.bench, copy, folder, traffic, small)
        report.add(f"caught: {mutant.name}", caught, said)


def _verdict(name, verilog, folder, traffic, small):
    """(whether the bench found something wrong, what it said)."""
    top = "lanes_tb" if name == "lanes" else "gcm_word_tb"
    program = os.path.join(folder, "program")
    icarus.compile_bench(top, program, verilog)
    if name == "lanes":
        good, output = icarus.run_lanes(program, traffic)
    elif name == "word":
        # Gaps; then what only shows without any, with queues that fill up.
        good, _, _, output = icarus.run_word(program, traffic, 70)
        if good:
            good, _, _, output = icarus.run_word(program, traffic, 100, 30)
    else:
        good, words, clocks, output = icarus.run_word(program, small, 100)
        return not good or words < clocks, f"{words / max(clocks, 1):.3f} words per clock"
    return not good, output.strip().splitlines()[-1]
