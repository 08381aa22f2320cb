# SPDX-License-Identifier: Apache-2.0
"""Command line of the failover demonstration: see README.md in this folder. Start it by `sim/demo/run`."""

import argparse
import json
import os
import signal
import sys
import time

from lab import build, timeline
from lab.appliance import DRIVERS
from lab.failover import DIRECTIONS, Experiment, Options, plain
from lab.process import LabError


def parse_arguments():
    parser = argparse.ArgumentParser(prog="sim/demo/run", description="Kills the active IPsec gateway of a pair under "
                                     "traffic and measures what the peer and the hosts notice.")
    parser.add_argument("--seed", type=int, help="draws the moments of the kills (default: from the clock, printed)")
    parser.add_argument("--kill", choices=("daemon", "machine", "both"), default="both", help="what dies (default both)")
    parser.add_argument("--json", metavar="FILE", help="write the measurements here")
    parser.add_argument("--svg", metavar="FILE", help="write the timeline here (with --runs: one per seed)")
    parser.add_argument("--keep", action="store_true", help="keep namespaces, daemons and logs until Ctrl-C")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="N runs with the seeds from --seed upwards")
    parser.add_argument("--timing-misses", type=int, metavar="N", help="runs that may miss a bound on blackout, and "
                        "nothing else (default: a tenth of the runs)")
    parser.add_argument("--rate", type=int, help="UDP packets per second in each direction (default 1000)")
    parser.add_argument("--size", type=int, default=100, help="UDP payload in octets")
    parser.add_argument("--bulk-mbit", type=float, help="pace of the TCP transfer, 0 for none (default 20)")
    parser.add_argument("--crypto", choices=("native", "hls", "rtl"), default="native",
                        help="AES-GCM body of the soft cards; rtl simulates the Verilog: a tenth of the rates by default, "
                        "and the clocks that a packet took are reported")
    parser.add_argument("--driver", choices=DRIVERS, default="soft", help="how the daemons reach their cards: xrt goes "
                        "through the genuine XRT library to a simulated device")
    parser.add_argument("--binaries", metavar="DIR", help="take the programs from here and build nothing")
    arguments = parser.parse_args()
    slow = 10 if arguments.crypto == "rtl" else 1
    if arguments.rate is None:
        arguments.rate = 1000 // slow
    if arguments.bulk_mbit is None:
        arguments.bulk_mbit = 20 / slow
    return arguments


def show(result):
    print(f"\n{'':22}{'sent':>9}{'lost':>7}{'duplicated':>12}{'reordered':>11}")
    for way in DIRECTIONS:
        print(f"  {timeline.NAMES[way]:20}{result['sent'][way]:>9}{result['lost'][way]:>7}"
              f"{result['duplicated'][way]:>12}{result['reordered'][way]:>11}")
    for kill in result["kills"]:
        print(f"\n{kill['kind']} of {kill['member']} killed at {kill['at_ms']:.0f} ms; detection "
              f"{kill['detection_ms']:.0f} ms; ESP sequence number {kill['seq_before']} -> {kill['seq_after']} "
              f"(SPI {kill['spi']}); arrivals per 10 ms:")
        for way in DIRECTIONS:
            print(f"  {timeline.NAMES[way]:14}{timeline.terminal(result, kill, way)}  blackout "
                  f"{kill['blackout_ms'][way]:6.1f} ms, lost {kill['lost'][way]}")
    for name, clocks in result.get("engine_clocks", {}).items():
        if clocks:
            print(f"\nsimulated gcm_word of {name}'s card: {clocks['packets']} packets of {clocks['words']} words in "
                  f"{clocks['clocks']} clocks; a packet took {clocks['packet_clocks_mean']:.1f} clocks on average, "
                  f"{clocks['packet_clocks_max']} at most")
    exchanges = ", ".join(f"{count} {name}" for name, count in sorted(result["ike_exchanges"].items())) or "none"
    print(f"\nIKE exchanges during the traffic: {exchanges}")
    for claim in result["claims"]:
        print(f"  {'ok  ' if claim['ok'] else 'FAIL'} {claim['claim']}: {claim['detail']}")
    sys.stdout.flush()


def show_table(results):
    print(f"\n{'seed':>12} {'verdict':8}{'blackout in/out ms':>20}{'lost in/out':>14}{'twice':>7}{'nonces':>8}"
          f"{'TCP':>7}{'SPIs':>7}")
    for seed, result in results:
        if "error" in result:
            print(f"{seed:>12} FAILED  {result['error'].splitlines()[0][:90]}")
            continue
        dark, lost = result["blackout_ms"], result["lost"]
        print(f"{seed:>12} {'passed' if result['passed'] else 'FAILED':8}{dark['in']:>11.1f} /{dark['out']:>7.1f}"
              f"{lost['in']:>7} /{lost['out']:>5}{result['accepted_twice']:>7}{result['nonce_repeats']:>8}"
              f"{'reset' if result['tcp_reset'] else 'ok':>7}{'same' if result['same_spis'] else 'other':>7}")


def run_one(options, svg):
    began = time.monotonic()
    print(f"seed {options.seed}: kill {options.kill} (again: sim/demo/run --seed {options.seed} --kill {options.kill})",
          flush=True)
    result = Experiment(options, lambda text: print(f"[{time.monotonic() - began:5.1f} s] {text}", flush=True)).run()
    show(result)
    if svg:
        timeline.draw(result, svg)
    return result


def only_late(result):
    """True when a run failed, but only claims on time."""
    return not result["passed"] and all(claim["ok"] or claim["timed"] for claim in result.get("claims", [{"ok": False,
                                                                                                         "timed": False}]))


def main():
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if os.geteuid() != 0:
        print("sim/demo/run: network namespaces need root", file=sys.stderr)
        return 2
    binaries = arguments.binaries
    if not binaries:
        xrt = arguments.driver == "xrt"
        build.install("demo", *(("xrt",) if xrt else ()), *(("rtl",) if arguments.crypto == "rtl" else ()))
        print("building (the first time takes minutes) ...", flush=True)
        binaries = build.build("dev", build.DEMO_TARGETS + (build.XRT_TARGETS if xrt else ()))
    seed = arguments.seed if arguments.seed is not None else time.time_ns() // 1_000_000 % 1_000_000
    results = []
    for number in range(arguments.runs):
        options = Options(os.path.abspath(binaries), seed + number, arguments.kill, arguments.rate, arguments.size,
                          arguments.bulk_mbit, arguments.crypto, arguments.keep, driver=arguments.driver)
        svg = arguments.svg
        if svg and arguments.runs > 1:
            stem, suffix = os.path.splitext(svg)
            svg = f"{stem}-{options.seed}{suffix}"
        try:
            results.append((options.seed, plain(run_one(options, svg))))
        except LabError as problem:
            print(f"seed {options.seed}: FAILED: {problem}", flush=True)
            results.append((options.seed, {"seed": options.seed, "passed": False, "error": str(problem)}))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as target:
            json.dump(results[0][1] if arguments.runs == 1 else {"runs": [result for _, result in results]}, target,
                      indent=2)
            target.write("\n")
    if arguments.runs > 1:
        show_table(results)
    good = sum(result["passed"] for _, result in results)
    late = sum(only_late(result) for _, result in results)
    allowed = arguments.timing_misses if arguments.timing_misses is not None else len(results) // 10
    if 0 < late <= allowed:
        print(f"\n{late} of {len(results)} runs missed a bound on blackout and nothing else: within the {allowed} allowed")
        good += late
    print(f"\n{good} passed, {len(results) - good} failed, 0 skipped")
    return 0 if good == len(results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except LabError as trouble:
        print(f"sim/demo/run: {trouble}", file=sys.stderr)
        sys.exit(1)
