# SPDX-License-Identifier: Apache-2.0
"""SIGKILL to the active's daemon at drawn moments inside IKE exchanges: both ends agree on the SAs afterwards (N4)."""

import random
import time

from fixture import setting
from lab.process import LabError, wait_until
from lab.traffic import wait_ping

GROUP = "cluster"

# Long enough to reach beyond the end of each exchange on a slow machine.
SPREAD_S = {"auth": 0.040, "rekey": 0.030, "delete": 0.030}
# strongSwan gives a request up only after all its retransmissions.
SETTLE_S = 60


def _kill_at(made, delay_s):
    """Kills the active's daemon `delay_s` from now and waits for the standby to take over; returns the survivor."""
    target = time.monotonic() + delay_s
    while time.monotonic() < target:
        pass  # a sleep would round the moment up to the scheduler's tick
    survivor = made.standby
    made.active.kill_daemon()
    made.pair.wait_active(survivor)
    return survivor


def _next_round(made):
    """The killed member rejoins, so that the next kill has a partner to fall back on."""
    made.pair.rejoin(made.active)
    made.active, made.standby = made.pair.wait_paired()


def _rounds(context, kind):
    """Yields a delay per round and names the round in what goes wrong."""
    draw = random.Random(f"{context.seed}-{kind}")
    for number in range(context.repeat):
        yield number, draw.random() * SPREAD_S[kind]


def _describe(kind, number, delay_s, problem):
    return LabError(f"{kind} kill {number} at {delay_s * 1000:.2f} ms: {problem}")


def test_kill_during_auth(context):
    """killed while strongSwan establishes: it finishes with the survivor or tries again, and both then agree"""
    with setting(context, establish=False) as made:
        for number, delay_s in _rounds(context, "auth"):
            try:
                attempt = made.peer.start_swanctl("--initiate", "--child", "net", "--timeout", "20")
                survivor = _kill_at(made, delay_s)
                attempt.wait(30)
                made.peer.wait_quiet(SETTLE_S)
                if not made.peer.sas():
                    made.peer.initiate()
                made.peer.wait_established(SETTLE_S)
                wait_ping(made.topology)
                made.wait_agreement(survivor, SETTLE_S)
                made.peer.swanctl("--terminate", "--ike", "gw", "--timeout", "10")
                made.wait_agreement(survivor)
                _next_round(made)
            except LabError as problem:
                raise _describe("auth", number, delay_s, problem) from problem


def test_kill_during_rekey(context):
    """killed while strongSwan rekeys the CHILD SA: old or new pair, but the same on both ends, and traffic flows"""
    with setting(context) as made:
        for number, delay_s in _rounds(context, "rekey"):
            try:
                before = made.peer.spis()
                rekey = made.peer.start_swanctl("--rekey", "--child", "net")
                survivor = _kill_at(made, delay_s)
                rekey.wait(20)
                made.peer.wait_quiet(SETTLE_S)
                made.wait_agreement(survivor, SETTLE_S)
                assert [sa[:2] for sa in made.peer.spis()] == [sa[:2] for sa in before], "the IKE SA was replaced"
                wait_ping(made.topology)
                _next_round(made)
            except LabError as problem:
                raise _describe("rekey", number, delay_s, problem) from problem


def test_kill_during_delete(context):
    """killed while strongSwan deletes the IKE SA: afterwards neither end holds it, and a new one can be made"""
    with setting(context) as made:
        for number, delay_s in _rounds(context, "delete"):
            try:
                delete = made.peer.start_swanctl("--terminate", "--ike", "gw", "--timeout", "20")
                survivor = _kill_at(made, delay_s)
                delete.wait(30)
                wait_until(lambda: not made.peer.sas(), SETTLE_S, "strongSwan's SAs to go", interval=0.2)
                made.wait_agreement(survivor, SETTLE_S)
                _next_round(made)
                made.establish()
            except LabError as problem:
                raise _describe("delete", number, delay_s, problem) from problem
