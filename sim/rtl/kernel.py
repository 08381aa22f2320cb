# SPDX-License-Identifier: Apache-2.0
"""A whole kernel's RTL, as Vitis HLS writes it, in Verilator behind AXI4-Lite and AXI4-Stream; without Vitis a stand-in."""

import os
import shutil

import icarus
from tools import HERE, VERILOG, TaskError, run, sources

STAND_IN = "engine_kernel"


def check(report, bench, folder, rtl, top, seed):
    """`rtl`: the folder of a kernel's Verilog with the engine's streams, None for the stand-in."""
    icarus.export(bench, folder, 200, seed=seed)
    if rtl is None:
        top, what = STAND_IN, "the stand-in (gcm_word behind AXI4-Lite)"
        files = [*sources(), os.path.join(HERE, "verilog", f"{STAND_IN}.v")]
    else:
        if not top or not os.path.isdir(rtl) or not sources(rtl):
            raise TaskError(f"--rtl {rtl} holds no Verilog, or --top is missing")
        what, files = f"{top} of {rtl}", sources(rtl)
    control = any("s_axi_control_AWVALID" in _text(path) for path in files if os.path.basename(path) == f"{top}.v")
    cache = shutil.which("ccache")
    flags = f"-O1 -std=c++20{' -DTANDEM_CONTROL' if control else ''}"
    run(["env", f"OBJCACHE={cache or ''}", "verilator", "--cc", "--exe", "--build", "-j", "2", "-O3", "-Wno-fatal",
         "--x-initial", "fast", "--Mdir", os.path.join(folder, "kernel"), "--top-module", top, "--prefix", "Vkernel",
         "-CFLAGS", flags, "-MAKEFLAGS", "OPT_FAST=-O1", "-MAKEFLAGS", "OPT_SLOW=-O0", "-o", "bench",
         os.path.join(VERILOG, "verilator.vlt"), *files, os.path.join(HERE, "kernel_bench.cpp")], timeout=900)
    output = run([os.path.join(folder, "kernel", "bench"), folder, str(seed)], check=False)
    report.add(f"{what} answers right, {'started over AXI4-Lite' if control else 'free-running'}", "passed:" in output,
               output.strip().splitlines()[-1])


def _text(path):
    with open(path, encoding="utf-8", errors="replace") as source:
        return source.read()
