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
# Between two takeovers, at most.
SPREAD_S = 1.0


def test_planned_takeovers_under_load_lose_nothing(context):
    """10,000 packets/s through the pair, the service goes over and back: every packet arrives, once"""
    draw = random.Random(f"{context.seed}-hitless")
    with fast_setting(context) as made:
        traffic = Traffic(made.topology, context.program("demo_traffic"), rate=RATE, bulk_mbit=0)
        traffic.start()
        takeovers = 2 * max(1, context.repeat)
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
        drops = {member.name: {name: count for name, count in member.control("counters")["card"].items() if count}
                 for member in made.pair.members.values()}
        for way, flow in flows.items():
            assert flow.sent > RATE, f"{way}: too little traffic to prove anything"
            assert not flow.lost, f"{way}: {flow.lost} of {flow.sent} lost; cards {drops}"
            assert not flow.repeated, f"{way}: {len(flow.repeated)} packets accepted twice"
