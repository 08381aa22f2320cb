# SPDX-License-Identifier: Apache-2.0
"""A pair with a real etcd as its witness: whatever is cut, exactly one member speaks ESP, as captured on the wire (N7)."""

import time
from contextlib import contextmanager

from fixture import Setting
from lab import capture as wire
from lab import strongswan
from lab import topology as net
from lab import witness
from lab.appliance import Pair
from lab.process import wait_until
from lab.traffic import Traffic, wait_ping

GROUP = "cluster"
WATCH_S = 2.0
# A virtual machine under load: the lab's lease and takeover, four times.
PATIENCE = 4


@contextmanager
def _witnessed(context):
    """A pair in sync with traffic both ways and a capture of the peer's port; yields (setting, etcd, check)."""
    context.need_pair()
    with net.Topology(witness=True) as topology:
        etcd = witness.Etcd(topology)
        etcd.start()
        pair = Pair(topology, context.binaries, extra_ha=witness.configuration(), patience=PATIENCE)
        pair.start()
        peer = strongswan.peer(topology, pair.psk)
        peer.start()
        made = Setting(topology, pair, peer)
        made.active, made.standby = pair.wait_paired()
        made.establish()
        wait_until(lambda: _owner(made.active) == (1, "paired"), 10, "the witness to name the pair's active")
        capture = wire.Capture(topology, "wan", "peer")
        traffic = Traffic(topology, context.program("demo_traffic"), rate=500, bulk_mbit=0)
        traffic.start()
        time.sleep(0.5)

        def check(speakers):
            """Ends traffic and capture; `speakers`: the members that spoke, one after the other, never two at a time."""
            outcome = traffic.stop()
            capture.stop()
            esp, _ = capture.read()
            spoken = [packet for packet in esp if packet.source == net.VIRTUAL_OUTER]
            macs = {topology.mac(member.name, "outer"): member.name for member in pair.members.values()}
            turns = []
            for packet in spoken:
                name = macs.get(packet.mac, packet.mac)
                if not turns or turns[-1] != name:
                    turns.append(name)
            assert turns == speakers, f"ESP was spoken by {turns}, not by {speakers}"
            assert not wire.nonce_repeats(spoken) and not wire.sequence_repeats(spoken)
            assert all(flow.duplicated == 0 for flow in outcome["flows"].values())
        yield made, etcd, check


def _owner(member):
    owner = (member.ha().get("witness") or {}).get("owner") or {}
    return owner.get("member"), owner.get("state")


def _cut_pair(topology, state):
    topology.ip("a", "link", "set", "dev", "sync", state)


def test_cut_between_the_members(context):
    """sync link cut, both reach the witness: the active goes on alone, no lease lapses, the standby stays silent; healed: a pair"""
    with _witnessed(context) as (made, _, check):
        _cut_pair(made.topology, "down")
        wait_until(lambda: made.active.ha().get("solo") and _owner(made.active) == (1, "solo"), 10, "the active alone")
        time.sleep(WATCH_S)
        assert made.standby.ha()["role"] == "standby"
        _cut_pair(made.topology, "up")
        made.pair.wait_paired()
        assert made.active.ha()["role"] == "active" and made.active.ha()["heartbeat"]["lapses"] == 0
        wait_until(lambda: _owner(made.active) == (1, "paired"), 10, "the key to say paired again")
        check(["a"])


def test_active_cut_from_partner_and_witness(context):
    """the active reaches neither partner nor witness: it falls silent, the standby takes over; healed: it joins as standby"""
    with _witnessed(context) as (made, etcd, check):
        _cut_pair(made.topology, "down")
        etcd.cut("a")
        made.pair.wait_active(made.standby)
        time.sleep(WATCH_S)
        assert made.active.ha()["lease_left_ms"] is None or made.active.ha()["lease_left_ms"] < 0
        etcd.mend("a")
        _cut_pair(made.topology, "up")
        active, _ = made.pair.wait_paired()
        assert active is made.standby
        wait_ping(made.topology)
        check(["a", "b"])


def test_standby_cut_from_the_witness(context):
    """sync link cut and the standby's way to the witness too: it does not take over; when the active dies, it still may not"""
    with _witnessed(context) as (made, etcd, check):
        etcd.cut("b")
        _cut_pair(made.topology, "down")
        time.sleep(WATCH_S)
        assert made.standby.ha()["role"] == "standby" and made.active.ha()["role"] == "active"
        made.active.kill_daemon()
        time.sleep(WATCH_S)
        assert made.standby.ha()["role"] == "standby"
        etcd.mend("b")
        # The dead active's ownership says solo: it expires, then the standby serves, without the SAs.
        made.pair.wait_active(made.standby, timeout=20)
        check(["a"])


def test_dead_active_with_a_witness(context):
    """the active dies: the standby claims the ownership and keeps the SAs"""
    with _witnessed(context) as (made, _, check):
        before = made.peer.spis()
        made.active.kill_machine()
        made.pair.wait_active(made.standby)
        wait_ping(made.topology)
        assert made.peer.spis() == before
        assert _owner(made.standby) == (2, "solo")
        check(["a", "b"])


def test_dead_witness_stops_no_healthy_pair(context):
    """etcd dies and comes back: the pair goes on, by a planned takeover too; no lease lapses"""
    with _witnessed(context) as (made, etcd, check):
        etcd.process.kill()
        wait_until(lambda: not made.active.ha()["witness"]["reachable"], 10, "the loss of the witness to be seen")
        # Longer than the ownership lives without renewal.
        time.sleep(5)
        assert made.active.ha()["role"] == "active" and made.standby.ha()["in_sync"]
        made.standby.command("takeover")
        made.pair.wait_active(made.standby)
        etcd.start()
        wait_until(lambda: _owner(made.standby) == (2, "paired"), 20, "the witness to name the new active")
        assert all(member.ha()["heartbeat"]["lapses"] == 0 for member in made.pair.members.values())
        check(["a", "b"])


def test_witness_over_tls(context):
    """etcd speaks TLS and demands client certificates: a member without one has no witness and does not take over; with one
    it claims the ownership when the active dies"""
    context.need_pair()
    with net.Topology(witness=True) as topology:
        etcd = witness.Etcd(topology, secured=True)
        etcd.start()
        extra = {"a": witness.configuration(**etcd.credentials()),
                 "b": witness.configuration(**etcd.credentials(client=False))}
        pair = Pair(topology, context.binaries, extra_ha=extra, patience=PATIENCE)
        a, b = pair.members["a"], pair.members["b"]
        pair.start()
        peer = strongswan.peer(topology, pair.psk)
        peer.start()
        made = Setting(topology, pair, peer)
        made.establish()
        before = peer.spis()
        wait_until(lambda: _owner(a) == (1, "paired"), 10, "the witness to name the pair's active")
        view = b.ha()["witness"]
        assert not view["reachable"] and view["owner"] is None and view["failures"] > 0, view
        b.daemon.stop()
        with open(b.configuration, encoding="utf-8") as source:
            text = source.read()
        with open(b.configuration, "w", encoding="utf-8") as target:
            target.write(text.replace(extra["b"], extra["a"]))
        b.start()
        pair.wait_paired()
        wait_until(lambda: b.ha()["witness"]["reachable"], 10, "b to reach its witness")
        wait_until(lambda: _owner(a) == (1, "paired"), 10, "the key to say paired again")
        a.kill_machine()
        pair.wait_active(b)
        wait_ping(topology)
        assert peer.spis() == before and _owner(b) == (2, "solo")
