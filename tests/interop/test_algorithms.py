# SPDX-License-Identifier: Apache-2.0
"""Every algorithm that both ends speak, negotiated with strongSwan and used for traffic."""

from fixture import setting

GROUP = "interop"

# strongSwan's name of an IKE proposal, and of an ESP proposal.
PAIRS = (
    ("aes128gcm16-prfsha256-curve25519", "aes128gcm16"),
    ("aes256gcm16-prfsha384-ecp256", "aes256gcm16"),
    ("aes256gcm16-prfsha512-ecp384", "aes256gcm16"),
    ("aes128-sha256-modp2048", "aes128gcm16"),
    ("aes256-sha256-prfsha256-curve25519", "aes128gcm16"),
    ("aes256-sha512-modp3072", "aes256gcm16"),
)


def test_algorithms(context):
    """each IKE and ESP proposal is agreed on, carries pings both ways, and survives a rekey of both SAs"""
    for ike, esp in PAIRS:
        with setting(context, ike=ike, esp=esp) as made:
            assert made.pings(), (ike, esp)
            made.peer.swanctl("--rekey", "--child", "net")
            made.peer.wait_quiet()
            made.peer.swanctl("--rekey", "--ike", "gw")
            made.peer.wait_quiet()
            assert made.pings(), (ike, esp, "after the rekeys")


def test_no_common_proposal(context):
    """a peer whose algorithms are not ours gets no SA, and nobody is left with half of one"""
    for ike, esp in (("aes128-sha1-modp1024", "aes128gcm16"), ("aes128gcm16-prfsha256-curve25519", "aes128-sha256")):
        with setting(context, establish=False, ike=ike, esp=esp) as made:
            made.peer.initiate(timeout=4, check=False)
            assert not [child for sa in made.peer.sas() for child in sa["children"]], (ike, esp)
