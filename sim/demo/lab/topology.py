# SPDX-License-Identifier: Apache-2.0
"""Network namespaces: peer -- wan switch -- appliances a and b -- lan switch -- host, and a sync link a -- b.

With `witness`, a network of its own to where a witness of the pair may run. With `far`, the peer is a gateway of our own with a host `far` behind it; otherwise that network ends in the peer.

Every lab has its own prefix (`tandem<pid>x<n>-`), so that several can run beside each other.
"""

import os
import re
import shutil
import subprocess
import tempfile

from .build import ROOT
from .process import LabError, Process, run

VIRTUAL_OUTER = "10.9.1.1"
VIRTUAL_INNER = "10.9.2.1"
PEER_OUTER = "10.9.1.10"
PEER_INNER = "10.9.4.10"
FAR_GATEWAY = "10.9.4.1"
HOST = "10.9.2.10"
PEER_NET = "10.9.4.0/24"
HOST_NET = "10.9.2.0/24"
MEMBER_OUTER = {"a": "10.9.1.2", "b": "10.9.1.3"}
MEMBER_INNER = {"a": "10.9.2.2", "b": "10.9.2.3"}
MEMBER_SYNC = {"a": "10.9.3.1", "b": "10.9.3.2"}
MEMBER_WITNESS = {"a": "10.9.5.1", "b": "10.9.5.2"}
WITNESS = "10.9.5.9"
NAMESPACES = ("peer", "wan", "a", "b", "lan", "host")

# (namespace, interface) pairs joined by a veth cable.
CABLES = (
    (("peer", "wan0"), ("wan", "peer")),
    (("a", "outer"), ("wan", "a")),
    (("b", "outer"), ("wan", "b")),
    (("a", "inner"), ("lan", "a")),
    (("b", "inner"), ("lan", "b")),
    (("host", "lan0"), ("lan", "host")),
    (("a", "sync"), ("b", "sync")),
)
LOGS_MAX = 20
_LOGS = os.path.join(ROOT, "build", "logs")
_PREFIX = re.compile(r"^tandem(\d+)x\d+-")
_labs_made = 0


def remove_stale():
    """Deletes the namespaces and working directories of labs whose process no longer exists (it was killed outright)."""
    def dead(name):
        found = _PREFIX.match(name)
        return found and not os.path.exists(f"/proc/{found.group(1)}")
    for line in run(["ip", "netns", "list"], check=False).splitlines():
        if line.strip() and dead(line.split()[0]):
            run(["ip", "netns", "del", line.split()[0]], check=False)
    for name in os.listdir(tempfile.gettempdir()):
        if dead(name):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


def _no_secrets(folder, names):
    """Keeps keys, configuration with the PSK and anything that is no plain file out of the saved logs."""
    return [name for name in names if name in ("keys", "swanctl", "run", "state")
            or not (os.path.isdir(os.path.join(folder, name)) or os.path.isfile(os.path.join(folder, name)))]


class Topology:
    """The namespaces, a working directory and the processes of one lab; a context manager that cleans up."""

    def __init__(self, keep=False, far=False, witness=False):
        global _labs_made
        _labs_made += 1
        self.prefix = f"tandem{os.getpid()}x{_labs_made}-"
        self.keep = keep
        self.far = far
        self._witness = witness
        self._namespaces = NAMESPACES + (("far",) if far else ()) + (("witness",) if witness else ())
        self.directory = tempfile.mkdtemp(prefix=self.prefix)
        self._processes = []

    def __enter__(self):
        if os.geteuid() != 0:
            raise LabError("network namespaces need root")
        try:
            remove_stale()
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None and kind is not KeyboardInterrupt:
            self.save_logs()
        self.close()

    def save_logs(self):
        """Copies logs and captures of a failed run to build/logs, which keeps the newest LOGS_MAX; says where."""
        saved = os.path.join(_LOGS, self.prefix.rstrip("-"))
        shutil.rmtree(saved, ignore_errors=True)
        os.makedirs(_LOGS, exist_ok=True)
        shutil.copytree(self.directory, saved, ignore=_no_secrets)
        older = sorted((os.path.join(_LOGS, name) for name in os.listdir(_LOGS)), key=os.path.getmtime)
        for folder in older[:-LOGS_MAX]:
            shutil.rmtree(folder, ignore_errors=True)
        print(f"logs: {os.path.relpath(saved)}", flush=True)

    def namespace(self, name):
        return self.prefix + name

    def path(self, *parts):
        """A path inside the lab's working directory; its folder is made."""
        path = os.path.join(self.directory, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def start(self, name, argv, namespace=None, environment=None, log=None):
        """Starts a process (in a namespace of this lab) that ends with the lab at the latest."""
        process = Process(name, argv, log or self.path("log", f"{name}.log"),
                          self.namespace(namespace) if namespace else None, environment)
        self._processes.append(process)
        return process

    def run(self, namespace, argv, check=True, timeout=30):
        """Runs a short command in a namespace of this lab and returns its output."""
        return run(["ip", "netns", "exec", self.namespace(namespace), *argv], check=check, timeout=timeout)

    def ip(self, namespace, *words, check=True):
        return run(["ip", "-n", self.namespace(namespace), *words], check=check)

    def _sysctl(self, namespace, settings):
        # One shell for all: a process per setting would take longer than the rest of the set-up.
        script = "; ".join(f"echo {value} > /proc/sys/net/{key}" for key, value in settings)
        self.run(namespace, ["sh", "-c", script], check=False)

    def _build(self):
        for name in self._namespaces:
            run(["ip", "netns", "add", self.namespace(name)])
            # IPv6 off before any interface exists: no router solicitation may leave a port.
            self._sysctl(name, [("ipv6/conf/all/disable_ipv6", 1), ("ipv6/conf/default/disable_ipv6", 1),
                                ("ipv4/conf/all/rp_filter", 0), ("ipv4/conf/default/rp_filter", 0)])
            self.ip(name, "link", "set", "lo", "up")
        cables = CABLES + (((("peer", "net0"), ("far", "lan0")),) if self.far else ())
        if self._witness:
            cables += tuple(((member, "witness"), ("witness", member)) for member in ("a", "b"))
        for (left, left_interface), (right, right_interface) in cables:
            run(["ip", "link", "add", left_interface, "netns", self.namespace(left), "type", "veth",
                 "peer", "name", right_interface, "netns", self.namespace(right)])
            for name, interface in ((left, left_interface), (right, right_interface)):
                self.run(name, ["ethtool", "-K", interface, "tx", "off", "rx", "off", "tso", "off", "gso", "off",
                                "gro", "off"], check=False)
        self._switch("wan", ("peer", "a", "b"))
        self._switch("lan", ("host", "a", "b"))
        for member in ("a", "b"):
            # The ports belong to the card: the kernel must neither answer nor speak on them.
            self._sysctl(member, [(f"ipv4/conf/{port}/arp_ignore", 8) for port in ("outer", "inner")])
            for interface in ("outer", "inner", "sync"):
                self.ip(member, "link", "set", "dev", interface, "up")
            self.ip(member, "address", "add", f"{MEMBER_SYNC[member]}/24", "dev", "sync")
        if self._witness:
            self._switch("witness", ("a", "b"))
            self.ip("witness", "address", "add", f"{WITNESS}/24", "dev", "switch")
            for member, address in MEMBER_WITNESS.items():
                self.ip(member, "address", "add", f"{address}/24", "dev", "witness")
                self.ip(member, "link", "set", "dev", "witness", "up")
        if self.far:
            self._far_peer()
        else:
            self._plain_peer()
        self.ip("host", "address", "add", f"{HOST}/24", "dev", "lan0")
        self.ip("host", "link", "set", "lan0", "up")
        self.ip("host", "route", "add", "default", "via", VIRTUAL_INNER)

    def _far_peer(self):
        self._sysctl("peer", [(f"ipv4/conf/{port}/arp_ignore", 8) for port in ("wan0", "net0")])
        for name, interface in (("peer", "wan0"), ("peer", "net0"), ("far", "lan0")):
            self.ip(name, "link", "set", interface, "up")
        self.ip("far", "address", "add", f"{PEER_INNER}/24", "dev", "lan0")
        self.ip("far", "route", "add", "default", "via", FAR_GATEWAY)

    def _plain_peer(self):
        self.ip("peer", "address", "add", f"{PEER_OUTER}/24", "dev", "wan0")
        self.ip("peer", "link", "set", "wan0", "up")
        # An empty bridge in place of a dummy interface: not every kernel has those.
        self.ip("peer", "link", "add", "net0", "type", "bridge")
        self.ip("peer", "address", "add", f"{PEER_INNER}/24", "dev", "net0")
        self.ip("peer", "link", "set", "net0", "up")

    def _switch(self, namespace, ports):
        self.ip(namespace, "link", "add", "switch", "type", "bridge", "stp_state", "0", "forward_delay", "0",
                "mcast_snooping", "0")
        for port in ports:
            self.ip(namespace, "link", "set", "dev", port, "master", "switch", "up")
        self.ip(namespace, "link", "set", "switch", "up")

    def unplug(self, member):
        """Takes the three cables of an appliance out, in one command: the moment of a kill is no time for many."""
        self._cables(member, "down", check=False)

    def plug(self, member):
        """Puts the three cables of an appliance back."""
        self._cables(member, "up", check=True)

    def _cables(self, member, state, check):
        batch = self.path(f"cables-{state}")
        with open(batch, "w", encoding="ascii") as target:
            target.writelines(f"link set dev {interface} {state}\n" for interface in ("outer", "inner", "sync"))
        self.ip(member, "-batch", batch, check=check)

    def mac(self, namespace, interface):
        """The hardware address of an interface, as `aa:bb:cc:dd:ee:ff`."""
        found = re.search(r"link/ether (\S+)", self.ip(namespace, "link", "show", "dev", interface))
        return found.group(1) if found else ""

    def close(self):
        """Ends the processes and deletes the namespaces; with `keep`, says what it left."""
        if self.keep:
            print(f"kept: namespaces {self.prefix}*, files and logs in {self.directory}; this process must stay "
                  "alive for the daemons to stay: press Ctrl-C to end", flush=True)
            try:
                while True:
                    subprocess.run(["sleep", "3600"], check=False)
            except KeyboardInterrupt:
                pass
        for process in reversed(self._processes):
            process.kill()
        for name in self._namespaces:
            run(["ip", "netns", "del", self.namespace(name)], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
