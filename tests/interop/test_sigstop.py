# SPDX-License-Identifier: Apache-2.0
"""A paused appliance (SIGSTOP to daemon and card): its lease has run out when it wakes, so it says nothing (N7)."""

import os
import signal
import time

from fixture import setting
from lab import capture as wire
from lab.process import wait_until
from lab.traffic import Traffic

GROUP = "cluster"
PAUSE_S = 1.0
WATCH_S = 3.0


def _pause_and_wake(context, freeze):
    with setting(context) as made:
        paused, other = made.active, made.standby
        before = made.peer.spis()
        # The paused member's own port: what it says is seen there whoever it is addressed to.
        capture = wire.Capture(made.topology, "wan", paused.name, name="port", expression="ip or arp")
        own_mac = made.topology.mac(paused.name, "outer")
        traffic = Traffic(made.topology, context.program("demo_traffic"), bulk_mbit=0)
        traffic.start()
        time.sleep(0.5)
        frozen = freeze(paused)
        for process in frozen:
            process.deliver(signal.SIGSTOP)
        made.pair.wait_active(other)
        time.sleep(PAUSE_S)
        woken_ns = time.monotonic_ns()
        for process in frozen:
            process.deliver(signal.SIGCONT)
        time.sleep(WATCH_S)
        capture.stop()
        outcome = traffic.stop()
        esp, ike = capture.read()
        spoken = [packet for packet in esp if packet.time_ns > woken_ns and packet.mac == own_mac]
        assert [packet for packet in esp if packet.time_ns < woken_ns and packet.mac == own_mac], "nothing seen before"
        assert not spoken, f"{len(spoken)} ESP packets after waking, the first {spoken[0]}"
        talk = [message for message in ike if message.time_ns > woken_ns and message.mac == own_mac]
        assert not talk, f"IKE after waking: {talk[:3]}"
        wait_until(lambda: paused.ha().get("role") == "standby" and paused.ha().get("in_sync"), 20,
                   f"{paused.name} to join as standby (log: {paused.daemon.log})")
        for way, flow in outcome["flows"].items():
            assert flow.duplicated == 0, (way, flow.duplicated)
        assert made.peer.spis() == before
        assert made.pings()


def test_paused_machine_is_silent_when_it_wakes(context):
    """daemon and card paused for 1 s: the standby took over, the woken one sends no ESP or IKE and joins as standby"""
    _pause_and_wake(context, lambda member: [member.daemon, member.card])


def test_paused_daemon_is_silent_when_it_wakes(context):
    """only the daemon paused for 1 s: the card's lease ends its speech, the woken daemon joins as standby"""
    _pause_and_wake(context, lambda member: [member.daemon])


def test_hung_daemon_is_taken_over_from(context):
    """a daemon whose main loop waits for a disk without end, its heartbeats alive: the standby takes over with all SAs"""
    with setting(context) as made:
        hung, other = made.active, made.standby
        before = made.peer.spis()
        # Opening a FIFO that nobody reads waits like a file on a disk that does not answer.
        note = os.path.join(hung.folder, "state", "maintenance")
        os.mkfifo(note)
        hung.control("maintenance", "on", timeout=1)
        made.pair.wait_active(other, timeout=20)
        assert made.pings()
        assert made.peer.spis() == before
        with open(note, "rb"):
            wait_until(lambda: hung.ha().get("role") == "standby" and hung.ha().get("in_sync"), 20,
                       f"{hung.name} to join as standby (log: {hung.daemon.log})")
        assert "held up" in hung.daemon.output()
        assert made.pings()


def test_hung_card_is_taken_over_from(context):
    """a card whose process stands still under a healthy daemon: the daemon gives it up, the standby takes over"""
    with setting(context) as made:
        hung, other = made.active, made.standby
        before = made.peer.spis()
        hung.card.deliver(signal.SIGSTOP)
        try:
            made.pair.wait_active(other, timeout=20)
            assert made.pings()
            assert made.peer.spis() == before
            assert hung.daemon.wait(20) == 1
            assert "does not react" in hung.daemon.output()
        finally:
            hung.card.deliver(signal.SIGCONT)
        assert made.pings()
