# SPDX-License-Identifier: Apache-2.0
"""The experiment measures right: a plain strongSwan stands where the pair will stand, and its faults are known."""

import os
import secrets
import signal
import time

from harness import Skip
from lab.failover import Experiment, Options
from lab.strongswan import PlainGateway

GROUP = "demo"


class _Gateway:
    """Looks like a member of a pair; "killing" it freezes it for a while, so that the truth is known."""

    name = "a"
    card = None

    def __init__(self, topology, psk, freeze_s):
        self._plain = PlainGateway(topology, psk)
        self._freeze_s = freeze_s

    @property
    def daemon(self):
        return self._plain.charon.process

    def start(self):
        self._plain.start()

    def ha(self):
        return {"role": "active", "detection_ms": 50, "reservation_block": {"in": 20, "out": 20}, "simulated": True}

    def kill_daemon(self):
        moment = time.monotonic_ns()
        self.daemon.deliver(signal.SIGSTOP)
        time.sleep(self._freeze_s)
        self.daemon.deliver(signal.SIGCONT)
        return moment


class _Alone:
    """Looks like a pair."""

    def __init__(self, topology, freeze_s):
        self.psk = secrets.token_hex(8)
        self._gateway = _Gateway(topology, self.psk, freeze_s)
        self.members = {}

    def start(self):
        self._gateway.start()

    def wait_paired(self):
        return self._gateway, self._gateway

    def wait_active(self, member):
        return member.ha()


def _run(context, freeze_s):
    if os.geteuid() != 0:
        raise Skip("needs root")
    context.program("demo_traffic")
    options = Options(context.binaries, context.seed, "daemon", save_logs=False)
    result = Experiment(options, make_pair=lambda topology, _binaries, _crypto, driver: _Alone(topology, freeze_s)).run()
    return result, {claim["claim"]: claim for claim in result["claims"]}


def _verdict(claims, part):
    found = [claim for text, claim in claims.items() if part in text]
    assert len(found) == 1, (part, list(claims))
    return found[0]


def test_frozen_gateway_is_measured(context):
    """a gateway that sleeps for 40 ms shows a blackout of 40 ms, keeps its SAs, and lacks only the takeover"""
    result, claims = _run(context, 0.040)
    for way in ("in", "out"):
        assert 38 <= result["blackout_ms"][way] <= 60, result["blackout_ms"]
        assert _verdict(claims, f"blackout {way}")["ok"], claims
        assert result["sent"][way] > 3000, result["sent"]
    for part in ("TCP transfer", "same IKE", "IKE_SA_INIT", "nonce", "only go forward", "accepted twice", "capture"):
        assert _verdict(claims, part)["ok"], _verdict(claims, part)
    assert result["replayed"] > 50, result["replayed"]
    # Nobody took over: the experiment must not call that a success.
    assert not _verdict(claims, "survivor sends")["ok"] and not result["passed"]


def test_long_sleep_breaks_the_claim(context):
    """a gateway that sleeps for 150 ms fails the claims on the blackout and nothing that it did not break"""
    result, claims = _run(context, 0.150)
    for way in ("in", "out"):
        assert result["blackout_ms"][way] >= 145, result["blackout_ms"]
        assert not _verdict(claims, f"blackout {way}")["ok"]
    assert _verdict(claims, "same IKE")["ok"] and _verdict(claims, "TCP transfer")["ok"]
