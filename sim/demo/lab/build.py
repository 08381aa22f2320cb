# SPDX-License-Identifier: Apache-2.0
"""Sets up what a task needs: Debian packages and programs built with a CMake preset."""

import os
import subprocess
import sys

from .process import LabError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
XRT_TARGETS = ("tandem_xrt_shim", "tandem-kernelcard")
DEMO_TARGETS = ("tandemd", "tandemctl", "tandem-softcard", "demo_traffic")


class OutOfTime(LabError):
    """A build did not end within the time it was given."""


def install(*groups):
    """Installs the Debian packages of the groups where they are missing."""
    done = subprocess.run([os.path.join(ROOT, "host", "packaging", "install-deps"), *groups], stdout=sys.stderr,
                          check=False)
    if done.returncode != 0:
        raise LabError(f"host/packaging/install-deps {' '.join(groups)} failed")


def directory(preset="dev"):
    return os.path.join(ROOT, "build", preset)


def binaries(preset="dev"):
    return os.path.join(directory(preset), "bin")


def build(preset="dev", targets=(), timeout=None):
    """Configures a preset and builds the targets (all when none is named); LabError shows the end of the log."""
    os.makedirs(directory(preset), exist_ok=True)
    path = os.path.join(directory(preset), "build.log")
    commands = [["cmake", "--preset", preset],
                ["cmake", "--build", directory(preset), *(["--target", *targets] if targets else [])]]
    with open(path, "w", encoding="utf-8") as log:
        for command in commands:
            try:
                done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, timeout=timeout,
                                      check=False)
            except subprocess.TimeoutExpired:
                raise OutOfTime(f"{' '.join(command)}: not done in {timeout:.0f} s") from None
            if done.returncode != 0:
                log.flush()
                with open(path, encoding="utf-8", errors="replace") as text:
                    tail = "".join(text.readlines()[-40:])
                raise LabError(f"{' '.join(command)} failed:\n{tail}(whole log: {path})")
    return binaries(preset)
