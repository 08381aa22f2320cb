// SPDX-License-Identifier: Apache-2.0
// The encrypt kernel's way through its stages, one packet at a time. RFC 4303 3.3.
//
// Store and forward: a packet is in the store before its first word leaves. Latency grows with its length.
#pragma once

#include <cstdint>

#include "hw/kernel/card_port.hpp"
#include "hw/stage/gcm_request.hpp"
#include "hw/stage/outer_header.hpp"
#include "hw/stage/sa_lookup.hpp"
#include "hw/stage/sequence.hpp"
#include "hw/stage/trailer.hpp"

namespace tandem {
namespace card {

struct SealStart {
  std::uint64_t route;
  std::uint32_t ip;  // inner packet in the store
  std::uint32_t octets;
  std::uint8_t tos;
  bool dont_fragment;
};

inline void seal_engine(const OutboundPolicy& policy, std::uint64_t number, std::uint64_t iv, std::uint8_t* data,
                        std::uint32_t octets) {
  GcmHlsKey key;
  gcm_hls_expand(policy.key, (policy.flags & kSaKey256) != 0, key);
  GcmRequestIn request;
  copy_octets(request.salt, policy.salt, 4);
  store_be64(request.iv, iv);
  request.number = number;
  request.spi = policy.spi;
  request.esn = (policy.flags & kSaEsn) != 0;
  GcmJob job = {};
  gcm_request(request, job);
  job.key = &key;
  job.data = data;
  job.octets = octets;
  job.tag = data + octets;
  gcm_hls_run<KernelLanes>(job, true);
}

inline KernelOut seal_packet(const KernelCard& card, OutboundSlot* outbound, PacketStore& store,
                             const SealStart& start) {
  const std::uint32_t index = route_slot(start.route, card.slots);
  if (index >= card.slots) {
    return kernel_finish(card, punt_slow(PuntReason::kNoSa), store, start.ip, start.octets, 0);
  }
  OutboundSlot& slot = outbound[index];
  const OutboundPolicy& policy = slot.policy[load_acquire(&slot.generation) & 1u];
  const Outcome found = sa_lookup({start.route, policy.instance, policy.flags, policy.inner_mtu, start.octets});
  if (found.fate != Fate::kContinue) {
    return kernel_finish(card, found, store, start.ip, start.octets, index);
  }
  const TrailerOut tail = trailer(start.octets);
  Registers& registers = card.memory->registers;
  const SequenceIn in =
      sequence_in(policy, slot.credit, card.moment, registers.sealed_total, start.octets + tail.count);
  const SequenceOut given = sequence(slot.state, in);
  EventsIn events = {};
  events.events = given.events;
  events.direction = kDirectionOutbound;
  events.slot = index;
  events.instance = policy.instance;
  events.value = given.value;
  events.number = slot.state.next_sequence - 1;
  events.packets = slot.state.packets;
  events.now_ns = card.moment.now_ns;
  report_events(*card.memory, events);
  if (given.outcome.fate != Fate::kContinue) {
    return kernel_finish(card, given.outcome, store, start.ip, start.octets, index);
  }
  store_relaxed(&registers.sealed_total, in.sealed_total + 1);
  kernel_forward(store, start.ip, start.tos);
  copy_octets(store.octets + start.ip + start.octets, tail.octets, kTrailerMax);
  seal_engine(policy, given.number, given.iv, store.octets + start.ip, in.octets);
  const OuterHeaderOut header = outer_header(
      outer_header_in(policy, {start.tos, start.dont_fragment}, given.number, given.iv, in.octets, in.sealed_total));
  const std::uint32_t outer = start.ip - header.count;
  copy_octets(store.octets + outer, header.octets, header.count);
  return kernel_leave(card, store, Port::kOuter, policy.outer_target, outer, header.packet_octets, index,
                      Counter::kSealed);
}

inline KernelOut encrypt_packet(const KernelCard& card, OutboundSlot* outbound, PacketStore& store) {
  ClassifyOut seen;
  kernel_classify(card, store, seen);
  const std::uint32_t ip = store.at + kEthernetOctets;
  if (seen.path != Path::kTransit) {
    return kernel_finish(card, seen.outcome, store, ip, store.count - kEthernetOctets, 0);
  }
  SealStart start = {0, ip, seen.inner.ip.total_octets, seen.inner.ip.tos, seen.inner.ip.dont_fragment};
  KernelOut out = {Exit::kGone, card.side};
  return kernel_transit(card, store, seen.inner, start.route, out) ? seal_packet(card, outbound, store, start) : out;
}

}  // namespace card
}  // namespace tandem
