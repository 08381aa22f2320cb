# SPDX-License-Identifier: Apache-2.0
"""A pair of appliances with strongSwan as its peer, for one test; and the comparison of what both ends believe."""

from contextlib import contextmanager

from lab import strongswan
from lab import topology as net
from lab.appliance import Pair
from lab.process import LabError, wait_until
from lab.tandem_peer import TandemPeer
from lab.traffic import ping, wait_ping


class Setting:
    """The parts of a test: topology, pair, active, standby and the peer."""

    def __init__(self, topology, pair, peer):
        self.topology = topology
        self.pair = pair
        self.peer = peer
        self.active, self.standby = pair.members["a"], pair.members["b"]

    def establish(self):
        """Brings the tunnel up and proves it by a ping each way."""
        self.peer.initiate()
        self.peer.wait_established()
        wait_ping(self.topology)

    def pings(self, count=3):
        """Whether all pings of both directions are answered, in the second series at the latest: a takeover, by order of a
        test or since this machine stalled, costs an idle SA its first packets (N3)."""
        return all(ping(self.topology, way, count) or ping(self.topology, way, count) for way in ("in", "out"))

    def agreement(self, member):
        """'' when `member` and the peer hold exactly the same IKE and ESP SPIs, else what differs."""
        peer, own = peer_spis(self.peer.sas()), member_spis(member)
        if own is None:
            return f"{member.name} gives no list of its SAs"
        if peer == own:
            return ""
        return f"only at the peer: {sorted(peer - own)}; only at {member.name}: {sorted(own - peer)}"

    def wait_agreement(self, member, timeout=20):
        """Waits until both ends agree; LabError names the difference."""
        try:
            wait_until(lambda: not self.agreement(member), timeout, "agreement", interval=0.2)
        except LabError:
            raise LabError(f"no agreement after {timeout} s: {self.agreement(member)} "
                           f"(logs: {member.daemon.log}, {self.peer.log})") from None


@contextmanager
def setting(context, establish=True, extra_ha="", patience=1, driver="soft", **peer_options):
    """A running pair (a active, b in sync) with a started peer; the tunnel is up unless `establish` is off."""
    context.need_pair()
    with net.Topology() as topology:
        pair = Pair(topology, context.binaries, extra_ha=extra_ha, patience=patience, driver=driver)
        pair.start()
        peer = strongswan.peer(topology, pair.psk, **peer_options)
        peer.start()
        made = Setting(topology, pair, peer)
        made.active, made.standby = pair.wait_paired()
        if establish:
            made.establish()
        yield made


@contextmanager
def fast_setting(context, extra_ha="", patience=10, driver="soft"):
    """As setting(), but the peer is a Tandem gateway, for rates beyond strongSwan's ESP in user space."""
    context.need_pair()
    with net.Topology(far=True) as topology:
        pair = Pair(topology, context.binaries, extra_ha=extra_ha, patience=patience, driver=driver)
        pair.start()
        peer = TandemPeer(topology, context.binaries)
        peer.start()
        made = Setting(topology, pair, peer)
        made.active, made.standby = pair.wait_paired()
        made.establish()
        yield made


def _spi(value):
    """An SPI as both ends may print it, without prefix and leading zeros."""
    text = f"{value:x}" if isinstance(value, int) else str(value).lower().removeprefix("0x")
    return text.lstrip("0")


def peer_spis(sas):
    """All SPIs of strongSwan's SAs."""
    found = set()
    for sa in sas:
        found |= {_spi(sa["spi_i"]), _spi(sa["spi_r"])}
        for child in sa["children"]:
            found |= {_spi(child["spi_in"]), _spi(child["spi_out"])}
    return found - {""}


def member_spis(member):
    """All SPIs of SAs in use in `tandemctl sa list`; None when the daemon does not answer."""
    listed = member.control("sa", "list")
    if listed is None:
        return None
    found = set()

    def walk(value, key=""):
        if isinstance(value, dict):
            # Kept only to answer the peer's retransmissions: no longer an SA in use.
            if value.get("phase") == "deleting":
                return
            for name, inner in value.items():
                walk(inner, name)
        elif isinstance(value, list):
            for inner in value:
                walk(inner, key)
        elif "spi" in key.split("_") and value:
            found.add(_spi(value))
    walk(listed)
    return found - {""}
