# SPDX-License-Identifier: Apache-2.0
"""Many failovers in a row under traffic and rekeys, and the death of both members: what the peer sees of it (N1-N4)."""

import random
import threading
import time

from fixture import setting
from lab import capture as wire
from lab import topology as net
from lab.process import LabError, wait_until
from lab.traffic import Traffic, wait_ping

GROUP = "cluster"

RATE = 500
# How long a pair in sync lives on before the next kill, and strongSwan before its next rekey, at most.
SPREAD_S = 2.5
# Of the rekeys, so many are of the IKE SA.
IKE_REKEYS = 0.25
SETTLE_S = 60
REPLAY_EVERY = 5
REPLAY_SPAN_NS = 500_000_000


class _Rekeys:
    """Lets strongSwan rekey at drawn moments until it is stopped; a rekey that fails is tried again as the next one."""

    def __init__(self, peer, draw):
        self._peer = peer
        self._draw = draw
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(SETTLE_S)

    def _run(self):
        while not self._end.wait(self._draw.random() * SPREAD_S):
            what = ("--ike", "gw") if self._draw.random() < IKE_REKEYS else ("--child", "net")
            self._peer.swanctl("--rekey", *what, check=False)


def _kill(made, draw, number):
    """Kills the active's daemon or machine at a drawn moment and brings it back; returns the moment in ns."""
    made.active, made.standby = made.pair.wait_paired()
    time.sleep(draw.random() * SPREAD_S)
    victim, survivor = made.active, made.standby
    machine = draw.random() < 0.5
    moment = victim.kill_machine() if machine else victim.kill_daemon()
    try:
        made.pair.wait_active(survivor)
        made.pair.rejoin(victim)
    except LabError as problem:
        raise LabError(f"kill {number} ({victim.name}'s {'machine' if machine else 'daemon'}): {problem}") from problem
    return moment


def test_kills_in_a_row_under_traffic_and_rekeys(context):
    """kills in a row, strongSwan rekeying every other second: no IKE_SA_INIT, no nonce twice, nothing accepted twice"""
    draw = random.Random(f"{context.seed}-endurance")
    with setting(context) as made:
        capture = wire.Capture(made.topology, "wan", "peer")
        whole = wire.Capture(made.topology, "peer", "wan0", name="whole", snap=400,
                             expression="udp port 4500 and less 300")
        traffic = Traffic(made.topology, context.program("demo_traffic"), rate=RATE, bulk_mbit=0)
        traffic.start()
        replayed = 0
        with _Rekeys(made.peer, random.Random(f"{context.seed}-rekeys")):
            for number in range(context.repeat):
                moment = _kill(made, draw, number)
                if number % REPLAY_EVERY == 0 or number == context.repeat - 1:
                    replayed += wire.Replayer(made.topology).send(whole, made.topology.mac("peer", "wan0"),
                                                                  moment - REPLAY_SPAN_NS, moment)
        made.active, made.standby = made.pair.wait_paired()
        outcome = traffic.stop()
        capture.stop()
        made.peer.wait_quiet(SETTLE_S)
        made.wait_agreement(made.active, SETTLE_S)
        wait_ping(made.topology)
        esp, ike = capture.read()
        ours = [packet for packet in esp if packet.source == net.VIRTUAL_OUTER]
        exchanges = wire.count_exchanges(ike, traffic.start_ns)
        flows = outcome["flows"]
        print(f"     {context.repeat} kills, {len(ours)} ESP packets from the cluster, {replayed} replayed, exchanges "
              f"{exchanges}, lost " + ", ".join(f"{way} {flow.lost} of {flow.sent}" for way, flow in flows.items()))
        assert exchanges.get("CREATE_CHILD_SA", 0) >= context.repeat // 2, "too few rekeys to prove anything"
        assert not wire.requests(ike, wire.IKE_SA_INIT, traffic.start_ns), "the peer had to begin anew"
        assert wire.nonce_repeats(ours) == 0, f"{wire.nonce_repeats(ours)} nonces twice"
        assert wire.sequence_repeats(ours) == 0, f"{wire.sequence_repeats(ours)} sequence numbers twice"
        assert replayed > 0
        for way, flow in flows.items():
            assert not flow.repeated, f"{way}: {len(flow.repeated)} packets accepted twice"
            assert flow.lost < flow.sent // 2, f"{way}: {flow.lost} of {flow.sent} lost"


def test_death_of_both_members_is_found_by_the_peer(context):
    """both machines killed and restarted: strongSwan's liveness check finds it out and the tunnel comes back"""
    with setting(context, dpd="1s", dpd_action="restart") as made:
        capture = wire.Capture(made.topology, "wan", "peer")
        members = made.pair.members.values()
        began = time.monotonic()
        moment = time.monotonic_ns()
        for member in members:
            member.kill_machine()
        for member in members:
            made.topology.plug(member.name)
            member.start()
        made.pair.wait_paired()
        paired = time.monotonic() - began
        wait_ping(made.topology, SETTLE_S)
        back = time.monotonic() - began
        made.peer.wait_quiet(SETTLE_S)
        made.wait_agreement(made.pair.wait_paired()[0], SETTLE_S)
        capture.stop()
        esp, ike = capture.read()
        print(f"     a new pair after {paired:.1f} s, traffic after {back:.1f} s, exchanges since the deaths "
              f"{wire.count_exchanges(ike, moment)}")
        ours = [packet for packet in esp if packet.source == net.VIRTUAL_OUTER]
        assert wire.nonce_repeats(ours) == 0
        assert wire.requests(ike, wire.IKE_SA_INIT, moment), "nobody authenticated anew: what did the peer use?"
        wait_until(made.pings, 10, "pings both ways")
