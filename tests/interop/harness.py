# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of this folder: one line per test, then `N passed, N failed, N skipped`.

A test module `test_*.py` names its GROUP; every function `test_*` in it is a test, its docstring the sentence that it
proves. A test takes `context`; it raises AssertionError or LabError to fail, Skip to be skipped by name. Modules named
in SCRIPTS run on their own and report in the same way.
"""

import argparse
import importlib
import os
import re
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "sim", "demo")]

# pylint: disable=wrong-import-position
from lab import build  # noqa: E402
from lab.process import LabError  # noqa: E402

# Programs that are tests by themselves: their group, and the built programs whose paths they take as arguments.
SCRIPTS = {"esp_vectors.py": ("interop", ("esp_tool",))}
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)


class Skip(Exception):
    """The test cannot run here; the text says why."""


class Context:
    """What a test gets: where the programs are, a seed, and how often to repeat what is drawn at random."""

    def __init__(self, binaries, seed, repeat, strict):
        self.binaries = binaries
        self._strict = strict
        self.seed = seed
        self.repeat = repeat

    def program(self, name):
        """The path of a built program; when it is not built the test is skipped, or failed if all should be there."""
        path = os.path.join(self.binaries, name)
        if not os.access(path, os.X_OK):
            if self._strict:
                raise LabError(f"{name} is not built in {self.binaries}")
            raise Skip(f"{name} is not built")
        return path

    def need_pair(self):
        """Skip unless the programs of the pair are built and network namespaces can be made."""
        if os.geteuid() != 0:
            raise Skip("needs root")
        for name in build.DEMO_TARGETS:
            self.program(name)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def report(self, verdict, name, text, seconds):
        setattr(self, verdict, getattr(self, verdict) + 1)
        word = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}[verdict]
        print(f"{word} {name} ({seconds:.1f} s): {text}", flush=True)


def run_function(tally, name, function, context):
    sentence = " ".join((function.__doc__ or name).split())
    began = time.monotonic()
    try:
        function(context)
        tally.report("passed", name, sentence, time.monotonic() - began)
    except Skip as reason:
        tally.report("skipped", name, f"{sentence} [{reason}]", time.monotonic() - began)
    except Exception as problem:  # pylint: disable=broad-except - one broken test must not hide the others
        tally.report("failed", name, f"{sentence}\n     {type(problem).__name__}: {problem}", time.monotonic() - began)
        place = traceback.extract_tb(problem.__traceback__)
        for frame in [entry for entry in place if entry.filename.startswith(HERE)]:
            print(f"     {os.path.relpath(frame.filename, ROOT)}:{frame.lineno}: {frame.line}", flush=True)
        print(f"     again: tests/interop/run --seed {context.seed} {name}", flush=True)


def run_script(tally, script, context):
    """Runs a program of SCRIPTS and adds its summary; without one it counts as a single test by its exit status."""
    began = time.monotonic()
    try:
        words = [context.program(name) for name in SCRIPTS[script][1]]
    except (Skip, LabError) as reason:
        tally.report("skipped" if isinstance(reason, Skip) else "failed", script, str(reason), 0)
        return
    done = subprocess.run(["/usr/bin/python3", os.path.join(HERE, script), *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    print(done.stdout, end="" if done.stdout.endswith("\n") else "\n")
    found = SUMMARY.findall(done.stdout)
    if found and not (done.returncode and found[-1][1] == "0"):
        tally.passed, tally.failed, tally.skipped = (have + int(more) for have, more in zip(
            (tally.passed, tally.failed, tally.skipped), found[-1]))
    else:
        tally.report("failed" if done.returncode else "passed", script, f"exit status {done.returncode}",
                     time.monotonic() - began)


def main():
    parser = argparse.ArgumentParser(prog="tests/interop/run", description=__doc__.splitlines()[0])
    parser.add_argument("tests", nargs="*", help="parts of the names module.function to run (default: all)")
    parser.add_argument("--group", action="append", help="only modules of this group (demo, interop, cluster)")
    parser.add_argument("--binaries", default=os.environ.get("TANDEM_BINARIES", build.binaries("dev")))
    parser.add_argument("--seed", type=int, default=time.time_ns() // 1_000_000 % 1_000_000)
    parser.add_argument("--repeat", type=int, default=10, help="moments drawn for each kind of kill")
    parser.add_argument("--strict", action="store_true", help="a program that is not built fails its tests")
    parser.add_argument("--list", action="store_true", help="name the tests and stop")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    context = Context(os.path.abspath(arguments.binaries), arguments.seed, arguments.repeat, arguments.strict)
    if not arguments.list:
        print(f"seed {context.seed}", flush=True)
    tally = Tally()

    def wanted(name, group):
        return (not arguments.group or group in arguments.group) and (
            not arguments.tests or any(part in name for part in arguments.tests))

    for entry in sorted(os.listdir(HERE)):
        if entry in SCRIPTS and wanted(entry, SCRIPTS[entry][0]):
            print(entry) if arguments.list else run_script(tally, entry, context)
        if not (entry.startswith("test_") and entry.endswith(".py")):
            continue
        module = importlib.import_module(entry[:-3])
        for name, function in vars(module).items():
            full = f"{entry[:-3]}.{name}"
            if name.startswith("test_") and callable(function) and wanted(full, module.GROUP):
                print(f"{full} [{module.GROUP}]") if arguments.list else run_function(tally, full, function, context)
    if arguments.list:
        return 0
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    # A test module imports this one by name: both must see the same Skip.
    sys.modules["harness"] = sys.modules["__main__"]
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
