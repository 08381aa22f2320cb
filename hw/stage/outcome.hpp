// SPDX-License-Identifier: Apache-2.0
// What a stage decided about a packet. Every packet ends in exactly one counter.
#pragma once

#include <cstdint>

#include "hw/contract/counters.hpp"
#include "hw/contract/rings.hpp"

namespace tandem {
namespace card {

enum class Fate : std::uint8_t {
  kContinue = 0,  // the next stage decides
  kDrop = 1,      // `counter` says why
  kPuntHost = 2,  // the frame goes to the port's TAP
  kPuntSlow = 3,  // the packet goes to the punt ring with `reason`
};

struct Outcome {
  Fate fate;
  Counter counter;
  PuntReason reason;
};

constexpr Outcome proceed() { return Outcome{Fate::kContinue, Counter::kCount, PuntReason::kNone}; }
constexpr Outcome drop(Counter why) { return Outcome{Fate::kDrop, why, PuntReason::kNone}; }
constexpr Outcome punt_host() { return Outcome{Fate::kPuntHost, Counter::kPuntedHost, PuntReason::kNone}; }
constexpr Outcome punt_slow(PuntReason why) { return Outcome{Fate::kPuntSlow, Counter::kPuntedSlow, why}; }

// The first octets of a packet from its IP header on: what ingress splits off for the decisions. Octets
// behind the packet's end are undefined: a stage compares lengths before it believes them.
constexpr std::uint32_t kWindowOctets = 64;
struct Window {
  std::uint8_t octets[kWindowOctets];
};

// Events a stage wants raised: bit n is EventKind n.
constexpr std::uint32_t event_bit(EventKind kind) { return 1u << static_cast<std::uint32_t>(kind); }

}  // namespace card
}  // namespace tandem
