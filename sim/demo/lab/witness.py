# SPDX-License-Identifier: Apache-2.0
"""An etcd as the pair's witness, in a namespace of its own that both appliances reach by a cable each."""

import os

from . import topology as net
from .process import LabError, run, wait_until

PORT = 2379
ETCD = "/usr/bin/etcd"


class Etcd:
    """One etcd; the topology must have been made with `witness`. `secured`: it speaks TLS and demands certificates of its
    own CA."""

    def __init__(self, topology, secured=False):
        if not os.access(ETCD, os.X_OK):
            raise LabError(f"{ETCD} is not there: package etcd-server")
        self._topology = topology
        self._keys = os.path.dirname(topology.path("etcd-keys", "x")) if secured else None
        if secured:
            self._make_keys()
        self.process = None

    def _make_keys(self):
        def openssl(*words):
            run(["openssl", *words], cwd=self._keys)
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        openssl("req", "-x509", *new, "-days", "30", "-subj", "/CN=witness CA", "-keyout", "ca.key", "-out", "ca.pem",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        # etcd's JSON gateway is a client of its own server, with the server's certificate.
        for name, extensions in (("server", f"subjectAltName=IP:{net.WITNESS}\nextendedKeyUsage=serverAuth,clientAuth\n"),
                                 ("client", "extendedKeyUsage=clientAuth\n")):
            with open(os.path.join(self._keys, f"{name}.ext"), "w", encoding="ascii") as target:
                target.write(extensions)
            openssl("req", *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                    "30", "-extfile", f"{name}.ext", "-out", f"{name}.pem")

    def start(self):
        """Starts it, with what an earlier start left, and waits until it answers."""
        url = f"{'https' if self._keys else 'http'}://{net.WITNESS}:{PORT}"
        secured = ["--cert-file", f"{self._keys}/server.pem", "--key-file", f"{self._keys}/server.key", "--client-cert-auth",
                   "--trusted-ca-file", f"{self._keys}/ca.pem"] if self._keys else []
        self.process = self._topology.start("etcd", [
            ETCD, "--data-dir", os.path.dirname(self._topology.path("etcd", "x")), "--listen-client-urls", url,
            "--advertise-client-urls", url, "--listen-peer-urls", "http://127.0.0.1:2380",
            "--initial-advertise-peer-urls", "http://127.0.0.1:2380", "--initial-cluster",
            "default=http://127.0.0.1:2380", "--logger", "zap", *secured], namespace="witness", environment={"GOMAXPROCS": "1"})
        # It says "serving client traffic securely", or "insecurely".
        wait_until(lambda: "serving client traffic" in self.process.output(), 20, "etcd to serve")

    def credentials(self, client=True):
        """Keys of configuration() by which members know a secured etcd, and with `client` it them."""
        own = {"certificate": f'"{self._keys}/client.pem"', "private_key": f'"{self._keys}/client.key"'} if client else {}
        return {"ca": f'"{self._keys}/ca.pem"', **own}

    def cut(self, member):
        """Takes the cable between the witness and an appliance out."""
        self._topology.ip("witness", "link", "set", "dev", member, "down")

    def mend(self, member):
        self._topology.ip("witness", "link", "set", "dev", member, "up")


def configuration(**keys):
    """The [witness] table for the configuration of both members."""
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f'\n[witness]\nendpoints = ["{net.WITNESS}:{PORT}"]\n{lines}'
