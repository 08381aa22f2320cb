# SPDX-License-Identifier: Apache-2.0
"""A real strongSwan with its ESP in user space (plugin kernel-libipsec), started in a namespace and driven by VICI."""

import os
import re
import shutil
import time

from . import topology as net
from .process import run, wait_until

CHARON = "/usr/lib/ipsec/charon"
_FOLDERS = ("x509", "x509ca", "x509ocsp", "x509aa", "x509ac", "x509crl", "pubkey", "private", "rsa", "ecdsa", "bliss",
            "pkcs8", "pkcs12", "conf.d")
IKE_PROPOSALS = "aes128gcm16-prfsha256-curve25519,aes128gcm16-prfsha256-ecp256,aes128-sha256-modp2048"
_SETTINGS = """charon {
  load = random nonce openssl aes sha1 sha2 hmac kdf gcm curve25519 pem pkcs1 pkcs8 x509 pubkey constraints revocation vici kernel-libipsec kernel-netlink socket-default updown %(load)s
  install_routes = yes
  retransmit_timeout = 0.5
  retransmit_base = 1.4
  retransmit_tries = 8
  retry_initiate_interval = 1
  close_ike_on_child_failure = yes
  filelog { log { path = %(directory)s/charon.log
    default = 1
    ike = 2
    net = 1
    flush_line = yes
    time_format = %%b %%e %%T
    } }
  plugins { vici { socket = unix://%(directory)s/vici }  kernel-libipsec { allow_peer_ts = yes }  %(plugins)s }
}
"""
_CONNECTION = """connections { %(name)s {
  version = 2
  mobike = no
  local_addrs = %(local)s
  remote_addrs = %(remote)s
  proposals = %(ike)s
  dpd_delay = %(dpd)s
  rekey_time = 0
  local { auth = psk
    id = %(local_id)s }
  remote { auth = psk
    id = %(remote_id)s }
  children { net {
    local_ts = %(local_ts)s
    remote_ts = %(remote_ts)s
    esp_proposals = %(esp)s
    rekey_time = 0
    dpd_action = %(dpd_action)s
  } }
} }
secrets { ike-psk { id-1 = %(local_id)s
  id-2 = %(remote_id)s
  secret = %(psk)s } }
"""


def parse_sas(raw):
    """Reads `swanctl --list-sas --raw` into [{state, spi_i, spi_r, children: [{name, state, spi_in, spi_out}]}]."""
    sas = []
    for event in raw.split("list-sa event")[1:]:
        ike = {"state": _field(event, "state"), "spi_i": _field(event, "initiator-spi"),
               "spi_r": _field(event, "responder-spi"), "children": []}
        _, _, children = event.partition("child-sas {")
        for child in re.findall(r"\{([^{}]*spi-in=[^{}]*)", children):
            ike["children"].append({"name": _field(child, "name"), "state": _field(child, "state"),
                                    "spi_in": _field(child, "spi-in"), "spi_out": _field(child, "spi-out"),
                                    "packets_in": int(_field(child, "packets-in") or 0),
                                    "packets_out": int(_field(child, "packets-out") or 0)})
        sas.append(ike)
    return sas


def _field(text, key):
    found = re.search(rf"(?:^|[\s{{]){re.escape(key)}=([^\s{{}}]*)", text)
    return found.group(1) if found else ""


class StrongSwan:
    """One charon in one namespace of a topology."""

    def __init__(self, topology, namespace, psk, *, local, remote, local_id, remote_id, local_ts, remote_ts,
                 esp="aes128gcm16", ike=IKE_PROPOSALS, dpd="0s", dpd_action="none",
                 load="", plugins=""):
        self._topology = topology
        self._namespace = namespace
        self.directory = topology.path(f"strongswan-{namespace}", "x")[:-2]
        self._process = None
        # Further plugins to load, and their settings.
        self._load, self._plugins = load, plugins
        self._configuration = _CONNECTION % {
            "name": "gw", "local": local, "remote": remote, "local_id": local_id, "remote_id": remote_id, "psk": psk,
            "local_ts": local_ts, "remote_ts": remote_ts, "esp": esp, "ike": ike, "dpd": dpd, "dpd_action": dpd_action}

    @property
    def log(self):
        return os.path.join(self.directory, "charon.log")

    @property
    def process(self):
        return self._process

    def start(self):
        """Starts charon and loads the connection."""
        etc = os.path.join(self.directory, "swanctl")
        shutil.rmtree(etc, ignore_errors=True)
        for folder in _FOLDERS:
            os.makedirs(os.path.join(etc, folder))
        os.makedirs(os.path.join(self.directory, "run"), exist_ok=True)
        settings = os.path.join(self.directory, "strongswan.conf")
        with open(settings, "w", encoding="utf-8") as target:
            target.write(_SETTINGS % {"directory": self.directory, "load": self._load, "plugins": self._plugins})
        with open(os.path.join(etc, "swanctl.conf"), "w", encoding="utf-8") as target:
            target.write(self._configuration)
        for leftover in (os.path.join(self.directory, "vici"), os.path.join(self.directory, "run", "charon.pid")):
            if os.path.exists(leftover):
                os.remove(leftover)
        # Its own /var/run: several charons share one machine, and each insists on its pid file.
        self._process = self._topology.start(
            f"charon-{self._namespace}",
            ["unshare", "-m", "sh", "-c", f"mount --bind {self.directory}/run /var/run && exec {CHARON}"],
            namespace=self._namespace, environment={"STRONGSWAN_CONF": settings})
        wait_until(lambda: os.path.exists(os.path.join(self.directory, "vici")), 10, "strongSwan's VICI socket")
        wait_until(lambda: "loaded" in self.swanctl("--load-all", "--file", os.path.join(etc, "swanctl.conf"),
                                                    check=False), 10, "strongSwan loading its connection")

    def swanctl(self, *words, check=True, timeout=60):
        """Runs swanctl on this charon and returns its output."""
        environment = {**os.environ, "SWANCTL_DIR": os.path.join(self.directory, "swanctl"),
                       "STRONGSWAN_CONF": os.path.join(self.directory, "strongswan.conf")}
        return run(["swanctl", *words, "--uri", f"unix://{self.directory}/vici"], check=check, timeout=timeout,
                   env=environment)

    def initiate(self, timeout=15, check=True):
        """Brings the tunnel up; returns swanctl's words."""
        return self.swanctl("--initiate", "--child", "net", "--timeout", str(timeout), check=check,
                            timeout=timeout + 15)

    def start_swanctl(self, *words):
        """Starts swanctl without waiting for its end (to disturb an exchange under way)."""
        return self._topology.start("swanctl", ["swanctl", *words, "--uri", f"unix://{self.directory}/vici"],
                                    environment={"SWANCTL_DIR": os.path.join(self.directory, "swanctl"),
                                                 "STRONGSWAN_CONF": os.path.join(self.directory, "strongswan.conf")})

    def sas(self):
        """The IKE SAs with their children, as parse_sas() gives them."""
        return parse_sas(self.swanctl("--list-sas", "--raw", check=False))

    def spis(self):
        """A comparable value that changes when any IKE or CHILD SA of this peer was replaced."""
        return sorted((sa["spi_i"], sa["spi_r"],
                       tuple(sorted((child["spi_in"], child["spi_out"]) for child in sa["children"])))
                      for sa in self.sas())

    def wait_established(self, timeout=15):
        def up():
            return [sa for sa in self.sas() if sa["state"] == "ESTABLISHED"
                    and any(child["state"] == "INSTALLED" for child in sa["children"])]
        return wait_until(up, timeout, f"an established SA at strongSwan (log: {self.log})", interval=0.1)

    def wait_quiet(self, timeout=30):
        """Waits until no SA is in the middle of an exchange (connecting, rekeying, deleting)."""
        def quiet():
            sas = self.sas()
            return all(sa["state"] == "ESTABLISHED" and all(child["state"] == "INSTALLED" for child in sa["children"])
                       for sa in sas)
        wait_until(quiet, timeout, f"strongSwan to finish its exchanges (log: {self.log})", interval=0.1)
        time.sleep(0.1)
        return self.sas()


def peer(topology, psk, **options):
    """The peer of the demonstration: initiator, protects the net behind it."""
    return StrongSwan(topology, "peer", psk, **{
        "local": net.PEER_OUTER, "remote": net.VIRTUAL_OUTER, "local_id": "peer.example", "remote_id": "gw.example",
        "local_ts": net.PEER_NET, "remote_ts": net.HOST_NET, **options})


class PlainGateway:
    """A strongSwan in the place of appliance a, without partner: the lab's own tests measure with it."""

    def __init__(self, topology, psk):
        self._topology = topology
        self.charon = StrongSwan(topology, "a", psk, local=net.VIRTUAL_OUTER, remote=net.PEER_OUTER,
                                 local_id="gw.example", remote_id="peer.example", local_ts=net.HOST_NET,
                                 remote_ts=net.PEER_NET)

    def start(self):
        self._topology.ip("a", "address", "add", f"{net.VIRTUAL_OUTER}/24", "dev", "outer")
        self._topology.ip("a", "address", "add", f"{net.VIRTUAL_INNER}/24", "dev", "inner")
        self._topology.run("a", ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward; "
                                 "for i in outer inner; do echo 0 > /proc/sys/net/ipv4/conf/$i/arp_ignore; done"])
        self.charon.start()
