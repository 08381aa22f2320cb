# SPDX-License-Identifier: Apache-2.0
"""Sets up, builds and runs groups of tests, and ends with one line `N passed, N failed, N skipped`."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "sim", "demo"))

from lab import build  # noqa: E402 - found by the line above
from lab.process import LabError  # noqa: E402

PROGRAM_TIMEOUT_S = 900
# With a budget, a build that began within it may end this much after it.
BUILD_GRACE_MINUTES = 5
DEMO_RUNS, DEMO_RUNS_QUICK = 10, 3
KILLS, KILLS_QUICK = 10, 4
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)
ALL_PASSED = re.compile(r"^All tests passed \((?:\d+ assertions? in )?(\d+) test cases?\)", re.MULTILINE)
SOME_FAILED = re.compile(r"^test cases:\s*(\d+)(.*)$", re.MULTILINE)


class Count:
    """Passed, failed and skipped tests; sums over groups."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def read_count(output, status):
    """The count in a program's output (our summary line or Catch2's), or one test judged by its exit status."""
    found = SUMMARY.findall(output)
    if found:
        count = Count(*map(int, found[-1]))
    elif ALL_PASSED.search(output):
        count = Count(passed=int(ALL_PASSED.findall(output)[-1]))
    elif SOME_FAILED.search(output):
        total, rest = SOME_FAILED.findall(output)[-1]
        failed = sum(int(number) for number in re.findall(r"\|\s*(\d+) failed\b(?! as expected)", rest))
        count = Count(int(total) - failed, failed)
    else:
        count = Count(passed=1) if status == 0 else Count(failed=1)
    if status != 0 and count.failed == 0:
        count.failed = 1  # it crashed after its summary, or never came to it
    return count


def run_program(name, argv, environment=None, folder=None, timeout=PROGRAM_TIMEOUT_S, live=False):
    """Runs one test program; its output is shown when it fails (or as it comes, with `live`)."""
    began = time.monotonic()
    child = subprocess.Popen(argv, cwd=folder or ROOT, env={**os.environ, **(environment or {})}, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             errors="replace", start_new_session=True)
    deadline = ThreadPoolExecutor(1).submit(_kill_late, child, timeout)
    lines = []
    try:
        for line in child.stdout:
            lines.append(line)
            if live:
                print(line, end="", flush=True)
    except KeyboardInterrupt:
        _end(child)
        raise
    status = child.wait()
    late = deadline.result()
    output = "".join(lines)
    count = read_count(output, status)
    if late:
        count.failed = max(count.failed, 1)
    if count.failed and not live:
        print(f"---- {name}: {' '.join(argv)}\n{output[-20000:]}", flush=True)
    note = f" (stopped after {timeout} s)" if late else ""
    print(f"{'FAIL' if count.failed else 'ok  '} {name}: {count} in {time.monotonic() - began:.1f} s{note}", flush=True)
    return count


def _kill_late(child, timeout):
    try:
        child.wait(timeout)
        return False
    except subprocess.TimeoutExpired:
        _end(child)
        return True


def _end(child):
    """Ends a program and what it started: politely first, so that namespaces are deleted."""
    for number, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, number)
            child.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def ctest_programs(preset, group):
    """The tests that CTest knows and whose name begins with `group`_: [(name, argv, environment, folder, timeout)]."""
    done = subprocess.run(["ctest", "--test-dir", build.directory(preset), "--show-only=json-v1"],
                          stdout=subprocess.PIPE, text=True, check=True)
    programs = []
    for test in json.loads(done.stdout)["tests"]:
        if not test["name"].startswith(f"{group}_") or "command" not in test:
            continue
        properties = {entry["name"]: entry["value"] for entry in test.get("properties", [])}
        environment = dict(entry.split("=", 1) for entry in properties.get("ENVIRONMENT", []))
        programs.append((test["name"], test["command"], environment, properties.get("WORKING_DIRECTORY"),
                         properties.get("TIMEOUT", PROGRAM_TIMEOUT_S)))
    return programs


def run_ctest(preset, group, jobs):
    """Builds a preset and runs its tests of one group, several at a time."""
    build.install("build")
    if preset not in _built:
        print(f"building preset {preset} (the first time takes minutes) ...", flush=True)
        build.build(preset, timeout=time_left())
        _built.add(preset)
    programs = ctest_programs(preset, group)
    if not programs:
        print(f"group {group}: no tests in preset {preset}")
    with ThreadPoolExecutor(jobs) as pool:
        return sum(pool.map(lambda program: run_program(*program), programs), Count())


_built = set()
_began = time.monotonic()
# With a budget: when the last build must have ended, on the monotonic clock.
_builds_end = None


def time_left():
    """Seconds that a build may still take, None for any time."""
    return None if _builds_end is None else max(1.0, _builds_end - time.monotonic())


def need_demo(*groups, preset="dev"):
    build.install(*groups)
    if preset not in _built:
        print(f"building preset {preset} (the first time takes minutes) ...", flush=True)
        build.build(preset, timeout=time_left())
        _built.add(preset)


def interop(group, arguments, live=True, preset="dev"):
    need_demo("interop", preset=preset)
    return run_program(f"tests/interop --group {group} ({preset})", [
        os.path.join(ROOT, "tests", "interop", "run"), "--group", group, "--binaries", build.binaries(preset),
        "--strict", "--repeat", str(KILLS_QUICK if arguments.quick else KILLS),
        *(["--seed", str(arguments.seed)] if arguments.seed is not None else [])], timeout=3600, live=live)


def demo(runs, arguments):
    seed = arguments.seed if arguments.seed is not None else time.time_ns() // 1_000_000 % 1_000_000
    return run_program(f"sim/demo/run --runs {runs} --seed {seed}", [
        os.path.join(ROOT, "sim", "demo", "run"), "--binaries", build.binaries("dev"), "--runs", str(runs), "--seed",
        str(seed), "--timing-misses", str(max(1, runs // 10))], timeout=120 * runs, live=True)


def group_unit(arguments):
    return run_ctest("dev", "unit", arguments.jobs)


def group_xrt(arguments):
    try:
        build.install("build", "xrt")
    except LabError as problem:
        print(f"skip xrt_contract: XRT is not to be had here: {problem}")
        return Count(skipped=1)
    _built.discard("dev")  # a build from before XRT was there knows nothing of it
    count = run_ctest("dev", "xrt", arguments.jobs)
    if not count.passed and not count.failed:
        print("skip xrt_contract: the HAL shim is built for Debian's XRT 2.13.466 alone (see cmake's output)")
        return Count(skipped=1)
    seed = arguments.seed if arguments.seed is not None else time.time_ns() // 1_000_000 % 1_000_000
    return count + interop("xrt", arguments) + run_program(f"sim/demo/run --driver xrt --seed {seed}", [
        os.path.join(ROOT, "sim", "demo", "run"), "--driver", "xrt", "--binaries", build.binaries("dev"), "--seed",
        str(seed), "--kill", "daemon", "--timing-misses", "1"], timeout=240, live=True)


def group_fuzz(arguments):
    return run_ctest("dev", "fuzz", arguments.jobs)


def group_sim(arguments):
    return run_ctest("dev", "sim", arguments.jobs)


def group_model(arguments):
    build.install("model")
    return run_program("sim/model/run --mutants", [os.path.join(ROOT, "sim", "model", "run"), "--mutants", "--jobs",
                                                   str(arguments.jobs)], live=True)


def group_rtl(arguments):
    build.install("rtl")
    return run_ctest("dev", "rtl", arguments.jobs)


def group_asan(arguments):
    count = run_ctest("asan", "unit", arguments.jobs) + run_ctest("asan", "fuzz", arguments.jobs)
    if arguments.quick or os.geteuid() != 0:
        return count
    return count + interop("interop", arguments, preset="asan")


def group_tsan(arguments):
    return run_ctest("tsan", "unit", arguments.jobs)


def group_lint(arguments):
    del arguments
    build.install("lint")
    script = os.path.join(ROOT, "tests", "lint", "run")
    return (run_program("tests/lint/run --self-test", [script, "--self-test"])
            + run_program("tests/lint/run", [script], live=True))


def group_hls(arguments):
    del arguments
    build.install("build", "hls")
    return run_program("tests/hls/run", [os.path.join(ROOT, "tests", "hls", "run")], live=True)


def group_demo(arguments):
    return interop("demo", arguments) + demo(1, arguments)


def group_interop(arguments):
    return interop("interop", arguments)


def group_cluster(arguments):
    return interop("cluster", arguments) + demo(DEMO_RUNS_QUICK if arguments.quick else DEMO_RUNS, arguments)


# In the order in which they run; what is cheap and breaks often comes first. Name: (function, needs root, meaning).
GROUPS = {
    "lint": (group_lint, False, "rules of the code base, and planted faults for each rule"),
    "hls": (group_hls, False, "the kernels by two compilers at -O0, and the commands of the card's build"),
    "unit": (group_unit, False, "programs of tests/unit"),
    "fuzz": (group_fuzz, False, "fuzzers over their corpora and a bounded number of new inputs"),
    "sim": (group_sim, False, "the cluster simulator with its checkers"),
    "model": (group_model, False, "the protocol between the members in Promela, every reachable state, by spin"),
    "demo": (group_demo, True, "the lab measures right, and one failover demonstration"),
    "interop": (group_interop, True, "strongSwan and Scapy against the daemon and the card"),
    "cluster": (group_cluster, True, "real processes killed and paused inside exchanges, ten demonstrations"),
    "xrt": (group_xrt, True, "the card's contract through the genuine XRT library, on a simulated device"),
    "rtl": (group_rtl, False, "the Verilog of the AES-GCM engine: simulated, synthesised, proven"),
    "asan": (group_asan, False, "unit, fuzz and (not --quick) interop under AddressSanitizer and UBSan"),
    "tsan": (group_tsan, False, "unit under ThreadSanitizer (not part of all)"),
}
NOT_BY_DEFAULT = ("tsan",)


def run_group(name, arguments):
    function, needs_root, _ = GROUPS[name]
    print(f"\n== {name}", flush=True)
    if needs_root and os.geteuid() != 0:
        print(f"skip {name}: needs root for network namespaces")
        return Count(skipped=1)
    if arguments.budget and time.monotonic() - _began > arguments.budget * 60:
        print(f"skip {name}: the time budget of {arguments.budget} minutes is used up")
        return Count(skipped=1)
    try:
        return function(arguments)
    except build.OutOfTime as problem:
        # A build that is late says nothing about the code; a program that is late does.
        print(f"skip {name}: {problem}", flush=True)
        return Count(skipped=1)
    except (LabError, subprocess.SubprocessError, OSError) as problem:
        print(f"FAIL {name}: {problem}", flush=True)
        return Count(failed=1)


def main():
    global _builds_end
    listed = "\n".join(f"  {name:8} {meaning}" for name, (_, _, meaning) in GROUPS.items())
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__, epilog=f"groups:\n{listed}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="which groups (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer random repetitions in cluster")
    parser.add_argument("--budget", type=float, metavar="MINUTES", help="start no further group after this long")
    parser.add_argument("--seed", type=int, help="for everything that is drawn at random (default: drawn and printed)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="test programs at a time")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.groups if name not in GROUPS]
    if unknown:
        parser.error(f"unknown group {', '.join(unknown)}; groups:\n{listed}")
    if arguments.budget:
        _builds_end = _began + (arguments.budget + BUILD_GRACE_MINUTES) * 60
    chosen = [name for name in GROUPS if name in arguments.groups] if arguments.groups else [
        name for name in GROUPS if name not in NOT_BY_DEFAULT]
    if "rtl" in chosen:
        build.install("build", "rtl")  # before the first configuration, which looks for Verilator
    counts = {name: run_group(name, arguments) for name in chosen}
    print(f"\n{time.monotonic() - _began:.0f} s")
    for name, count in counts.items():
        print(f"{name:9}{count}")
    total = sum(counts.values(), Count())
    print(total, flush=True)
    return 1 if total.failed or not total.passed + total.skipped else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
