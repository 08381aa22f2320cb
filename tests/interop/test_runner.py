# SPDX-License-Identifier: Apache-2.0
"""The test runner's arithmetic: what it reads out of a program's output."""

import os
import sys

GROUP = "demo"
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from runner import read_count  # noqa: E402 - found by the line above


def _counted(output, status):
    count = read_count(output, status)
    return count.passed, count.failed, count.skipped


def test_counts_are_read(_):
    """Catch2's summaries, our own summary line and a bare exit status are counted right"""
    assert _counted("All tests passed (31 assertions in 7 test cases)\n", 0) == (7, 0, 0)
    assert _counted("All tests passed (1 assertion in 1 test case)\n", 0) == (1, 0, 0)
    assert _counted("test cases:  5 | 3 passed | 2 failed\nassertions: 9 | 7 passed | 2 failed\n", 2) == (3, 2, 0)
    assert _counted("test cases: 5 | 4 passed | 1 failed as expected\n", 0) == (5, 0, 0)
    assert _counted("noise\n3 passed, 1 failed, 2 skipped\n", 1) == (3, 1, 2)
    assert _counted("done 10000 inputs\n", 0) == (1, 0, 0)


def test_crash_is_never_a_pass(_):
    """a program that ends badly counts as failed, whatever it printed before"""
    assert _counted("", -11) == (0, 1, 0)
    assert _counted("All tests passed (31 assertions in 7 test cases)\n", -6) == (7, 1, 0)
    assert _counted("4 passed, 0 failed, 0 skipped\n", 1) == (4, 1, 0)
