# SPDX-License-Identifier: Apache-2.0
"""An etcd as the pair's witness, in a namespace of its own that both appliances reach by a cable each."""

import os

from . import topology as net
from .process import LabError, wait_until

PORT = 2379
ETCD = "/usr/bin/etcd"


class Etcd:
    """One etcd; the topology must have been made with `witness`."""

    def __init__(self, topology):
        if not os.access(ETCD, os.X_OK):
            raise LabError(f"{ETCD} is not there: package etcd-server")
        self._topology = topology
        self.process = None

    def start(self):
        """Starts it, with what an earlier start left, and waits until it answers."""
        url = f"http://{net.WITNESS}:{PORT}"
        self.process = self._topology.start("etcd", [
            ETCD, "--data-dir", os.path.dirname(self._topology.path("etcd", "x")), "--listen-client-urls", url,
            "--advertise-client-urls", url, "--listen-peer-urls", "http://127.0.0.1:2380",
            "--initial-advertise-peer-urls", "http://127.0.0.1:2380", "--initial-cluster",
            "default=http://127.0.0.1:2380", "--logger", "zap"], namespace="witness", environment={"GOMAXPROCS": "1"})
        wait_until(lambda: "serving client traffic" in self.process.output(), 20, "etcd to serve")

    def cut(self, member):
        """Takes the cable between the witness and an appliance out."""
        self._topology.ip("witness", "link", "set", "dev", member, "down")

    def mend(self, member):
        self._topology.ip("witness", "link", "set", "dev", member, "up")


def configuration(**keys):
    """The [witness] table for the configuration of both members."""
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f'\n[witness]\nendpoints = ["{net.WITNESS}:{PORT}"]\n{lines}'
