# SPDX-License-Identifier: Apache-2.0
"""A Tandem gateway of one member as the peer: it takes rates that strongSwan's ESP in user space does not reach."""

import os

from . import topology as net
from .appliance import TAP_INNER, TAP_OUTER, Member
from .process import wait_until

_CONFIGURATION = """# The peer, written by the lab: a member whose partner never comes.
[member]
name = "far"
id = 1
state_dir = "{folder}/state"
control_socket = "{folder}/control.sock"

[card]
driver = "soft"
socket = "{folder}/card.sock"

[outer]
tap = "{tap_outer}"
member_address = "10.9.1.11/24"
virtual_address = "{outer}/24"

[inner]
tap = "{tap_inner}"
member_address = "10.9.4.2/24"
virtual_address = "{inner}/24"

[ha]
partner_id = 2
listen = "127.0.0.1:7001"
partner = "127.0.0.2:7001"
heartbeat_local = "127.0.0.1:7002"
heartbeat_partner = "127.0.0.2:7002"
# The peer is not what is tested: its own lease must never get in the way.
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
{extra}
[[peer.child]]
name = "net"
local_ts = ["{peer_net}"]
remote_ts = ["{host_net}"]
esp = ["aes128gcm16"]
"""


class TandemPeer(Member):
    """The peer of a lab with `far`; make the pair first, which makes the keys. `extra`: lines for its [[peer]]."""

    def __init__(self, topology, binaries, extra=""):  # pylint: disable=super-init-not-called - another configuration
        folder = os.path.dirname(topology.path("peer", "state", "x"))[:-len("/state")]
        self._set_up(topology, binaries, "peer", folder, ports=("wan0", "net0"))
        with open(self.configuration, "w", encoding="utf-8") as target:
            target.write(_CONFIGURATION.format(
                folder=folder, keys=topology.path("keys"), tap_outer=TAP_OUTER, tap_inner=TAP_INNER,
                outer=net.PEER_OUTER, inner=net.FAR_GATEWAY, gateway=net.VIRTUAL_OUTER, peer_net=net.PEER_NET,
                host_net=net.HOST_NET, extra=extra))

    def initiate(self):
        wait_until(lambda: self.ha().get("role") == "active", 10, "the peer to be active")
        self.command("initiate", "gw", "net")

    def wait_established(self, timeout=10):
        wait_until(self.spis, timeout, "an established child SA at the peer")

    def spis(self):
        """[(initiator SPI, responder SPI, [(SPI in, SPI out)])] of the SAs that have a child."""
        return [(sa["spi_i"], sa["spi_r"], [(child["spi_in"], child["spi_out"]) for child in sa["children"]])
                for sa in self.control("sa", "list") or [] if sa["children"]]
