// SPDX-License-Identifier: Apache-2.0
// Which path a frame takes: the host's, the encrypt path's or cleartext's SPD lookup, the decrypt path's.
// Puts the parsers and the gate together. RFC 4301 5.1, 5.2. Serves N7.
#pragma once

#include <cstdint>

#include "hw/stage/parse_ethernet.hpp"
#include "hw/stage/parse_inner.hpp"
#include "hw/stage/parse_outer.hpp"

namespace tandem {
namespace card {

enum class Path : std::uint8_t { kNone = 0, kTransit = 1, kEsp = 2 };

struct ClassifyIn {
  EthernetIn ethernet;
  Window window;  // from behind the Ethernet header
  Outcome gate;
  const PortConfig* port;
  Port side;
  bool injected;
};

// Path kNone: `outcome` ends the packet. kTransit: `inner` is good, look the flow up. kEsp: `outer` is good.
struct ClassifyOut {
  Outcome outcome;
  Path path;
  InnerOut inner;
  OuterOut outer;
};

inline void classify(const ClassifyIn& in, ClassifyOut& out) {
  out.path = Path::kNone;
  const EthernetOut ethernet = parse_ethernet(in.ethernet);
  out.outcome = ethernet.outcome;
  if (ethernet.outcome.fate != Fate::kContinue) {
    return;
  }
  const std::uint32_t octets = in.ethernet.octets - kEthernetOctets;
  if (ethernet.family == kFamilyIpv6) {
    out.outcome = in.side == Port::kOuter ? punt_host() : parse_ipv6(in.window, octets, *in.port);
    if (out.outcome.fate == Fate::kPuntSlow && in.gate.fate != Fate::kContinue) {
      out.outcome = in.gate;
    }
    return;
  }
  if (in.side == Port::kOuter) {
    out.outer = parse_outer({&in.window, octets, in.port});
    if (!out.outer.transit) {
      const bool shut = out.outer.esp && in.gate.fate != Fate::kContinue;
      out.outcome = shut ? in.gate : out.outer.outcome;
      out.path = out.outcome.fate == Fate::kContinue ? Path::kEsp : Path::kNone;
      return;
    }
  }
  out.inner = parse_inner({&in.window, octets, in.port, in.injected});
  const bool shut = out.inner.transit && in.gate.fate != Fate::kContinue;
  out.outcome = shut ? in.gate : out.inner.outcome;
  out.path = out.outcome.fate == Fate::kContinue ? Path::kTransit : Path::kNone;
}

// What the SPD cache's answer means at this port.
enum class Action : std::uint8_t { kEnd = 0, kSeal = 1, kForward = 2 };

struct ActionOut {
  Outcome outcome;  // of kEnd
  Action action;
};

// `mtu`: of the port that a BYPASS packet leaves by.
inline ActionOut flow_action(const Outcome& outcome, FlowAction action, Port side, std::uint32_t octets,
                             std::uint32_t mtu) {
  ActionOut out = {outcome, Action::kEnd};
  if (outcome.fate != Fate::kContinue) {
    return out;
  }
  if (action == FlowAction::kProtect) {
    // Cleartext from outside where the policy demands PROTECT (RFC 4301 5.2, SPD-004).
    out.outcome = side == Port::kOuter ? drop(Counter::kDropPolicy) : proceed();
    out.action = side == Port::kOuter ? Action::kEnd : Action::kSeal;
    return out;
  }
  out.outcome = octets > mtu ? punt_slow(PuntReason::kTooBig) : proceed();
  out.action = octets > mtu ? Action::kEnd : Action::kForward;
  return out;
}

}  // namespace card
}  // namespace tandem
