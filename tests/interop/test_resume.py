# SPDX-License-Identifier: Apache-2.0
"""Both members of the pair die; a Tandem gateway as their peer comes back by IKE_SESSION_RESUME (RFC 5723, 6290)."""

import os
import time

from lab import topology as net
from lab.appliance import TAP_INNER, TAP_OUTER, Member, Pair
from lab.capture import EXCHANGES, IKE_SA_INIT, Capture
from lab.process import wait_until

GROUP = "cluster"
IKE_SESSION_RESUME = 38

_PEER = """# The peer, written by the test: a member whose partner never comes.
[member]
name = "peer"
id = 1
state_dir = "{folder}/state"
control_socket = "{folder}/control.sock"

[card]
driver = "soft"
socket = "{folder}/card.sock"

[outer]
tap = "{tap_outer}"
member_address = "10.9.1.11/24"
virtual_address = "{peer_outer}/24"

[inner]
tap = "{tap_inner}"
member_address = "10.9.4.11/24"
virtual_address = "{peer_inner}/24"

[ha]
partner_id = 2
listen = "127.0.0.1:7001"
partner = "127.0.0.2:7001"
heartbeat_local = "127.0.0.1:7002"
heartbeat_partner = "127.0.0.2:7002"
# It is not what is tested: its own lease must not get in the way.
lease_ms = 10000
takeover_ms = 20000
startup_wait_ms = 100
ca = "{keys}/ca.pem"
certificate = "{keys}/a.pem"
key = "{keys}/a.key"
partner_name = "b"

[[peer]]
name = "gw"
local_id = "peer.example"
remote_id = "gw.example"
psk_file = "{keys}/psk"
address = "{gateway}"
liveness_s = 1
resume = {resume}

[[peer.child]]
name = "net"
local_ts = ["{peer_net}"]
remote_ts = ["{host_net}"]
esp = ["aes128gcm16"]
start = true
"""


class _Peer(Member):
    """One tandemd with its card in the peer's namespace."""

    def __init__(self, topology, binaries, resume):  # pylint: disable=super-init-not-called - another configuration
        self.name = "peer"
        self._topology = topology
        self._binaries = binaries
        self._crypto = "native"
        self._slots = None
        self._ports = ("outer", "inner")
        self.card = self.daemon = None
        self.folder = os.path.dirname(topology.path("peer", "state", "x"))[:-len("/state")]
        self.configuration = os.path.join(self.folder, "tandem.toml")
        with open(self.configuration, "w", encoding="utf-8") as target:
            target.write(_PEER.format(
                folder=self.folder, keys=os.path.dirname(topology.path("keys", "x")), tap_outer=TAP_OUTER,
                tap_inner=TAP_INNER, peer_outer=net.PEER_OUTER, peer_inner=net.PEER_INNER, gateway=net.VIRTUAL_OUTER,
                peer_net=net.PEER_NET, host_net=net.HOST_NET, resume=str(resume).lower()))
        for old, new in (("wan0", "outer"), ("net0", "inner")):
            # The ports are the card's: the kernel must neither answer nor speak on them.
            topology.ip("peer", "address", "flush", "dev", old)
            topology.ip("peer", "link", "set", "dev", old, "down")
            topology.ip("peer", "link", "set", "dev", old, "name", new)
            topology.run("peer", ["sh", "-c", f"echo 8 > /proc/sys/net/ipv4/conf/{new}/arp_ignore"])
            topology.ip("peer", "link", "set", "dev", new, "up")


def _spis(member):
    """The IKE SPIs that a member lists with a child, as (spi_i, spi_r)."""
    return {(sa["spi_i"], sa["spi_r"]) for sa in member.control("sa", "list") or [] if sa["children"]}


def _both_die(context, resume):
    """Establishes, kills both daemons at once, starts both again; returns the exchanges requested since the kill."""
    with net.Topology() as topology:
        pair = Pair(topology, context.binaries)
        pair.start()
        peer = _Peer(topology, context.binaries, resume)
        peer.start()
        wait_until(lambda: _spis(peer), 20, f"the peer to be connected (log: {peer.daemon.log})")
        active, _ = pair.wait_paired()
        before = _spis(peer)
        assert before == _spis(active), f"{before} at the peer, {_spis(active)} at the active"
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
        capture.stop()
        _, ike = capture.read()
    begun = [record.exchange for record in ike if record.time_ns > killed_ns and not record.response]
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
