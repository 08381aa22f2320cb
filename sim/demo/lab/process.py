# SPDX-License-Identifier: Apache-2.0
"""Child processes with a log file each, ended by their process id and never by name."""

import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something that the lab needs did not happen: the message says what and where to look."""


def _die_with_parent():
    # A lab that is killed outright must not leave daemons behind.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def run(argv, check=True, timeout=30, **options):
    """Runs a short command to its end and returns its standard output as text."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          timeout=timeout, text=True, **options)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def wait_until(condition, timeout, what, interval=0.02):
    """Polls `condition` until it is true and returns its value; LabError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout:g} s in vain: {what}")
        time.sleep(interval)


class Process:
    """One child process; its standard output and error go to `log`."""

    def __init__(self, name, argv, log, namespace=None, environment=None):
        self.name = name
        self.log = log
        if namespace:
            argv = ["ip", "netns", "exec", namespace, *argv]
        with open(log, "ab") as sink:
            self._offset = sink.tell()
            self._child = subprocess.Popen(argv, stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                           start_new_session=True, preexec_fn=_die_with_parent,
                                           env={**os.environ, **(environment or {})})

    @property
    def pid(self):
        return self._child.pid

    def alive(self):
        return self._child.poll() is None

    def output(self):
        """What this start of the process has written so far."""
        with open(self.log, "rb") as source:
            source.seek(self._offset)
            return source.read().decode(errors="replace")

    def wait_line(self, line, timeout):
        """Waits until the process has written `line` alone on a line."""
        def ready():
            if line in self.output().splitlines():
                return True
            if not self.alive():
                raise LabError(f"{self.name} ended with status {self._child.returncode} before '{line}': "
                               f"{self.output()[-800:].strip()} (log: {self.log})")
            return False
        wait_until(ready, timeout, f"'{line}' from {self.name} (log: {self.log})")

    def deliver(self, number):
        if self.alive():
            os.kill(self._child.pid, number)

    def wait(self, timeout):
        """Waits for the end of the process and returns its exit status; None when it is still running."""
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        """SIGKILL, and waits for the end."""
        self.deliver(signal.SIGKILL)
        self._child.wait()

    def stop(self, timeout=5, number=signal.SIGTERM):
        """Asks the process to end, kills it when it has not within `timeout`; returns its exit status."""
        self.deliver(number)
        if self.wait(timeout) is None:
            self.kill()
        return self._child.returncode
