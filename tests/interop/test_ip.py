# SPDX-License-Identifier: Apache-2.0
"""What IP expects of a gateway that is a tunnel: sizes, fragments, path MTU, TTL (RFC 4301 8.2.1, RFC 1812)."""

from fixture import setting
from lab import topology as net

GROUP = "interop"


def _ping(made, source, target, *options):
    return made.topology.run(source, ["ping", "-n", "-c", "2", "-i", "0.05", "-W", "1", *options, target], check=False)


def test_sizes(context):
    """packets of every residue of the cipher's block cross both ways"""
    with setting(context) as made:
        for size in list(range(0, 40)) + [500, 777, 1024, 1333, 1372]:
            assert " 2 received" in _ping(made, "host", net.PEER_INNER, "-s", str(size)), size
            assert " 2 received" in _ping(made, "peer", net.HOST, "-I", net.PEER_INNER, "-s", str(size)), size


def test_large_packets(context):
    """a packet above the tunnel's MTU: with DF the sender is told the MTU, without DF it is fragmented and arrives"""
    with setting(context) as made:
        refused = _ping(made, "host", net.PEER_INNER, "-s", "1472", "-M", "do")
        assert "mtu = 1438" in refused or "mtu=1438" in refused, refused
        assert " 2 received" in _ping(made, "host", net.PEER_INNER, "-s", "1472", "-M", "dont")
        assert " 2 received" in _ping(made, "host", net.PEER_INNER, "-s", "4000", "-M", "dont")


def test_ttl(context):
    """a packet whose TTL ends here is answered with ICMP time exceeded from the gateway's inner address"""
    with setting(context) as made:
        answer = _ping(made, "host", net.PEER_INNER, "-t", "1")
        assert net.VIRTUAL_INNER in answer and "Time to live exceeded" in answer, answer


def test_cleartext_is_refused(context):
    """what the policy wants protected never leaves or enters in clear"""
    with setting(context, establish=False) as made:
        assert " 0 received" in _ping(made, "host", net.PEER_INNER)
        made.topology.ip("peer", "route", "add", net.HOST_NET, "via", net.VIRTUAL_OUTER)
        assert " 0 received" in _ping(made, "peer", net.HOST, "-I", net.PEER_OUTER)
        made.topology.ip("peer", "route", "del", net.HOST_NET)
        made.establish()
        assert made.pings()
