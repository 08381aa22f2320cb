# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks, programs bench_NAME of the release build, and gathers their JSON. Start it by `tests/bench`."""

import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "sim", "demo"))

from lab import build  # noqa: E402 - found by the line above
from lab.process import LabError  # noqa: E402

BENCHES = ("softcard", "takeover", "ha", "kernels")
TIMEOUT_S = 600


def machine():
    """What the figures were measured on."""
    model = ""
    with open("/proc/cpuinfo", encoding="utf-8") as source:
        for line in source:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, check=False).stdout.strip()
    return {"cpu": model, "cores": os.cpu_count(), "commit": commit}


def run_bench(binaries, name, folder):
    """Runs one benchmark with its table on our output; returns its JSON."""
    path = os.path.join(folder, f"{name}.json")
    print(f"== {name}", flush=True)
    done = subprocess.run([os.path.join(binaries, f"bench_{name}"), "--json", path], timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise LabError(f"bench_{name} ended with status {done.returncode}")
    with open(path, encoding="utf-8") as source:
        return json.load(source)


def main():
    parser = argparse.ArgumentParser(prog="tests/bench", description=__doc__.split(".")[0] + ".")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ({', '.join(BENCHES)}; default all)")
    parser.add_argument("--json", metavar="FILE", help="write all figures here")
    parser.add_argument("--binaries", metavar="DIR", help="take the programs from here and build nothing")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHES]
    if unknown:
        parser.error(f"unknown benchmark {', '.join(unknown)} (known: {', '.join(BENCHES)})")
    names = arguments.names or BENCHES
    binaries = arguments.binaries
    if not binaries:
        build.install("build")
        print("building (the first time takes minutes) ...", flush=True)
        binaries = build.build("release", [f"bench_{name}" for name in names])
    with tempfile.TemporaryDirectory() as folder:
        figures = {"machine": machine(), **{name: run_bench(binaries, name, folder) for name in names}}
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as target:
            json.dump(figures, target, indent=2)
            target.write("\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (LabError, subprocess.TimeoutExpired, OSError, ValueError) as trouble:
        print(f"tests/bench: {trouble}", file=sys.stderr)
        sys.exit(1)
