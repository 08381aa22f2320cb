# SPDX-License-Identifier: Apache-2.0
"""Both members of the pair die; a Tandem gateway as their peer comes back by IKE_SESSION_RESUME (RFC 5723, 6290)."""

import time

from lab import topology as net
from lab.appliance import Pair
from lab.capture import EXCHANGES, IKE_SA_INIT, Capture
from lab.process import wait_until
from lab.tandem_peer import TandemPeer
from lab.traffic import wait_ping

GROUP = "cluster"
IKE_SESSION_RESUME = 38


def _spis(member):
    """The IKE SPIs that a member lists with a child, as (spi_i, spi_r)."""
    return {(sa["spi_i"], sa["spi_r"]) for sa in member.control("sa", "list") or [] if sa["children"]}


def _begun(capture, since_ns):
    """The exchanges requested since then."""
    return [record.exchange for record in capture.read()[1] if record.time_ns > since_ns and not record.response]


def _both_die(context, resume):
    """Establishes, kills both daemons at once, starts both again; returns the exchanges requested since the kill."""
    with net.Topology(far=True) as topology:
        pair = Pair(topology, context.binaries)
        pair.start()
        peer = TandemPeer(topology, context.binaries, extra=f"liveness_s = 1\nresume = {str(resume).lower()}\n")
        peer.start()
        peer.initiate()
        peer.wait_established(20)
        wait_ping(topology)
        active, _ = pair.wait_paired()
        wait_until(lambda: _spis(peer) and _spis(peer) == _spis(active), 10, "both ends to list the same IKE SA")
        before = _spis(peer)
        capture = Capture(topology, "wan", "peer", expression="udp port 500 or udp port 4500")
        killed_ns = time.monotonic_ns()
        for member in pair.members.values():
            member.kill_daemon()
        for member in pair.members.values():
            member.start_daemon()
        active, standby = pair.wait_paired(30)
        paired_ns = time.monotonic_ns()
        wait_until(lambda: _spis(peer) and not _spis(peer) & before and _spis(peer) == _spis(active) == _spis(standby),
                   60, f"the peer to be back (logs: {peer.daemon.log}, {active.daemon.log})", interval=0.05)
        back_ns = time.monotonic_ns()
        wait_ping(topology)
        capture.stop()
        begun = _begun(capture, killed_ns)
    print(f"  killed to paired {(paired_ns - killed_ns) / 1e9:.1f} s, to the peer back {(back_ns - killed_ns) / 1e9:.1f} s; "
          f"requests: {[EXCHANGES.get(exchange, str(exchange)) for exchange in begun]}", flush=True)
    return begun


def test_both_members_die(context):
    """both members killed and started again: the peer resumes by its ticket, nobody begins an IKE_SA_INIT"""
    context.need_pair()
    begun = _both_die(context, resume=True)
    assert IKE_SESSION_RESUME in begun, begun
    assert IKE_SA_INIT not in begun, begun


def test_both_members_die_without_tickets(context):
    """the same with tickets switched off: the crash token brings the peer back, by a new IKE_SA_INIT"""
    context.need_pair()
    begun = _both_die(context, resume=False)
    assert IKE_SESSION_RESUME not in begun, begun
    assert IKE_SA_INIT in begun, begun
