# SPDX-License-Identifier: Apache-2.0
"""The failover experiment: tunnel up, traffic both ways, kills at drawn moments, and the figures with their claims.

One run gives one plain dictionary (see sim/demo/README.md for its keys); nothing here prints.
"""

import random
import time
from dataclasses import dataclass

from . import capture as wire
from . import strongswan
from . import topology as net
from .appliance import TAKEOVER_MS, Pair
from .process import LabError
from .traffic import Traffic, wait_ping

DETECTION_FACTOR = 1.25
TIMED = "blackout"  # marks the claims that a busy machine can break without anything being wrong
AFTER_KILL_S = 2.5
UNDISTURBED_S = 0.3
LOSS_WINDOW_BEFORE_NS = 200_000_000
LOSS_WINDOW_AFTER_NS = 3_000_000_000
# An attacker's replay of the peer's packets, sent this long after a takeover.
REPLAY_DELAY_S = 1.0
REPLAY_SPAN_NS = 500_000_000
DIRECTIONS = ("in", "out")


@dataclass
class Options:
    binaries: str
    seed: int = 1
    kill: str = "both"
    rate: int = 1000
    size: int = 100
    bulk_mbit: float = 20.0
    crypto: str = "native"
    keep: bool = False
    save_logs: bool = True
    driver: str = "soft"

    def kinds(self):
        return ("daemon", "machine") if self.kill == "both" else (self.kill,)


class Experiment:
    """One run. `say(text)` is told what happens as it happens; `make_pair(topology, binaries, crypto)` makes the pair."""

    def __init__(self, options, say=lambda text: None, make_pair=Pair):
        self._options = options
        self._say = say
        self._make_pair = make_pair
        self._random = random.Random(options.seed)
        self._kills = []

    def run(self):
        with net.Topology(keep=self._options.keep) as topology:
            self._topology = topology
            self._set_up()
            self._disturb()
            result = self._evaluate()
            if self._options.save_logs and not result["passed"]:
                topology.save_logs()
            return result

    def _set_up(self):
        topology, options = self._topology, self._options
        self._pair = self._make_pair(topology, options.binaries, options.crypto, driver=options.driver)
        self._pair.start()
        self._say("two appliances: a is active, b is standby and in sync")
        self._peer = strongswan.peer(topology, self._pair.psk)
        self._peer.start()
        self._wire = wire.Capture(topology, "wan", "peer")
        # Whole small frames of the peer, for the replay attack.
        self._whole = wire.Capture(topology, "peer", "wan0", name="whole", snap=400,
                                   expression="udp port 4500 and less 300")
        self._peer.initiate()
        self._peer.wait_established()
        wait_ping(topology)
        self._pair.wait_paired()
        self._spis_before = self._peer.spis()
        self._say(f"strongSwan's tunnel is up: {_describe_spis(self._spis_before)}")
        self._traffic = Traffic(topology, f"{options.binaries}/demo_traffic", options.rate, options.size,
                                options.bulk_mbit)
        self._traffic.start()
        self._say(f"traffic: {options.rate} packets/s of UDP each way, TCP at {options.bulk_mbit:g} Mbit/s, pings")

    def _disturb(self):
        for number, kind in enumerate(self._options.kinds()):
            if number:
                self._say(f"{self._kills[-1]['member']} comes back")
                began = time.monotonic()
                self._pair.rejoin(self._pair.members[self._kills[-1]["member"]])
                self._say(f"{self._kills[-1]['member']} is standby and in sync again, "
                          f"{time.monotonic() - began:.1f} s after its start")
            time.sleep(1.0 + self._random.random())
            self._kill(kind)
        self._views = {name: member.ha() for name, member in self._pair.members.items()}

    def _kill(self, kind):
        victim, survivor = self._pair.wait_paired()
        before = victim.ha()
        moment = victim.kill_daemon() if kind == "daemon" else victim.kill_machine()
        what = "daemon (SIGKILL, its card lives on)" if kind == "daemon" else "whole machine"
        self._say(f"killed {victim.name}'s {what}")
        # Asking starts a process each time: not while the takeover is being measured.
        time.sleep(UNDISTURBED_S)
        view = self._pair.wait_active(survivor)
        self._say(f"{survivor.name} is active")
        time.sleep(REPLAY_DELAY_S)
        replayed = wire.Replayer(self._topology).send(self._whole, self._topology.mac("peer", "wan0"),
                                                      moment - REPLAY_SPAN_NS, moment)
        time.sleep(AFTER_KILL_S - REPLAY_DELAY_S)
        self._kills.append({"kind": kind, "member": victim.name, "survivor": survivor.name, "moment_ns": moment,
                            "detection_ms": float(view.get("detection_ms") or TAKEOVER_MS),
                            "reservation_block": {way: max(_block(before, way), _block(view, way))
                                                  for way in DIRECTIONS},
                            "replayed": replayed, "simulated": bool(view.get("simulated", False))})

    def _deaths(self):
        """Processes of the pair that ended without our doing."""
        last = self._kills[-1]
        expected = {(last["member"], "daemon")} | ({(last["member"], "card")} if last["kind"] == "machine" else set())
        return [f"{name}'s {part}" for name, member in self._pair.members.items()
                for part, process in (("daemon", member.daemon), ("card", member.card))
                if (name, part) not in expected and not process.alive()]

    def _evaluate(self):
        outcome = self._traffic.stop()
        end_ns = time.monotonic_ns()
        spis_after = self._peer.spis()
        deaths = self._deaths()
        lost_by_capture = ""
        try:
            self._wire.stop()
        except LabError as problem:
            lost_by_capture = str(problem)
        esp, ike = self._wire.read()
        ours = [packet for packet in esp if packet.source == net.VIRTUAL_OUTER]
        flows = outcome["flows"]
        start_ns = self._traffic.start_ns
        for kill in self._kills:
            self._measure_kill(kill, flows, ours, start_ns)
        last = self._kills[-1]
        result = {
            "seed": self._options.seed, "kill": self._options.kill, "rate": self._options.rate,
            "detection_ms": max(kill["detection_ms"] for kill in self._kills),
            "blackout_ms": {way: max(kill["blackout_ms"][way] for kill in self._kills) for way in DIRECTIONS},
            "sent": {way: flows[way].sent for way in DIRECTIONS},
            "lost": {way: flows[way].lost for way in DIRECTIONS},
            "duplicated": {way: flows[way].duplicated for way in DIRECTIONS},
            "reordered": {way: flows[way].reordered() for way in DIRECTIONS},
            "lost_elsewhere": {way: flows[way].lost - sum(kill["lost"][way] for kill in self._kills)
                               for way in DIRECTIONS},
            "accepted_twice": sum(len(flows[way].repeated) for way in DIRECTIONS),
            "replayed": sum(kill["replayed"] for kill in self._kills),
            "new_ike_sa_init": len(wire.requests(ike, wire.IKE_SA_INIT, start_ns)),
            "ike_exchanges": wire.count_exchanges(ike, start_ns),
            "same_spis": spis_after == self._spis_before and bool(spis_after),
            "spis": _describe_spis(spis_after),
            "tcp": outcome["tcp"], "tcp_reset": bool(outcome["tcp"] and outcome["tcp"]["reset"]),
            "pings": outcome["pings"],
            "esp_packets": len(ours), "nonce_repeats": wire.nonce_repeats(ours),
            "sequence_repeats": wire.sequence_repeats(ours), "sequence_steps_back": wire.steps_back(ours),
            "seq_before": last["seq_before"], "seq_after": last["seq_after"],
            "sender_late_max_us": {way: outcome["senders"][way]["late_max_us"] for way in DIRECTIONS},
            "crypto": self._options.crypto,
            # Only cards of ours with the simulated RTL engine count clocks.
            "engine_clocks": {name: member.engine_clocks() for name, member in self._pair.members.items()}
            if self._options.crypto == "rtl" else {},
            "simulated": any(kill["simulated"] for kill in self._kills),
            "duration_ms": round((end_ns - start_ns) / 1e6), "kills": self._kills,
            "died": deaths, "capture_problem": lost_by_capture,
        }
        result["claims"] = claims(result, flows)
        result["passed"] = all(claim["ok"] for claim in result["claims"])
        # What the picture needs; the writer of the JSON leaves it out.
        result["_flows"], result["_esp"], result["_start_ns"], result["_end_ns"] = flows, ours, start_ns, end_ns
        return result

    @staticmethod
    def _measure_kill(kill, flows, ours, start_ns):
        moment = kill["moment_ns"]
        kill["at_ms"] = round((moment - start_ns) / 1e6, 3)
        kill["blackout_ms"], kill["lost"], kill["gap_ns"] = {}, {}, {}
        for way in DIRECTIONS:
            dark, began, ended = flows[way].blackout(moment)
            kill["blackout_ms"][way] = round(dark, 3)
            kill["gap_ns"][way] = (began, ended)
            kill["lost"][way] = flows[way].lost_between(moment - LOSS_WINDOW_BEFORE_NS, moment + LOSS_WINDOW_AFTER_NS)
        jump = wire.sequence_jump(ours, moment)
        kill["spi"] = jump and jump["spi"]
        kill["seq_before"] = jump and jump["before"]
        kill["seq_after"] = jump and jump["after"]
        kill["old_sent_after_new"] = jump and jump["overlap"]
        kill["first_new_packet_ms"] = jump and round((jump["first_new_ns"] - moment) / 1e6, 3)


def _block(view, way):
    """The largest reservation block of a member's SAs, from its HA status."""
    return int((view.get("reservation_block") or {}).get(way, 0))


def claims(result, flows):
    """What the run must show: [{claim, ok, detail}]."""
    tcp = result["tcp"]
    listed = [
        ("the TCP transfer was not reset and its content is right",
         tcp is None or (not tcp["reset"] and tcp["completed"]), str(tcp and (tcp["errors"] or f"{tcp['bytes']} bytes"))),
        ("the peer kept the same IKE and ESP SPIs", result["same_spis"], result["spis"]),
        ("no new IKE_SA_INIT", result["new_ike_sa_init"] == 0, f"{result['new_ike_sa_init']} seen"),
        ("no nonce (SPI, IV) twice on the wire", result["nonce_repeats"] == 0 and result["esp_packets"] > 0,
         f"{result['nonce_repeats']} of {result['esp_packets']} ESP packets"),
        ("ESP sequence numbers only go forward",
         result["sequence_repeats"] == 0 and result["sequence_steps_back"] == 0,
         f"{result['sequence_repeats']} repeated, {result['sequence_steps_back']} steps back"),
        ("no packet accepted twice, replayed ones included", result["accepted_twice"] == 0 and result["replayed"] > 0,
         f"{result['accepted_twice']} of {sum(result['sent'].values())} sent and {result['replayed']} replayed"),
        ("nothing ended but what was killed", not result["died"], ", ".join(result["died"]) or "all others alive"),
        ("the capture is complete", not result["capture_problem"], result["capture_problem"] or "none dropped"),
    ]
    bounds = {way: 0.0 for way in DIRECTIONS}
    for kill in result["kills"]:
        name = f"{kill['kind']} kill"
        listed.append((f"{name}: the survivor sends, the killed one is silent from then on",
                       kill["old_sent_after_new"] == 0,
                       f"first packet after {kill['first_new_packet_ms']} ms, {kill['old_sent_after_new']} late ones"))
        for way in DIRECTIONS:
            allowed = DETECTION_FACTOR * kill["detection_ms"] + flows[way].interval_ms
            dark = kill["blackout_ms"][way]
            listed.append((f"{name}: {TIMED} {way} <= {allowed:.1f} ms", dark <= allowed, f"{dark:.1f} ms"))
            # A packet on either edge of the gap may be the lost one: round up.
            bound = int((dark + flows[way].interval_ms) * flows[way].rate / 1000) + 1 + kill["reservation_block"][way]
            bounds[way] += bound
            listed.append((f"{name}: loss {way} <= blackout x rate + one block = {bound}", kill["lost"][way] <= bound,
                           f"{kill['lost'][way]} lost"))
    for way in DIRECTIONS:
        listed.append((f"loss {way} in the whole run <= {int(bounds[way])}", result["lost"][way] <= bounds[way],
                       f"{result['lost'][way]} of {result['sent'][way]}"))
    return [{"claim": text, "ok": bool(ok), "timed": f": {TIMED} " in text, "detail": detail} for text, ok, detail in listed]


def _describe_spis(spis):
    return "; ".join(f"IKE {initiator}/{responder}, ESP " + ", ".join("/".join(pair) for pair in children)
                     for initiator, responder, children in spis) or "none"


def plain(result):
    """The result without what only the picture needs."""
    kept = {key: value for key, value in result.items() if not key.startswith("_")}
    kept["kills"] = [{key: value for key, value in kill.items() if key not in ("gap_ns", "moment_ns")}
                     for kill in result["kills"]]
    return kept
