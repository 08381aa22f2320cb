# SPDX-License-Identifier: Apache-2.0
"""Command line of the Verilog's figures, proofs and planted bugs: see README.md in this folder. Start it by `sim/rtl/run`."""

import argparse
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "demo")]

import formal  # noqa: E402 - found by the line above
import icarus  # noqa: E402
import kernel  # noqa: E402
import mutants  # noqa: E402
import synth  # noqa: E402
from lab import build  # noqa: E402
from lab.process import LabError  # noqa: E402
from tools import ROOT, TOPS, Report, TaskError, run, sources  # noqa: E402

TASKS = {
    "figures": "words per clock, latency and answers in Verilator (the default)",
    "lint": "verilator --lint-only -Wall of every top",
    "icarus": "the same packets in Icarus Verilog",
    "mutants": "a planted bug in each lane and each part of gcm_word, and a bubble, are caught",
    "synth": "yosys: LUTs, registers and levels of logic of the lanes against budgets.json",
    "formal": "yosys: equivalences and handshakes by SAT",
    "kernel": "a whole kernel over AXI4-Lite and AXI4-Stream in Verilator: --rtl FOLDER --top MODULE, or a stand-in",
}


def parse_arguments():
    listed = "\n".join(f"  --{name:9}{meaning}" for name, meaning in TASKS.items())
    parser = argparse.ArgumentParser(prog="sim/rtl/run", epilog=f"tasks:\n{listed}", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, meaning in TASKS.items():
        parser.add_argument(f"--{name}", action="store_true", help=meaning)
    parser.add_argument("--all", action="store_true", help="every task")
    parser.add_argument("--json", metavar="FILE", help="write the figures here")
    parser.add_argument("--seed", type=int, default=1, help="draws packets, gaps and back-pressure (default 1)")
    parser.add_argument("--dump", metavar="FILE", help="write the waves of 20 packets of 64 octets here and do nothing "
                        "else: VCD, or FST when the name ends so")
    parser.add_argument("--octets", type=int, default=64, help="packet length for --dump (default 64)")
    parser.add_argument("--rtl", metavar="FOLDER", help="with --kernel: Verilog with the engine's streams that Vitis HLS wrote")
    parser.add_argument("--top", metavar="MODULE", help="with --kernel --rtl: its top module")
    parser.add_argument("--binaries", metavar="DIR", help="take rtl_bench from here and build nothing")
    return parser.parse_args()


def bench_of(arguments):
    if not arguments.binaries:
        build.install("build", "rtl")
        print("building (the first time takes minutes) ...", flush=True)
        arguments.binaries = build.build("dev", ("rtl_bench",))
    path = os.path.join(os.path.abspath(arguments.binaries), "rtl_bench")
    if not os.path.exists(path):
        raise TaskError(f"{path} is not there: was Verilator installed when the tree was configured?")
    return path


def lint(report):
    for top in TOPS:
        said = run(["verilator", "--lint-only", "-Wall", "--top-module", top, *sources()], check=False)
        report.add(f"verilator -Wall finds nothing in {top}", said == "", said[-2000:].strip())


def figures(arguments):
    argv = [bench_of(arguments), "--seed", str(arguments.seed)]
    if arguments.json:
        argv += ["--json", arguments.json]
    return subprocess.run(argv, check=False).returncode


def dump(arguments, folder):
    icarus.export(bench_of(arguments), folder, 20, arguments.octets, arguments.seed)
    program = os.path.join(folder, "program")
    icarus.compile_bench("gcm_word_tb", program)
    good, words, clocks, output = icarus.run_word(program, folder, 100,
                                                dump="fst" if arguments.dump.endswith(".fst") else "vcd")
    os.replace(os.path.join(folder, "gcm_word.vcd"), arguments.dump)
    print(f"{output.strip()}\nwaves in {arguments.dump}")
    return 0 if good else 1


def main():
    arguments = parse_arguments()
    chosen = [name for name in TASKS if arguments.all or getattr(arguments, name)] or ["figures"]
    os.chdir(ROOT)
    status = 0
    with tempfile.TemporaryDirectory(prefix="tandem-rtl-") as folder:
        if arguments.dump:
            return dump(arguments, folder)
        if "figures" in chosen:
            status = figures(arguments)
            if chosen == ["figures"]:
                return status
        report = Report()
        if "figures" in chosen:
            report.add("figures", status == 0)
        if "lint" in chosen:
            lint(report)
        if "icarus" in chosen:
            icarus.check(report, bench_of(arguments), folder)
        if "mutants" in chosen:
            mutants.check(report, bench_of(arguments), folder)
        if "synth" in chosen:
            synth.check(report, folder)
        if "formal" in chosen:
            formal.check(report)
        if "kernel" in chosen:
            kernel.check(report, bench_of(arguments), folder, arguments.rtl, arguments.top, arguments.seed)
        return report.end()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (TaskError, LabError) as trouble:
        print(f"sim/rtl/run: {trouble}", file=sys.stderr)
        sys.exit(1)
