# SPDX-License-Identifier: Apache-2.0
"""Rolling upgrade with real processes: one member of the next or of the previous schema version, failover both ways under
traffic. tandemd_next and tandemd_previous (mixed_session.cpp) are the daemon with other words on the sync channel."""

import time

from fixture import setting
from lab import capture as wire
from lab import topology as net
from lab.process import wait_until
from lab.traffic import Traffic, wait_ping

GROUP = "cluster"
PATIENCE = 4


def _versions(member):
    view = member.ha()
    return view["schema_version"], view["partner"]["schema_version"], view["mixed_versions"]


def _fail_over_both_ways(context, program, version):
    """b restarted as `program`: `version` is announced; planned takeover there, machines dead both ways, same SPIs"""
    context.program(program)
    with setting(context, patience=PATIENCE) as made:
        a, b = made.active, made.standby
        before = made.peer.spis()
        own = a.ha()["schema_version"]
        assert _versions(a) == (own, own, False)
        capture = wire.Capture(made.topology, "wan", "peer")
        traffic = Traffic(made.topology, context.program("demo_traffic"), rate=200, bulk_mbit=0)
        traffic.start()

        # The standby is upgraded (or back) first, as an operator would.
        b.daemon.stop()
        b.daemon_program = program
        b.start()
        made.pair.wait_paired()
        assert _versions(a) == (own, own + version, True), a.ha()
        assert "what both know is used" in a.daemon.output()
        a.command("takeover")
        made.pair.wait_active(b)
        made.pair.wait_paired()
        wait_ping(made.topology)
        assert made.peer.spis() == before
        # A change of state that the other version must carry.
        made.peer.swanctl("--rekey", "--child", "net")
        wait_until(lambda: made.peer.spis() != before, 10, "the peer's rekey")
        made.peer.wait_quiet()
        made.wait_agreement(b)
        rekeyed = made.peer.spis()

        b.kill_machine()
        made.pair.wait_active(a)
        wait_ping(made.topology)
        assert made.peer.spis() == rekeyed
        made.pair.rejoin(b)
        time.sleep(1)
        a.kill_machine()
        made.pair.wait_active(b)
        wait_ping(made.topology)
        assert made.peer.spis() == rekeyed
        made.pair.rejoin(a)
        outcome = traffic.stop()
        capture.stop()
        esp, _ = capture.read()
        spoken = [packet for packet in esp if packet.source == net.VIRTUAL_OUTER]
        assert not wire.nonce_repeats(spoken) and not wire.sequence_repeats(spoken)
        assert all(flow.duplicated == 0 for flow in outcome["flows"].values())


def test_partner_of_the_next_version(context):
    """a member of the next schema version, with fields that nobody knows yet: a pair, failover both ways under traffic"""
    _fail_over_both_ways(context, "tandemd_next", 1)


def test_partner_of_the_previous_version(context):
    """a member of the previous schema version, without what version 2 added: a pair, failover both ways under traffic"""
    _fail_over_both_ways(context, "tandemd_previous", -1)
