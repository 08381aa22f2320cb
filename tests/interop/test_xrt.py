# SPDX-License-Identifier: Apache-2.0
"""The pair with the Alveo's driver on a simulated device: what the daemon and tandemctl say, and a card that is lost."""

import json
import os
import subprocess

from fixture import setting
from test_hitless import planned_takeovers
from lab.process import run, wait_until

GROUP = "xrt"


def _tandemctl(member, *words, ok=True):
    """Runs `tandemctl card WORDS` as an operator on this member's host; returns its exit code and output."""
    done = subprocess.run([os.path.join(member.binaries, "tandemctl"), "card", *words], text=True, check=False,
                          env={**os.environ, **member.environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=20)
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


def test_status_says_simulated_and_sensors_are_not_available(context):
    """status shows the driver, that it is simulated, and null for sensors that are not there"""
    with setting(context, driver="xrt") as made:
        status = made.active.control("status")
        assert status["simulated"] is True and status["card"]["driver"] == "xrt", status
        assert status["card"]["power_watts"] is None
        assert set(status["card"]["temperatures_c"].values()) == {None}
        listed = json.loads(_tandemctl(made.active, "list", "--json"))
        assert [card["simulated"] for card in listed] == [True]
        assert "not available" in _tandemctl(made.active, "show", listed[0]["bdf"])
        # The daemon has the card: nobody else loads anything.
        assert "another process has the card" in _tandemctl(made.active, "flash", "0", made.active.image, "--yes",
                                                            ok=False)
        assert made.pings()


def test_lost_card_is_a_takeover(context):
    """the active's card dies under its daemon: the daemon gives up, the partner has the same SAs and traffic goes on"""
    with setting(context, driver="xrt") as made:
        before = made.peer.spis()
        made.active.card.kill()
        made.pair.wait_active(made.standby)
        wait_until(lambda: not made.active.daemon.alive(), 5, "the daemon without a card to end")
        wait_until(made.pings, 10, "pings through the other member")
        assert made.peer.spis() == before


def test_planned_takeovers_lose_nothing(context):
    """what arrives while the service goes over waits in front of the kernels: 1,000 packets/s each way, none lost"""
    planned_takeovers(context, 1_000, driver="xrt")


def test_operator_flashes_and_validates(context):
    """an image is confirmed, checked and loaded on a free card; one for another platform or cut short is refused"""
    context.need_pair()
    with setting(context, establish=False, driver="xrt") as made:
        member = made.standby
        member.daemon.kill()
        folder = os.path.dirname(member.image)
        other, cut = os.path.join(folder, "other.xclbin"), os.path.join(folder, "cut.xclbin")
        run(["/usr/bin/python3", member.make_xclbin, "--output", other, "--platform", "xilinx_u50_gen3x16_xdma_5_202210_1"])
        with open(member.image, "rb") as source, open(cut, "wb") as target:
            target.write(source.read()[:-1])
        assert "not confirmed" in _tandemctl(member, "flash", "0", member.image, ok=False)
        assert "is for platform xilinx_u50" in _tandemctl(member, "flash", "0", other, "--yes", ok=False)
        assert "truncated or damaged" in _tandemctl(member, "flash", "0", cut, "--yes", ok=False)
        assert "simulated" in _tandemctl(member, "flash", "0", member.image, "--yes")
        assert "FAIL" not in _tandemctl(member, "validate", "0", member.image)
