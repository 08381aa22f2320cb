# SPDX-License-Identifier: Apache-2.0
"""Planned takeovers under load: no packet is lost, none accepted twice, in either direction."""

import random
import time

from fixture import fast_setting
from lab.process import wait_until
from lab.traffic import Traffic

GROUP = "cluster"
# Each way: 10,000 packets/s go through the pair, about half of what the lab's virtual wires carry here without backlog.
RATE = 5_000
ROUNDS_MAX = 3
# Between two takeovers, at most.
SPREAD_S = 1.0


def _round(made, program, takeovers, draw, rate):
    """Traffic during so many takeovers; returns its flows and what the cards counted."""
    traffic = Traffic(made.topology, program, rate=rate, bulk_mbit=0)
    traffic.start()
    for _ in range(takeovers):
        made.active, made.standby = made.pair.wait_paired()
        time.sleep(draw.random() * SPREAD_S)
        made.standby.command("takeover")
        made.pair.wait_active(made.standby)
    made.pair.wait_paired()
    wait_until(made.pings, 10, "pings both ways")
    flows = traffic.stop()["flows"]
    print(f"     {takeovers} takeovers: " + ", ".join(
        f"{way} {flow.lost} of {flow.sent} lost, {len(flow.repeated)} twice" for way, flow in flows.items()))
    return flows


def planned_takeovers(context, rate, **setting):
    """Rounds of planned takeovers at `rate` packets/s each way, until one lost nothing; none may accept one twice."""
    draw = random.Random(f"{context.seed}-hitless")
    with fast_setting(context, **setting) as made:
        # A machine that is busy elsewhere loses packets in the lab's wires too: one round of three has to be clean. A
        # takeover that is not hitless loses in every one.
        for _ in range(ROUNDS_MAX):
            flows = _round(made, context.program("demo_traffic"), 2 * max(1, context.repeat), draw, rate)
            for way, flow in flows.items():
                assert flow.sent > rate // 2, f"{way}: too little traffic to prove anything"
                assert not flow.repeated, f"{way}: {len(flow.repeated)} packets accepted twice"
            if not any(flow.lost for flow in flows.values()):
                return
        cards = {member.name: {name: count for name, count in member.control("counters")["card"].items() if count}
                 for member in made.pair.members.values()}
        raise AssertionError(f"packets lost in every round; cards {cards}")


def test_planned_takeovers_under_load_lose_nothing(context):
    """10,000 packets/s through the pair, the service goes over and back: every packet arrives, once"""
    planned_takeovers(context, RATE)
