# SPDX-License-Identifier: Apache-2.0
"""IKEv2 between strongSwan as initiator and one active member: life of an SA without any failure."""

import time

from fixture import setting
from lab import capture as wire
from lab import strongswan
from lab import topology as net
from lab.process import wait_until

GROUP = "interop"


def _children(made):
    return [child for sa in made.peer.sas() for child in sa["children"] if child["state"] == "INSTALLED"]


def test_establish_and_ping(context):
    """strongSwan establishes IKE and CHILD SA with a PSK, both ends list the same SPIs, pings cross both ways"""
    with setting(context) as made:
        assert made.pings(5)
        made.wait_agreement(made.active, 5)
        made.wait_agreement(made.standby, 5)


def test_wrong_psk_is_refused(context):
    """a peer with another PSK gets no SA and leaves none behind"""
    with setting(context, establish=False) as made:
        made.peer.process.stop()
        stranger = strongswan.peer(made.topology, "not the shared secret")
        stranger.start()
        stranger.initiate(timeout=4, check=False)
        assert not stranger.sas(), stranger.sas()
        wait_until(lambda: not made.pair.members["a"].control("sa", "list") or
                   not made.agreement(made.active), 10, "the half-open SA to vanish at the gateway")


def test_rekey_child(context):
    """strongSwan rekeys the CHILD SA: new ESP SPIs, same IKE SA, the old pair is deleted, traffic goes on"""
    with setting(context) as made:
        before = made.peer.spis()
        old = _children(made)[0]
        made.peer.swanctl("--rekey", "--child", "net")
        wait_until(lambda: [child for child in _children(made) if child["spi_in"] != old["spi_in"]], 10,
                   "a new CHILD SA")
        made.peer.wait_quiet()
        wait_until(lambda: len(_children(made)) == 1, 15, "the old CHILD SA to go")
        after = made.peer.spis()
        assert [sa[:2] for sa in after] == [sa[:2] for sa in before] and after != before, (before, after)
        assert made.pings(5)
        made.wait_agreement(made.active)
        made.wait_agreement(made.standby)


def test_rekey_ike(context):
    """strongSwan rekeys the IKE SA: new IKE SPIs, the CHILD SA moves over unchanged, traffic goes on"""
    with setting(context) as made:
        before = made.peer.spis()
        made.peer.swanctl("--rekey", "--ike", "gw")
        wait_until(lambda: made.peer.spis() and made.peer.spis()[0][:2] != before[0][:2], 10, "a new IKE SA")
        made.peer.wait_quiet()
        after = made.peer.spis()
        assert len(after) == 1 and after[0][2] == before[0][2], (before, after)
        assert made.pings(5)
        made.wait_agreement(made.active)
        made.wait_agreement(made.standby)


def test_delete_by_peer(context):
    """strongSwan deletes the IKE SA: nothing is left at either member, and it can be established again"""
    with setting(context) as made:
        made.peer.swanctl("--terminate", "--ike", "gw", "--timeout", "10")
        assert not made.peer.sas(), made.peer.sas()
        for member in (made.active, made.standby):
            made.wait_agreement(member, 10)
        made.establish()
        assert made.pings()


def test_delete_by_gateway(context):
    """the gateway takes the SA down on command: strongSwan answers and holds no SA"""
    with setting(context) as made:
        made.active.command("down", "peer")
        wait_until(lambda: not made.peer.sas(), 10, "strongSwan's SAs to go")
        made.wait_agreement(made.active, 10)


def _rekeyed_by_gateway(context, choose):
    """Orders the gateway to rekey what `choose(sa)` names; returns the peer's SPIs before and after."""
    with setting(context) as made:
        before = made.peer.spis()
        made.active.command("rekey", choose(made.active.control("sa", "list")[0]))
        wait_until(lambda: made.peer.spis() != before, 10, "new SPIs at strongSwan")
        made.peer.wait_quiet()
        wait_until(lambda: len(_children(made)) == 1, 15, "the old SA to go")
        assert made.pings(5)
        made.wait_agreement(made.active)
        made.wait_agreement(made.standby)
        return before, made.peer.spis()


def test_rekey_child_by_gateway(context):
    """the gateway rekeys the CHILD SA on command: strongSwan follows, the IKE SA stays, traffic goes on"""
    before, after = _rekeyed_by_gateway(context, lambda sa: sa["children"][0]["spi_in"])
    assert [sa[:2] for sa in after] == [sa[:2] for sa in before] and after != before, (before, after)


def test_rekey_ike_by_gateway(context):
    """the gateway rekeys the IKE SA on command: strongSwan follows, the CHILD SA moves over unchanged"""
    before, after = _rekeyed_by_gateway(context, lambda sa: sa["peer"])
    assert len(after) == 1 and after[0][2] == before[0][2] and after[0][:2] != before[0][:2], (before, after)


def test_dead_peer_detection(context):
    """strongSwan's liveness checks are answered: the SA lives through an idle time of several checks"""
    with setting(context, dpd="1s", dpd_action="clear") as made:
        before = made.peer.spis()
        capture = wire.Capture(made.topology, "wan", "peer", name="dpd")
        began = time.monotonic_ns()
        time.sleep(6)
        capture.stop()
        _, ike = capture.read()
        asked = [message for message in wire.requests(ike, 37, began) if message.source == net.PEER_OUTER]
        answered = {message.message_id for message in ike if message.response and message.exchange == 37}
        assert len(asked) >= 3, f"strongSwan asked only {len(asked)} times"
        assert {message.message_id for message in asked[:-1]} <= answered, (asked, answered)
        # A takeover meanwhile, by a machine that stalled, costs an idle SA its first packets (N3), but no SA.
        wait_until(made.pings, 10, "pings both ways")
        assert made.peer.spis() == before


def test_planned_takeover(context):
    """an ordered takeover moves the SAs to the standby: same SPIs at the peer, pings go on"""
    with setting(context) as made:
        before = made.peer.spis()
        made.standby.command("takeover")
        made.pair.wait_active(made.standby)
        made.pair.wait_paired()
        assert made.pings(5)
        assert made.peer.spis() == before
        made.wait_agreement(made.standby)
