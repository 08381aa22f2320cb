# SPDX-License-Identifier: Apache-2.0
"""What the tasks of sim/rtl share: where the Verilog is, and running a tool so that its words are seen when it fails."""

import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
VERILOG = os.path.join(ROOT, "hw", "rtl")
TOPS = ("aes_ctr_lane", "ghash_lane", "gcm_word")


class TaskError(Exception):
    """A tool failed or is missing; the text says which and what it said."""


def sources(folder=VERILOG):
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".v"))


def run(argv, timeout=600, check=True, folder=None):
    """The tool's whole output; TaskError with the end of it when it fails (or, with `check` off, its output anyway)."""
    if shutil.which(argv[0]) is None:
        raise TaskError(f"{argv[0]} is not installed: host/packaging/install-deps rtl")
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=timeout, check=False, cwd=folder)
    except subprocess.TimeoutExpired:
        raise TaskError(f"{' '.join(argv)}: not done in {timeout} s") from None
    if check and done.returncode != 0:
        raise TaskError(f"{' '.join(argv)} failed:\n{done.stdout[-4000:]}")
    return done.stdout


class Report:
    """Named checks; prints each and counts them."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def add(self, name, good, detail=""):
        print(f"{'ok  ' if good else 'FAIL'} {name}{': ' + detail if detail else ''}", flush=True)
        if good:
            self.passed += 1
        else:
            self.failed += 1

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed, 0 skipped", flush=True)
        return 1 if self.failed or not self.passed else 0
