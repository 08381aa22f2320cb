# SPDX-License-Identifier: Apache-2.0
"""keepalived decides who leads: its packaged configuration and scripts, two of it beside two members, VRRP through their
cards' outer ports."""

import os
import re
import signal
import subprocess

from fixture import Setting
from lab import strongswan
from lab import topology as net
from lab.appliance import TAP_OUTER, Pair
from lab.build import ROOT
from lab.process import wait_until
from lab.traffic import Traffic, wait_ping

GROUP = "cluster"
PACKAGED = os.path.join(ROOT, "host", "packaging", "keepalived")
# keepalived needs some 0.4 s to miss a master; on a busy machine the member may take over that much later.
EXTERNAL = 'role = "external"\neligible_ms = 3000\n'


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as source:
            return source.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Keepalived:
    """keepalived of one member, by the packaged configuration with this lab's addresses, priority and paths."""

    def __init__(self, topology, member):
        self._topology = topology
        self.member = member
        self._folder = os.path.dirname(topology.path(f"keepalived-{member.name}", "x"))
        self.wish = os.path.join(self._folder, "role")
        self.environment = {"TANDEMCTL": os.path.join(member.binaries, "tandemctl"),
                            "TANDEM_SOCKET": f"{member.folder}/control.sock", "TANDEM_WISH": self.wish}
        other = "b" if member.name == "a" else "a"
        settings = " ".join(f"{name}={value}" for name, value in self.environment.items())
        with open(os.path.join(PACKAGED, "keepalived.conf"), encoding="ascii") as source:
            text = source.read()
        for old, new in (("/usr/lib/tandem/", f"/usr/bin/env {settings} {PACKAGED}/"), ("tdm-out", TAP_OUTER),
                         ("gateway-a", f"gateway-{member.name}"),
                         ("priority 120", "priority 120" if member.name == "a" else "priority 100"),
                         ("192.0.2.2", net.MEMBER_OUTER[member.name]), ("192.0.2.3", net.MEMBER_OUTER[other]),
                         # The lab lies where others may write; the packaged paths do not.
                         ("    enable_script_security\n", "")):
            assert old in text, old
            text = text.replace(old, new)
        self._configuration = os.path.join(self._folder, "keepalived.conf")
        with open(self._configuration, "w", encoding="ascii") as target:
            target.write(text)
        self.process = None

        self._pids = [os.path.join(self._folder, name) for name in ("main.pid", "vrrp.pid", "check.pid")]

    def start(self):
        self.process = self._topology.start(
            f"keepalived-{self.member.name}",
            ["keepalived", "--dont-fork", "--vrrp", "--log-console", "--log-detail", "-f", self._configuration,
             "-p", self._pids[0], "-r", self._pids[1], "-c", self._pids[2]], namespace=self.member.name)

    def kill(self):
        """As a machine's death: its VRRP child too, which would say goodbye, and keep a new keepalived from starting."""
        with open(self._pids[1], encoding="ascii") as source:
            child = int(source.read())
        os.kill(child, signal.SIGSTOP)
        self.process.kill()
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: not _runs(child), 10, "keepalived's child to end")
        for path in self._pids:
            if os.path.exists(path):
                os.unlink(path)

    def state(self):
        """The newest state that it has written of itself, '' for none."""
        said = re.findall(r"Entering (\w+) STATE", self.process.output())
        return said[-1] if said else ""

    def wait_state(self, state, timeout=15):
        wait_until(lambda: self.state() == state, timeout, f"keepalived of {self.member.name} to be {state}; it is "
                   f"{self.state()} (log: {self.process.log})")


def test_keepalived_leads_the_pair(context):
    """keepalived's master is the active; its machine dies: the other becomes master and active with the same SPIs; it
    comes back: VRRP gives it the service again, hitless"""
    context.need_pair()
    with net.Topology() as topology:
        pair = Pair(topology, context.binaries, extra_ha=EXTERNAL, patience=4)
        for member in pair.members.values():
            member.start()
        a, b = (Keepalived(topology, pair.members[name]) for name in ("a", "b"))
        a.start()
        b.start()
        assert pair.wait_paired(30) == (a.member, b.member)
        a.wait_state("MASTER")
        b.wait_state("BACKUP")
        assert not re.search(r"[Uu]nknown keyword|[Ii]nvalid", a.process.output()), a.process.output()
        peer = strongswan.peer(topology, pair.psk)
        peer.start()
        made = Setting(topology, pair, peer)
        made.establish()
        before = peer.spis()
        # A crash soon after a handover refuses the peer's next numbers, up to the grant: pings alone would take long.
        traffic = Traffic(topology, context.program("demo_traffic"), rate=200, bulk_mbit=0)
        traffic.start()

        a.kill()
        a.member.kill_machine()
        b.wait_state("MASTER")
        pair.wait_active(b.member)
        wait_ping(topology)
        assert peer.spis() == before and b.member.ha()["role_wanted"] == "active"

        # Back again: a begins as a backup that is not in sync, so its priority counts only once it is.
        topology.plug("a")
        a.member.start()
        a.start()
        a.wait_state("MASTER", 30)
        b.wait_state("BACKUP")
        # VRRP may give and take a few times while both begin.
        wait_until(lambda: pair.wait_paired(30) == (a.member, b.member) and made.pings(), 30, "a to lead again, with traffic")
        assert peer.spis() == before

        # A daemon that dies is a fault of its member: the other leads. One that returns learns what was decided.
        a.member.kill_daemon()
        a.wait_state("FAULT")
        b.wait_state("MASTER")
        pair.wait_active(b.member)
        wait_ping(topology)
        assert peer.spis() == before
        a.member.start()
        a.wait_state("MASTER", 30)
        wait_until(lambda: pair.wait_paired(30) == (a.member, b.member), 30, "a to lead once more")
        wait_ping(topology)
        assert a.member.ha()["role_wanted"] == "active" and peer.spis() == before
        assert all(flow.duplicated == 0 for flow in traffic.stop()["flows"].values())


def _script(name, *words, **environment):
    done = subprocess.run([os.path.join(PACKAGED, name), *words], env={"PATH": os.environ["PATH"], **environment},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
    return done.returncode, done.stdout


def test_scripts_answer_by_their_exit_status(context):
    """tandem-notify and tandem-check: wrong words, no daemon, a member that decides itself, names with blanks"""
    context.need_pair()
    with net.Topology() as topology:
        folder = os.path.dirname(topology.path("with blank", "x"))
        fake = os.path.join(folder, "tandem ctl")
        with open(fake, "w", encoding="ascii") as target:
            target.write("#!/bin/sh\n[ \"$2\" = \"$EXPECTED\" ] || exit 9\necho \"$3 $4\" >> \"$2.asked\"\n"
                         "[ \"$3\" = ha ] && cat \"$2.view\"\nexit \"$STATUS\"\n")
        os.chmod(fake, 0o755)
        socket = os.path.join(folder, "control $(false).sock")
        wish = os.path.join(folder, "the wish")
        usual = {"TANDEMCTL": fake, "TANDEM_SOCKET": socket, "EXPECTED": socket, "TANDEM_WISH": wish, "STATUS": "0"}
        assert _script("tandem-notify", "master", **usual)[0] == 2 and not os.path.exists(wish)
        assert _script("tandem-notify", **usual)[0] == 2
        assert _script("tandem-check", "ready; true", **usual)[0] == 2
        status, said = _script("tandem-notify", "active", "INSTANCE", **usual)
        assert status == 0, said
        with open(wish, encoding="ascii") as source:
            assert source.read() == "active\n"
        status, said = _script("tandem-notify", "standby", **{**usual, "STATUS": "1"})
        assert status == 1 and "standby" in said
        assert _script("tandem-notify", "standby", **{**usual, "STATUS": "3"})[0] == 3
        assert _script("tandem-notify", "standby", **{**usual, "TANDEM_WISH": "/nowhere/wish"})[0] == 1
        asked = socket + ".asked"

        def view(text):
            with open(socket + ".view", "w", encoding="ascii") as target:
                target.write(text)
            open(asked, "w", encoding="ascii").close()
        standby = '{\n  "in_sync": false,\n  "partner": {\n    "in_sync": true,\n    "role": "active"\n  },\n  "role": "standby",\n  "role_wanted": "%s"\n}\n'
        view(standby % "standby")
        assert _script("tandem-check", "ready", **usual)[0] == 1, "the partner's state counts as its own"
        assert _script("tandem-check", "alive", **usual)[0] == 0
        with open(asked, encoding="ascii") as source:
            assert source.read() == "ha status\nha status\n"
        view(standby % "active")
        assert _script("tandem-check", "alive", **usual)[0] == 0
        with open(asked, encoding="ascii") as source:
            assert source.read() == "ha status\nrole standby\n", "a daemon that does not know the wish is told"
        view(standby.replace('"in_sync": false', '"in_sync": true', 1) % "standby")
        assert _script("tandem-check", "ready", **usual)[0] == 0
        for word in ("alive", "ready"):
            assert _script("tandem-check", word, **{**usual, "STATUS": "3"})[0] == 1
