// SPDX-License-Identifier: Apache-2.0
// What crosses from a path's first kernel to its last one, and from there to the host kernel: one plan and one report a
// packet, each a fixed number of 512-bit beats (fields.hpp).
#pragma once

#include <cstdint>

#include "hw/kernel/tables.hpp"
#include "hw/stage/outcome.hpp"
#include "hw/stage/replay.hpp"
#include "hw/stage/report.hpp"

namespace tandem {
namespace card {

enum class Exit : std::uint8_t {
  kGone = 0,   // counted, nothing leaves
  kWire = 1,   // out of the path's port
  kPunt = 2,   // to the daemon's slow path, from the IP header on
  kTap = 3,    // whole frame to the port's TAP
  kToken = 4,  // the host kernel's own (host.hpp)
};

// For the host kernel: the one writer of counters, rings and `used` marks.
struct Report {
  Exit exit;
  Port port;
  bool injected;          // came by the path's inject stream
  std::uint32_t counter;  // Counter
  std::uint32_t reason;   // PuntReason
  std::uint32_t slot;
  std::uint32_t octets;     // kPunt, kTap: payload that follows on the frame stream
  std::uint32_t flow_mark;  // entry used, plus 1; 0: none
  std::uint32_t hop_mark;   // likewise
  std::uint64_t now_ns;
  EventsIn events;
};

template <>
struct Fields<Report> {
  static constexpr std::uint32_t kOctets = 128;
  template <typename Walk>
  static void walk(Walk& walk, Report& report) {
    walk.value(report.exit);
    walk.value(report.port);
    walk.value(report.injected);
    walk.value(report.counter);
    walk.value(report.reason);
    walk.value(report.slot);
    walk.value(report.octets);
    walk.value(report.flow_mark);
    walk.value(report.hop_mark);
    walk.value(report.now_ns);
    walk.value(report.events.events);
    walk.value(report.events.direction);
    walk.value(report.events.slot);
    walk.value(report.events.instance);
    walk.value(report.events.value);
    walk.value(report.events.number);
    walk.value(report.events.edge);
    walk.value(report.events.packets);
    walk.value(report.events.now_ns);
    Fields<Address>::walk(walk, report.events.source);
    walk.value(report.events.source_port);
  }
};

constexpr std::uint32_t kPrefixMax = 64;  // Ethernet, outer IP, UDP, ESP, IV: 58

// Where a packet's octets wait.
enum class Payload : std::uint8_t { kNone = 0, kEngine = 1, kClear = 2 };

// How the packet leaves: prefix, payload, and behind the engine's payload its tag.
struct Plan {
  Report report;
  Payload payload;
  std::uint32_t octets;  // payload
  std::uint32_t prefix_octets;
  std::uint8_t prefix[kPrefixMax];
};

template <>
struct Fields<Plan> {
  static constexpr std::uint32_t kOctets = 208;
  template <typename Walk>
  static void walk(Walk& walk, Plan& plan) {
    Fields<Report>::walk(walk, plan.report);
    walk.value(plan.payload);
    walk.value(plan.octets);
    walk.value(plan.prefix_octets);
    walk.octets(plan.prefix, kPrefixMax);
  }
};

}  // namespace card
}  // namespace tandem
