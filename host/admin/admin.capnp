# SPDX-License-Identifier: Apache-2.0
# The control socket's protocol. A client connects to the UNIX stream socket, sends one request and reads one
# response, each as a 4-octet big-endian length and a flat Cap'n Proto message of at most 64 KiB (request) or 16 MiB.
@0xd1f7c9a3b2e84f61;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tandem::admin::schema");

struct Request {
  # "status", "sa.list", "sa.show", "ha.status", "takeover", "maintenance", "reload", "role", "initiate", "rekey", "down", "counters"
  command @0 :Text;
  arguments @1 :List(Text);
}

struct Response {
  ok @0 :Bool;
  # Why not, when not ok.
  error @1 :Text;
  # A JSON document; its keys are the interface that --json shows.
  body @2 :Text;
}
