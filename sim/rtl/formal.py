# SPDX-License-Identifier: Apache-2.0
"""Proofs by yosys' own SAT solver: combinational parts against simple models, handshakes for all time by induction, or
for a stated number of clocks from reset."""

import os
from dataclasses import dataclass

from tools import HERE, VERILOG, TaskError, run

MODELS = os.path.join(HERE, "formal")


@dataclass(frozen=True)
class Equal:
    """`gold` and `gate` give the same outputs for all inputs."""
    what: str
    gold: str
    gate: str
    files: tuple

    def script(self):
        return (f"hierarchy -check; proc -norom; flatten {self.gold} {self.gate}; opt -full; "
                f"miter -equiv -flatten {self.gold} {self.gate} miter; hierarchy -top miter; opt -full; "
                "sat -verify -prove trigger 0 miter")


@dataclass(frozen=True)
class Holds:
    """The assertions of `check` hold in every clock: for all time when `clocks` is 0, by induction over up to
    INDUCTION_MAX clocks, in which `equal` names two registers that are always alike; else for so many from the start."""
    what: str
    check: str
    files: tuple
    clocks: int = 0
    equal: str = ""

    def script(self):
        how = f"-seq {self.clocks}" if self.clocks else f"-tempinduct -maxsteps {INDUCTION_MAX} -set-init-zero -prove {self.equal}"
        return (f"hierarchy -check -top {self.check}; proc; flatten; memory_map; opt -full; "
                f"sat -verify -set-assumes -prove-asserts {how} {self.check}")


INDUCTION_MAX = 8

PROOFS = (
    Equal("the S-box is the inverse in GF(2^8) with its affine map", "sbox_model", "aes_sbox", ("aes_sbox",)),
    Equal("an AES round is SubBytes, ShiftRows, MixColumns, AddRoundKey", "round_model", "aes_round",
          ("aes_sbox", "aes_round")),
    Equal("a product is reduced by the polynomial of GCM", "reduce_model", "gf_reduce", ("gf_reduce",)),
    Holds("Karatsuba's product is the schoolbook's", "karatsuba_check", ("gf_product", "gf_karatsuba"), clocks=4),
    Holds("a lane's handshake loses, invents and hurries nothing", "lane_check", ("lane_control",),
          equal="dut.busy owed"),
    Holds("stream_slice keeps AXI4-Stream's rules and the order", "slice_check", ("stream_slice",), clocks=16),
    Holds("stream_fifo keeps AXI4-Stream's rules and the order", "fifo_check", ("stream_fifo",), clocks=14),
    Holds("gcm_issue never issues more than the queues hold", "issue_check", ("gcm_issue",), clocks=12),
)


def check(report):
    for proof in PROOFS:
        model = proof.check if isinstance(proof, Holds) else proof.gold
        files = [os.path.join(VERILOG, f"{name}.v") for name in proof.files] + [os.path.join(MODELS, f"{model}.v")]
        span = f", for {proof.clocks} clocks from reset" if getattr(proof, "clocks", 0) else ""
        try:
            run(["yosys", "-q", "-p", f"read_verilog -formal {' '.join(files)}; {proof.script()}"], timeout=300)
            report.add(f"proven: {proof.what}{span}", True)
        except TaskError as problem:
            report.add(f"proven: {proof.what}{span}", False, str(problem)[-3000:])
