# SPDX-License-Identifier: Apache-2.0
"""Prints what Vitis HLS and the link reported about a build: `report.py build/hls/<platform>.<target>`.

Reads the csynth.xml of each kernel (timing, latency, area) and names the link's timing summaries. Ends with 1 when
there is nothing to report or a kernel missed its clock."""

import glob
import os
import sys
import xml.etree.ElementTree as xml

AREA = ("LUT", "FF", "BRAM_18K", "URAM", "DSP")


def kernel(path):
    """(name, target ns, estimated ns, worst latency, {resource: (used, available)}) of one csynth.xml."""
    root = xml.parse(path).getroot()
    def text(place):
        return root.findtext(place, default="").strip()
    area = {name: (text(f"AreaEstimates/Resources/{name}"), text(f"AreaEstimates/AvailableResources/{name}"))
            for name in AREA}
    return (text("UserAssignments/TopModelName"), text("UserAssignments/TargetClockPeriod"),
            text("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"),
            text("PerformanceEstimates/SummaryOfOverallLatency/Worst-caseLatency"), area)


def main():
    if len(sys.argv) != 2:
        print("report.py: wanted the build's folder, as make -f Makefile.hls report gives it", file=sys.stderr)
        return 2
    folder = sys.argv[1]
    reports = sorted(glob.glob(os.path.join(folder, "**", "csynth.xml"), recursive=True))
    if not reports:
        print(f"report.py: no csynth.xml under {folder}: run make -f Makefile.hls cosim or xo first", file=sys.stderr)
        return 1
    late = False
    for path in reports:
        try:
            name, target, estimate, latency, area = kernel(path)
        except xml.ParseError as problem:
            print(f"report.py: {path}: {problem}", file=sys.stderr)
            return 1
        used = ", ".join(f"{name} {have}/{total}" for name, (have, total) in area.items() if have)
        missed = bool(target and estimate) and float(estimate) > float(target)
        late = late or missed
        print(f"{name}: {estimate} ns of {target} ns{' MISSED' if missed else ''}, latency {latency}, {used}")
    for path in sorted(glob.glob(os.path.join(folder, "**", "*timing_summary*.rpt"), recursive=True)):
        print(f"link timing: {path}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
