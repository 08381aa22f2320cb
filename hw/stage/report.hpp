// SPDX-License-Identifier: Apache-2.0
// What the card tells the host: counters, events, punted packets. A full ring never blocks: it counts.
#pragma once

#include <cstdint>

#include "hw/contract/memory.hpp"
#include "hw/leaf/octets.hpp"
#include "hw/leaf/shared_word.hpp"
#include "hw/stage/outcome.hpp"

namespace tandem {
namespace card {

inline void report_count(CardMemory& memory, Counter counter, std::uint64_t packets) {
  std::uint64_t& word = memory.registers.counters[static_cast<std::uint32_t>(counter)];
  store_relaxed(&word, load_relaxed(&word) + packets);
}

inline void report_event(CardMemory& memory, const Event& event) {
  RingIndex& index = memory.event_index;
  const std::uint64_t produced = load_relaxed(&index.produced);
  if (produced - load_acquire(&index.consumed) >= kEventRingSize) {
    report_count(memory, Counter::kEventsLost, 1);
    return;
  }
  memory.events[produced % kEventRingSize] = event;
  store_release(&index.produced, produced + 1);
}

// Counts the packet and copies it to the punt ring. False: it was too long for a record, or the ring full.
inline bool report_punt(CardMemory& memory, Port port, PuntReason reason, std::uint32_t slot, const std::uint8_t* ip,
                        std::uint32_t octets, std::uint64_t now_ns) {
  if (octets > kFrameMax) {
    report_count(memory, Counter::kDropTooBig, 1);
    return false;
  }
  RingIndex& index = memory.punt_index;
  const std::uint64_t produced = load_relaxed(&index.produced);
  if (produced - load_acquire(&index.consumed) >= kPuntRingSize) {
    report_count(memory, Counter::kDropRingFull, 1);
    return false;
  }
  PuntRecord& record = memory.punts[produced % kPuntRingSize];
  record.reason = static_cast<std::uint32_t>(reason);
  record.port = static_cast<std::uint32_t>(port);
  record.index = slot;
  record.octets = octets;
  record.when_ns = now_ns;
  copy_octets(record.packet, ip, octets);
  store_release(&index.produced, produced + 1);
  report_count(memory, Counter::kPuntedSlow, 1);
  return true;
}

struct EventsIn {
  std::uint32_t events;  // event_bit()s
  std::uint32_t direction;
  std::uint32_t slot;
  std::uint32_t instance;
  std::uint64_t value;    // as the stage gave it
  std::uint64_t number;   // of this packet, or the last one
  std::uint64_t edge;     // inbound: right edge
  std::uint64_t packets;  // of the SA, for the lifetimes
  std::uint64_t now_ns;
  Address source;  // inbound: where the packet came from
  std::uint16_t source_port;
};

inline bool event_wanted(const EventsIn& in, std::uint32_t kind) { return (in.events >> kind & 1u) != 0; }

// The record of one of the wanted events.
inline Event event_record(const EventsIn& in, std::uint32_t kind) {
  Event event = {};
  event.kind = kind;
  event.direction = in.direction;
  event.index = in.slot;
  event.instance = in.instance;
  event.when_ns = in.now_ns;
  event.value = in.value;
  if (kind == static_cast<std::uint32_t>(EventKind::kFirstInEpoch)) {
    event.value = in.number;
  } else if (kind == static_cast<std::uint32_t>(EventKind::kLowBound)) {
    event.value = in.edge;
  } else if (kind == static_cast<std::uint32_t>(EventKind::kSoftLifetime) ||
             kind == static_cast<std::uint32_t>(EventKind::kHardLifetime)) {
    event.value = in.packets;
  } else if (kind == static_cast<std::uint32_t>(EventKind::kPeerAddressChanged) ||
             kind == static_cast<std::uint32_t>(EventKind::kUnknownSpi)) {
    copy_octets(event.address, in.source.octets, 16);
    event.port = in.source_port;
    event.family = kFamilyIpv4;
  }
  return event;
}

constexpr std::uint32_t kEventKinds = 16;

// One record for each bit.
inline void report_events(CardMemory& memory, const EventsIn& in) {
event_kinds:
  for (std::uint32_t kind = 1; kind < kEventKinds; ++kind) {
    if (event_wanted(in, kind)) {
      report_event(memory, event_record(in, kind));
    }
  }
}

}  // namespace card
}  // namespace tandem
