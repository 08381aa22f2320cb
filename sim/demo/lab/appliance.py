# SPDX-License-Identifier: Apache-2.0
"""The pair of appliances: a tandem-softcard and a tandemd process per member, their keys and configuration files."""

import json
import os
import re
import secrets
import signal
import subprocess
import time

from . import topology as net
from .build import ROOT
from .process import LabError, run, wait_until

# Twice the product's defaults: on a virtual machine that shares its cores with whole other appliances, 50 ms without a
# heartbeat happen without anybody being dead.
HEARTBEAT_MS = 10
LEASE_MS = 80
TAKEOVER_MS = 100
TAP_OUTER = "tdm-out"
TAP_INNER = "tdm-in"
PROGRAMS = ("tandemd", "tandemctl", "tandem-softcard")

_CONFIGURATION = """# One member of the pair, written by the lab.
[member]
name = "{name}"
id = {id}
priority = {priority}
state_dir = "{folder}/state"
control_socket = "{folder}/control.sock"

[card]
{card}

[outer]
tap = "{tap_outer}"
member_address = "{outer}/24"
virtual_address = "{virtual_outer}/24"

[inner]
tap = "{tap_inner}"
member_address = "{inner}/24"
virtual_address = "{virtual_inner}/24"

[ha]
partner_id = {partner_id}
listen = "{sync}:7001"
partner = "{partner_sync}:7001"
heartbeat_local = "{sync}:7002"
heartbeat_partner = "{partner_sync}:7002"
heartbeat_ms = {heartbeat}
lease_ms = {lease}
takeover_ms = {takeover}
ca = "{keys}/ca.pem"
certificate = "{keys}/{name}.pem"
key = "{keys}/{name}.key"
partner_name = "{partner_name}"
{extra}
[[peer]]
name = "peer"
remote_id = "peer.example"
local_id = "gw.example"
psk_file = "{keys}/psk"
address = "%any"

[[peer.child]]
name = "net"
local_ts = ["{host_net}"]
remote_ts = ["{peer_net}"]
esp = ["aes128gcm16-aes256gcm16"]
"""


def make_keys(folder):
    """Makes a CA, a certificate per member for the sync channel and a random PSK; returns the PSK."""
    def openssl(*words):
        run(["openssl", *words], cwd=folder)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=tandem lab CA", "-keyout", "ca.key", "-out", "ca.pem",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for member in ("a", "b"):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={member}",
                "-keyout", f"{member}.key", "-out", f"{member}.csr")
        extensions = os.path.join(folder, f"{member}.ext")
        with open(extensions, "w", encoding="utf-8") as target:
            target.write(f"basicConstraints=CA:FALSE\nsubjectAltName=DNS:{member}\n"
                         "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl("x509", "-req", "-in", f"{member}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "30", "-extfile", extensions, "-out", f"{member}.pem")
        os.chmod(os.path.join(folder, f"{member}.key"), 0o600)
    psk = secrets.token_hex(24)
    path = os.path.join(folder, "psk")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as target:
        target.write(psk)
    return psk


_CARDS = {
    "soft": 'driver = "soft"\nsocket = "{folder}/card.sock"',
    "xrt": 'driver = "xrt"\ndevice = "0"\nimage = "{folder}/card.xclbin"',
}
DRIVERS = tuple(_CARDS)
# The card's process. Under XRT it is the kernels' C++, and the TAPs are the daemon's.
_PROGRAMS = {"soft": "tandem-softcard", "xrt": "tandem-kernelcard"}
_ENGINE = re.compile(r"RTL engine: (\d+) packets of (\d+) words in (\d+) clocks; a packet took ([\d.]+) clocks on "
                     r"average, (\d+) at most")


class Member:
    """One appliance: its card and its daemon."""

    def __init__(self, topology, binaries, name, keys, crypto="native", extra_ha="", slots=None, patience=1,
                 driver="soft"):
        self._set_up(topology, binaries, name, os.path.dirname(topology.path(name, "state", "x"))[:-len("/state")],
                     crypto, slots, driver=driver)
        other = "b" if name == "a" else "a"
        ids = {"a": 1, "b": 2}
        with open(self.configuration, "w", encoding="utf-8") as target:
            target.write(_CONFIGURATION.format(
                name=name, id=ids[name], partner_id=ids[other], priority=100 if name == "a" else 50,
                folder=self.folder, card=_CARDS[driver].format(folder=self.folder), keys=keys,
                tap_outer=TAP_OUTER, tap_inner=TAP_INNER,
                outer=net.MEMBER_OUTER[name], inner=net.MEMBER_INNER[name], sync=net.MEMBER_SYNC[name],
                partner_sync=net.MEMBER_SYNC[other], partner_name=other,
                virtual_outer=net.VIRTUAL_OUTER, virtual_inner=net.VIRTUAL_INNER,
                heartbeat=HEARTBEAT_MS, lease=LEASE_MS * patience, takeover=TAKEOVER_MS * patience,
                host_net=net.HOST_NET,
                peer_net=net.PEER_NET, extra=extra_ha))

    def _set_up(self, topology, binaries, name, folder, crypto="native", slots=None, ports=("outer", "inner"),
                driver="soft"):
        self.name = name
        self.folder = folder
        self.configuration = os.path.join(folder, "tandem.toml")
        self.binaries = binaries
        self.driver = driver
        self.card = None
        self.daemon = None
        self.daemon_program = "tandemd"
        self._topology = topology
        self._binaries = binaries
        self._crypto = crypto
        self._slots = slots
        self._ports = ports

    @property
    def image(self):
        """The image that the daemon loads on a card under XRT."""
        return f"{self.folder}/card.xclbin"

    @property
    def make_xclbin(self):
        return os.path.join(ROOT, "sim", "xrt", "make_xclbin.py")

    @property
    def environment(self):
        """What a program needs to see this member's card: under XRT a private XILINX_XRT whose one device it is."""
        if self.driver != "xrt":
            return {}
        return {"XILINX_XRT": os.path.join(os.path.dirname(self._binaries), "xrt"), "XCL_EMULATION_MODE": "sw_emu",
                "TANDEM_SHIM_SOCKET": f"{self.folder}/card.sock"}

    def start_card(self):
        if self.driver == "xrt":
            if not os.path.exists(os.path.join(self.environment["XILINX_XRT"], "lib", "libxrt_swemu.so.2")):
                raise LabError("--driver xrt: the HAL shim is not built (Debian's XRT 2.13.466: install-deps xrt)")
            run(["/usr/bin/python3", self.make_xclbin, "--output", self.image])
        words = [os.path.join(self._binaries, _PROGRAMS[self.driver]), "--socket", f"{self.folder}/card.sock",
                 "--outer", self._ports[0], "--inner", self._ports[1]]
        if self.driver == "soft":
            words += ["--tap-outer", TAP_OUTER, "--tap-inner", TAP_INNER, "--crypto", self._crypto]
        if self._slots:
            words += ["--slots", str(self._slots)]
        self.card = self._topology.start(f"card-{self.name}", words, namespace=self.name)
        self.card.wait_line("ready", 20)
        for tap in (TAP_OUTER, TAP_INNER):
            self._topology.run(self.name, ["ethtool", "-K", tap, "tx", "off", "tso", "off", "gso", "off", "gro", "off"],
                               check=False)

    def start_daemon(self):
        self.daemon = self._topology.start(
            f"tandemd-{self.name}", [os.path.join(self._binaries, self.daemon_program), "--config", self.configuration],
            namespace=self.name, environment=self.environment)
        self.daemon.wait_line("ready", 20)

    def start(self):
        """Starts what does not run: the card first, as a card is powered before its host's daemon."""
        if self.card is None or not self.card.alive():
            self.start_card()
        if self.daemon is None or not self.daemon.alive():
            self.start_daemon()

    def control(self, *words, timeout=3):
        """Runs `tandemctl WORDS --json` on this member; returns the parsed answer, None when there is none."""
        argv = [os.path.join(self._binaries, "tandemctl"), "--socket", f"{self.folder}/control.sock", *words, "--json"]
        try:
            return json.loads(run(argv, timeout=timeout))
        except (LabError, ValueError, subprocess.TimeoutExpired):
            return None

    def command(self, *words, timeout=10):
        """Runs `tandemctl WORDS` on this member and returns its output; LabError when it fails."""
        return run([os.path.join(self._binaries, "tandemctl"), "--socket", f"{self.folder}/control.sock", *words],
                   timeout=timeout)

    def ha(self):
        """The answer of `tandemctl ha status`, an empty dict when the daemon does not answer."""
        if self.daemon is None or not self.daemon.alive():
            return {}
        return self.control("ha", "status") or {}

    def processes(self):
        return [process for process in (self.daemon, self.card) if process is not None and process.alive()]

    def engine_clocks(self):
        """What the card's simulated RTL engine last said of itself, None with another engine: a dictionary of packets,
        words, clocks, and clocks of a packet on average and at most."""
        said = _ENGINE.findall(self.card.output()) if self.card else []
        if not said:
            return None
        packets, words, clocks, mean, most = said[-1]
        return {"packets": int(packets), "words": int(words), "clocks": int(clocks),
                "packet_clocks_mean": float(mean), "packet_clocks_max": int(most)}

    def kill_daemon(self):
        """SIGKILL to the daemon only: its card lives on. Returns the moment on the monotonic clock in ns."""
        moment = time.monotonic_ns()
        self.daemon.deliver(signal.SIGKILL)
        self.daemon.wait(5)
        return moment

    def kill_machine(self):
        """The whole appliance at once, without a goodbye: both processes are frozen in one moment, the cables pulled
        (so that no kernel closes a connection on their behalf), then both are killed. Returns the moment in ns."""
        moment = time.monotonic_ns()
        for process in self.processes():
            process.deliver(signal.SIGSTOP)
        self._topology.unplug(self.name)
        for process in self.processes():
            process.kill()
        return moment


class Pair:
    """Appliances a and b. `extra_ha`: lines for [ha] and what may follow it, of both or by name; `patience`: so many
    times the lab's lease and takeover, for tests that want no takeover but their own, however busy the machine is."""

    def __init__(self, topology, binaries, crypto="native", extra_ha="", slots=None, patience=1,
                 driver="soft"):
        self._topology = topology
        keys = os.path.dirname(topology.path("keys", "x"))
        self.psk = make_keys(keys)
        extra = extra_ha if isinstance(extra_ha, dict) else {"a": extra_ha, "b": extra_ha}
        self.members = {name: Member(topology, binaries, name, keys, crypto, extra.get(name, ""), slots, patience,
                                     driver)
                        for name in ("a", "b")}

    def check_binaries(self):
        """LabError that names the programs that are not built."""
        member = self.members["a"]
        missing = [name for name in PROGRAMS if not os.access(os.path.join(member._binaries, name), os.X_OK)]
        if missing:
            raise LabError(f"not built in {member._binaries}: {' '.join(missing)}")

    def start(self, timeout=20):
        """Starts both and waits for an active a with a standby b in sync."""
        self.check_binaries()
        self.members["a"].start()
        self.members["b"].start()
        self.wait_paired(timeout)

    def wait_paired(self, timeout=20):
        """Waits for one active member whose partner is a standby in sync; returns (active, standby)."""
        return wait_until(self._paired, timeout, _Roles(self), interval=0.05)

    def _paired(self):
        views = {name: member.ha() for name, member in self.members.items()}
        for name, other in (("a", "b"), ("b", "a")):
            if (views[name].get("role") == "active" and not views[name].get("solo")
                    and views[other].get("role") == "standby" and views[other].get("in_sync")):
                return self.members[name], self.members[other]
        return None

    def wait_active(self, member, timeout=10):
        """Waits until `member` says that it is the active one; returns its HA status."""
        def active():
            view = member.ha()
            return view if view.get("role") == "active" else None
        return wait_until(active, timeout, f"{member.name} to become active (log: {member.daemon.log})")

    def rejoin(self, member, timeout=30):
        """Brings a dead member back (cables, card, daemon) and waits until it is a standby in sync."""
        self._topology.plug(member.name)
        member.start()
        return self.wait_paired(timeout)


class _Roles:
    """Says the members' roles only when the wait has failed."""

    def __init__(self, pair):
        self._pair = pair

    def __str__(self):
        views = {name: member.ha() for name, member in self._pair.members.items()}
        logs = ", ".join(member.daemon.log for member in self._pair.members.values() if member.daemon)
        return f"one active member and one standby in sync; now {json.dumps(views)[:600]} (logs: {logs})"
