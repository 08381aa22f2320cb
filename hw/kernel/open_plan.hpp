// SPDX-License-Identifier: Apache-2.0
// What crosses the engine beside an ESP packet: the plan of its packet, and what the window's update needs. Nothing
// else is read of the SA's words behind the engine but its selectors, of the copy that this packet's generation names:
// a token that comes behind the packet keeps the host from writing it before.
#pragma once

#include <cstdint>

#include "hw/kernel/plan.hpp"

namespace tandem {
namespace card {

// What the last kernel has to do besides the plan.
enum class Opening : std::uint8_t {
  kNone = 0,
  kOpen = 1,    // the engine has it
  kReplay = 2,  // shed early: count it at its SA
};

struct OpenPlan {
  Plan plan;
  Opening opening;
  std::uint32_t words;       // of the frame as it came, on the clear stream
  std::uint32_t esp_offset;  // in that frame
  std::uint32_t esp_octets;
  std::uint8_t outer_tos;
  std::uint32_t selector_count;
  std::uint32_t generation;  // of the slot, and of the card's configuration
  std::uint32_t config_generation;
  ReplayUpdateIn update;
};

template <>
struct Fields<ReplayUpdateIn> {
  static constexpr std::uint32_t kOctets = 176;
  template <typename Walk>
  static void walk(Walk& walk, ReplayUpdateIn& in) {
    walk.value(in.credit.start);
    walk.value(in.credit.end);
    walk.value(in.credit.floor);
    walk.value(in.credit.notify_at);
    walk.value(in.moment.activation);
    walk.value(in.moment.now_ns);
    walk.value(in.moment.grant);
    walk.value(in.number);
    walk.value(in.soft_packets);
    walk.value(in.hard_packets);
    walk.value(in.soft_octets);
    walk.value(in.hard_octets);
    walk.value(in.instance);
    walk.value(in.octets);
    Fields<Address>::walk(walk, in.source);
    Fields<Address>::walk(walk, in.known_source);
    walk.value(in.source_port);
    walk.value(in.known_port);
    walk.value(in.window);
    walk.value(in.flags);
  }
};

template <>
struct Fields<OpenPlan> {
  static constexpr std::uint32_t kOctets = 416;
  template <typename Walk>
  static void walk(Walk& walk, OpenPlan& open) {
    Fields<Plan>::walk(walk, open.plan);
    walk.value(open.opening);
    walk.value(open.outer_tos);
    walk.value(open.words);
    walk.value(open.esp_offset);
    walk.value(open.esp_octets);
    walk.value(open.selector_count);
    walk.value(open.generation);
    walk.value(open.config_generation);
    Fields<ReplayUpdateIn>::walk(walk, open.update);
  }
};

}  // namespace card
}  // namespace tandem
