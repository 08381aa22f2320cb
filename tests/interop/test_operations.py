# SPDX-License-Identifier: Apache-2.0
"""Operators and mistakes: maintenance, preemption, one heartbeat path cut, configurations and identities that clash."""

import signal
import time

from fixture import setting
from lab import topology as net
from lab.appliance import Pair
from lab.process import LabError, run, wait_until
from lab.traffic import wait_ping

GROUP = "cluster"
QUIET = "startup_wait_ms = 500\n"
WATCH_S = 2.0


def _refused(member, *words):
    try:
        member.command(*words)
    except LabError as problem:
        return str(problem)
    raise AssertionError(f"{member.name}: {' '.join(words)} was not refused")


def _edit(member, old, new):
    with open(member.configuration, encoding="utf-8") as source:
        text = source.read()
    assert old in text, old
    with open(member.configuration, "w", encoding="utf-8") as target:
        target.write(text.replace(old, new))


def test_maintenance_hands_over_and_outlasts_a_restart(context):
    """maintenance on: the active hands over, stays standby through the partner's death and its own restart, until off"""
    with setting(context, patience=4) as made:
        a, b = made.active, made.standby
        before = made.peer.spis()
        a.command("maintenance", "on")
        made.pair.wait_active(b)
        assert made.pings() and made.peer.spis() == before
        assert "maintenance" in _refused(b, "takeover")
        a.daemon.stop()
        a.start()
        wait_until(lambda: a.ha().get("in_sync"), 10, "the restarted member in sync")
        assert a.ha()["maintenance"] and not a.ha()["may_lead"] and not b.ha()["partner"]["may_lead"]
        b.kill_daemon()
        time.sleep(WATCH_S)
        assert a.ha()["role"] == "standby"
        a.command("maintenance", "off")
        made.pair.wait_active(a)
        b.start()
        made.pair.wait_paired()


def test_preemption_gives_the_service_back(context):
    """preempt = true: the member of higher priority, in sync again after its death, takes the service back, hitless"""
    with setting(context, extra_ha="preempt = true\npreempt_delay_s = 1\n", patience=4) as made:
        a, b = made.active, made.standby
        before = made.peer.spis()
        a.kill_daemon()
        made.pair.wait_active(b)
        a.start()
        made.pair.wait_active(a)
        made.pair.wait_paired()
        assert a.ha()["preempt"] and made.peer.spis() == before
        wait_ping(made.topology)


def test_one_heartbeat_path_cut(context):
    """two heartbeat paths, one cut: no takeover, the status shows which path is down, and up again when it is back"""
    with net.Topology() as topology:
        # A second path over the inner network: on the TAPs, so through the cards.
        pair = Pair(topology, context.binaries, patience=4)
        for member, other in (("a", "b"), ("b", "a")):
            one, two = net.MEMBER_SYNC[member], net.MEMBER_INNER[member]
            _edit(pair.members[member], f'heartbeat_local = "{one}:7002"', f'heartbeat_local = ["{one}:7002", "{two}:7003"]')
            one, two = net.MEMBER_SYNC[other], net.MEMBER_INNER[other]
            _edit(pair.members[member], f'heartbeat_partner = "{one}:7002"',
                  f'heartbeat_partner = ["{one}:7002", "{two}:7003"]')
        pair.start()
        active, standby = pair.wait_paired()

        def states():
            return [[path["state"] for path in member.ha().get("paths", [])] for member in (active, standby)]
        wait_until(lambda: states() == [["up", "up"], ["up", "up"]], 5, "both paths up")
        epoch = active.ha()["epoch"]
        topology.run("lan", ["ip", "link", "set", "dev", active.name, "down"])
        wait_until(lambda: states() == [["up", "down"], ["up", "down"]], 5, "the second path to be shown down")
        time.sleep(WATCH_S)
        assert active.ha()["role"] == "active" and active.ha()["epoch"] == epoch and standby.ha()["in_sync"]
        topology.run("lan", ["ip", "link", "set", "dev", active.name, "up"])
        wait_until(lambda: states() == [["up", "up"], ["up", "up"]], 5, "the second path up again")


def test_different_configurations_are_refused_with_the_difference(context):
    """configurations that differ: both members name what, the first serves alone, the other stays silent; mended: a pair"""
    with net.Topology() as topology:
        pair = Pair(topology, context.binaries, extra_ha=QUIET, patience=4)
        a, b = pair.members["a"], pair.members["b"]
        _edit(b, 'esp = ["aes128gcm16-aes256gcm16"]', 'esp = ["aes256gcm16"]')
        a.start()
        b.start()
        for member in (a, b):
            wait_until(lambda m=member: m.ha().get("trouble") == "configurations differ: peer.peer.net", 10,
                       f"{member.name} to say what differs")
        pair.wait_active(a)
        time.sleep(WATCH_S)
        assert b.ha()["role"] == "standby" and a.ha()["solo"]
        assert b.daemon.output().count("partner refused") == 1
        b.daemon.stop()
        _edit(b, 'esp = ["aes256gcm16"]', 'esp = ["aes128gcm16-aes256gcm16"]')
        b.start()
        pair.wait_paired()
        assert not a.ha()["trouble"] and not b.ha()["trouble"]


def _issue(keys, name, days):
    """A new key and certificate for a member, by the pair's CA, in place of the old files; negative days: expired."""
    run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
         "-keyout", f"{name}.key", "-out", f"{name}.csr"], cwd=keys)
    if days < 0:
        # openssl x509 gives no certificate that has ended.
        run(["openssl", "ca", "-batch", "-notext", "-in", f"{name}.csr", "-out", f"{name}.pem", "-cert", "ca.pem",
             "-keyfile", "ca.key", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z",
             "-config", "ca.cnf", "-extfile", f"{name}.ext"], cwd=keys)
        return
    run(["openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
         "-days", str(days), "-extfile", f"{name}.ext", "-out", f"{name}.pem"], cwd=keys)


def test_certificates_rotated_live(context):
    """new certificates by `tandemctl reload` and SIGHUP: no role moves, the next session shows them; bad ones are refused"""
    with setting(context, patience=4) as made:
        a, b = made.active, made.standby
        keys = made.topology.path("keys")
        old = a.ha()
        with open(made.topology.path("keys", "ca.cnf"), "w", encoding="ascii") as target:
            target.write("[ca]\ndefault_ca = lab\n[lab]\ndatabase = index.txt\nnew_certs_dir = .\ndefault_md = sha256\nrand_serial = yes\n"
                         "policy = any\n[any]\ncommonName = supplied\n")
        with open(made.topology.path("keys", "index.txt"), "w", encoding="ascii"):
            pass
        _issue(keys, "a", -1)
        assert "expired" in _refused(a, "reload")
        run(["cp", "b.key", "a.key"], cwd=keys)
        assert "a.key" in _refused(a, "reload")
        _issue(keys, "a", 10)
        a.command("reload")
        _issue(keys, "b", 30)
        b.daemon.deliver(signal.SIGHUP)
        wait_until(lambda: b.ha()["sync"]["certificate"]["serial"] != old["sync"]["partner_certificate"]["serial"], 5,
                   "b to read its new certificate")
        new = a.ha()
        assert new["sync"]["certificate"]["serial"] != old["sync"]["certificate"]["serial"]
        assert new["sync"]["certificate"]["warning"] == "expires soon"
        # Not the whole certificate: in the first second of its life it has a day more left.
        assert new["sync"]["partner_certificate"]["serial"] == old["sync"]["partner_certificate"]["serial"], \
            "the session goes on"
        assert (new["epoch"], new["takeovers"], new["sync"]["joined"]) == (old["epoch"], old["takeovers"], True)
        b.daemon.stop()
        b.start()
        made.pair.wait_paired()
        assert a.ha()["sync"]["partner_certificate"]["serial"] == b.ha()["sync"]["certificate"]["serial"]
        assert b.ha()["sync"]["partner_certificate"]["serial"] == new["sync"]["certificate"]["serial"]
        assert a.ha()["epoch"] == old["epoch"] and a.ha()["role"] == "active"


def test_shared_identity_is_refused(context):
    """two members with one number, or with one certificate: both say so, neither goes active; --alone is the way out"""
    faults = {"number": (("id = 2\n", "id = 1\n"), ("partner_id = 1", "partner_id = 2")),
              "certificate": (("b.pem", "a.pem"), ("b.key", "a.key"))}
    said = {"number": "both members are configured as number 1", "certificate": "certificate"}
    for fault, edits in faults.items():
        with net.Topology() as topology:
            pair = Pair(topology, context.binaries, patience=4)
            a, b = pair.members["a"], pair.members["b"]
            for edit in edits:
                _edit(b, *edit)
            # As they would be started: together.
            for member in (a, b):
                member.start_card()
            for member in (a, b):
                member.start_daemon()
            for member in (a, b):
                wait_until(lambda m=member: said[fault] in m.ha().get("trouble", ""), 10, f"{fault}: {member.name} to say so")
            time.sleep(3 * WATCH_S)
            assert [member.ha()["role"] for member in (a, b)] == ["standby", "standby"], fault
            a.command("takeover", "--alone")
            pair.wait_active(a)
