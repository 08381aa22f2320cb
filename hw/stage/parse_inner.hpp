// SPDX-License-Identifier: Apache-2.0
// A packet in clear that asks to be forwarded: from the protected side, or cleartext from outside.
// RFC 4301 5.1, 5.2; TTL rule of RFC 4301 5.1.2.1.
#pragma once

#include <cstdint>

#include "hw/stage/parse_ip.hpp"

namespace tandem {
namespace card {

struct InnerIn {
  const Window* window;
  std::uint32_t octets;  // from the IP header on
  const PortConfig* port;
  // From the host's slow path, which has done what this stage would punt for: options, later fragments
  // (looked up with ports 0), a TTL that ran out.
  bool injected;
};

struct InnerOut {
  Outcome outcome;
  bool transit;  // the outcome concerns traffic to forward: the gate applies before it
  Ipv4 ip;
  FlowKey key;
};

inline InnerOut parse_inner(const InnerIn& in) {
  InnerOut out = {};
  out.ip = parse_ipv4(*in.window, in.octets);
  if (!out.ip.good) {
    out.outcome = drop(Counter::kDropMalformed);
    return out;
  }
  const bool group = out.ip.target.octets[0] >= 224;
  if (!in.injected && (group || is_local(*in.port, kFamilyIpv4, out.ip.target))) {
    out.outcome = punt_host();
    return out;
  }
  out.transit = true;
  const FlowKeyOut flow = flow_key(*in.window, out.ip);
  out.key = flow.key;
  if (out.ip.ttl <= 1) {
    out.outcome = in.injected ? drop(Counter::kDropTtl) : punt_slow(PuntReason::kTtl);
  } else if (in.injected) {
    out.outcome = proceed();
  } else if (out.ip.header_octets != kIpv4Octets || out.ip.later_fragment) {
    out.outcome = punt_slow(PuntReason::kInnerOptions);
  } else if (flow.ports_missing) {
    out.outcome = drop(Counter::kDropMalformed);
  } else {
    out.outcome = proceed();
  }
  return out;
}

}  // namespace card
}  // namespace tandem
