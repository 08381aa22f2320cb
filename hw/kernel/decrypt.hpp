// SPDX-License-Identifier: Apache-2.0
// The decrypt kernel's way through its stages, one packet at a time. RFC 4303 3.4. Serves N3.
//
// Store and forward: nothing of a packet leaves before its ICV was compared.
#pragma once

#include <cstdint>

#include "hw/kernel/card_port.hpp"
#include "hw/stage/gcm_request.hpp"
#include "hw/stage/replay.hpp"
#include "hw/stage/sa_lookup.hpp"
#include "hw/stage/selector_check.hpp"
#include "hw/stage/trailer.hpp"

namespace tandem {
namespace card {

// Opens in place (or, with `seal`, restores what came in); true when the ICV is good.
inline bool open_engine(const InboundPolicy& policy, std::uint64_t number, std::uint8_t* esp, std::uint32_t octets,
                        bool seal) {
  GcmHlsKey key;
  gcm_hls_expand(policy.key, (policy.flags & kSaKey256) != 0, key);
  GcmRequestIn request;
  copy_octets(request.salt, policy.salt, 4);
  copy_octets(request.iv, esp + kEspHeaderOctets, kEspIvOctets);
  request.number = number;
  request.spi = policy.spi;
  request.esn = (policy.flags & kSaEsn) != 0;
  std::uint8_t tag[kGcmTagOctets];
  GcmJob job = {};
  gcm_request(request, job);
  job.key = &key;
  job.data = esp + kEspHeaderOctets + kEspIvOctets;
  job.octets = octets;
  job.tag = tag;
  gcm_hls_run<KernelLanes>(job, seal);
  return tags_equal(tag, job.data + octets);
}

inline bool for_gateway(const KernelCard& card, const Address& target) {
  return target.octets[0] >= 224 ||
         is_local(card.config->ports[static_cast<std::uint32_t>(Port::kInner)], kFamilyIpv4, target);
}

// After the window took it: trailer, selectors, ECN, TTL, next hop.
inline KernelOut open_deliver(const KernelCard& card, PacketStore& store, InboundSlot& slot,
                              const InboundPolicy& policy, std::uint32_t index, std::uint8_t outer_tos,
                              std::uint32_t ip, std::uint32_t octets) {
  const std::uint8_t* end = store.octets + ip + octets;
  const TrailerCheckOut checked = trailer_check({octets, end[-2], end[-1], padding_good(end, octets)});
  if (checked.outcome.fate != Fate::kContinue) {
    return kernel_finish(card, checked.outcome, store, ip, 0, index);
  }
  Window window;
  kernel_window(store, ip, window);
  const Ipv4 inner = parse_ipv4(window, checked.inner_octets);
  if (!inner.good) {
    return kernel_finish(card, drop(Counter::kDropInner), store, ip, 0, index);
  }
  const Outcome selected = selector_check({flow_key(window, inner), policy.selectors, policy.selector_count});
  if (selected.fate != Fate::kContinue) {
    store_relaxed(&slot.state.selector_mismatches, slot.state.selector_mismatches + 1);
    return kernel_finish(card, selected, store, ip, 0, index);
  }
  const DecapsulateOut ecn = decapsulate_ecn(outer_tos, inner.tos);
  if (ecn.outcome.fate != Fate::kContinue) {
    return kernel_finish(card, ecn.outcome, store, ip, 0, index);
  }
  if (for_gateway(card, inner.target)) {
    store.at = ip - kEthernetOctets;
    store.count = inner.total_octets + kEthernetOctets;
    copy_octets(store.octets + store.at, card.config->ports[static_cast<std::uint32_t>(Port::kInner)].mac, 6);
  clear_source:
    for (std::uint32_t i = 6; i < 12; ++i) {
      store.octets[store.at + i] = 0;
    }
    store_be16(store.octets + store.at + 12, kEtherTypeIpv4);
    report_count(*card.memory, Counter::kPuntedHost, 1);
    return {Exit::kHost, Port::kInner};
  }
  if (inner.ttl <= 1) {
    return kernel_finish(card, punt_slow(PuntReason::kTtl), store, ip, inner.total_octets, index);
  }
  kernel_forward(store, ip, ecn.tos);
  return kernel_leave(card, store, Port::kInner, inner.target, ip, inner.total_octets, index, Counter::kOpened);
}

inline KernelOut open_packet(const KernelCard& card, InboundSlot* inbound, PacketStore& store, const OuterOut& outer) {
  const std::uint32_t esp = store.at + kEthernetOctets + outer.esp_offset;
  const std::uint32_t octets = outer.esp_octets - kEspHeaderOctets - kEspIvOctets - kEspIcvOctets;
  const std::uint32_t index = spi_slot(outer.spi, card.slots);
  if (index >= card.slots) {
    return kernel_finish(card, drop(Counter::kDropUnknownSpi), store, esp, 0, 0);
  }
  InboundSlot& slot = inbound[index];
  const InboundPolicy& policy = slot.policy[load_acquire(&slot.generation) & 1u];
  const Outcome found = spi_lookup({outer.spi, policy.spi, policy.flags});
  if (found.fate != Fate::kContinue) {
    return kernel_finish(card, found, store, esp, 0, index);
  }
  const ReplayCheckOut early =
      replay_check(slot.state, replay_check_in(policy, slot.credit, card.moment, outer.sequence));
  if (early.outcome.fate != Fate::kContinue) {
    store_relaxed(&slot.state.replays, slot.state.replays + 1);
    return kernel_finish(card, early.outcome, store, esp, 0, index);
  }
  if (!open_engine(policy, early.number, store.octets + esp, octets, false)) {
    store_relaxed(&slot.state.auth_failures, slot.state.auth_failures + 1);
    return kernel_finish(card, drop(Counter::kDropAuth), store, esp, 0, index);
  }
  const ReplayUpdateOut update = replay_update(
      slot.state,
      replay_update_in(policy, slot.credit, card.moment, early.number, octets, outer.source, outer.source_port));
  EventsIn events = {};
  events.events = update.events;
  events.direction = kDirectionInbound;
  events.slot = index;
  events.instance = policy.instance;
  events.value = update.value;
  events.number = early.number;
  events.edge = slot.state.right_edge;
  events.packets = slot.state.packets;
  events.now_ns = card.moment.now_ns;
  events.source = outer.source;
  events.source_port = outer.source_port;
  report_events(*card.memory, events);
  if (update.outcome.fate != Fate::kContinue) {
    const std::uint32_t replayed = update.outcome.counter == Counter::kDropReplay ? 1 : 0;
    store_relaxed(&slot.state.replays, slot.state.replays + replayed);
    if (update.outcome.fate == Fate::kPuntSlow) {
      const std::uint32_t ip = store.at + kEthernetOctets;
      open_engine(policy, early.number, store.octets + esp, octets, true);
      return kernel_finish(card, update.outcome, store, ip, outer.esp_offset + outer.esp_octets, index);
    }
    return kernel_finish(card, update.outcome, store, esp, 0, index);
  }
  return open_deliver(card, store, slot, policy, index, outer.tos, esp + kEspHeaderOctets + kEspIvOctets, octets);
}

inline KernelOut decrypt_packet(const KernelCard& card, InboundSlot* inbound, PacketStore& store) {
  ClassifyOut seen;
  kernel_classify(card, store, seen);
  const std::uint32_t ip = store.at + kEthernetOctets;
  if (seen.path == Path::kEsp) {
    return open_packet(card, inbound, store, seen.outer);
  }
  KernelOut out = {Exit::kGone, card.side};
  std::uint64_t route = 0;
  if (seen.path == Path::kTransit) {
    kernel_transit(card, store, seen.inner, route, out);
    return out;
  }
  return kernel_finish(card, seen.outcome, store, ip, store.count - kEthernetOctets, 0);
}

}  // namespace card
}  // namespace tandem
