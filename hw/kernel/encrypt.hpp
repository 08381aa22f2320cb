// SPDX-License-Identifier: Apache-2.0
// The encrypt path's own stages: the SA and its number in the first kernel; prefix, ciphertext and tag put together in
// the last. RFC 4303 3.3. Serves N1, N2.
#pragma once

#include <cstdint>

#include "hw/kernel/engine_port.hpp"
#include "hw/kernel/front.hpp"
#include "hw/stage/gcm_request.hpp"
#include "hw/stage/sa_lookup.hpp"
#include "hw/stage/sequence.hpp"

namespace tandem {
namespace card {

// Registers::sealed_total has its line to itself: this kernel alone writes it.
constexpr std::uint32_t kSealedTotalWord = offsetof(Registers, sealed_total) / 8;

struct SealSlot {
  OutboundPolicy policy;
  Credit credit;
  OutboundState state;
};

// The copy of the policy that the slot's generation names, and the words beside it.
inline void seal_slot_load(const Line* slot, SealSlot& out) {
  Generation generation = {};
  fields_load(slot, generation);
  fields_load(slot + kOutboundPolicyLine + (generation.value & 1u) * kOutboundPolicyLines, out.policy);
  fields_load(slot + kOutboundCreditLine, out.credit);
  fields_load(slot + kOutboundStateLine, out.state);
}

inline void seal_events(const SealSlot& slot, const SequenceOut& given, Item& item) {
  EventsIn& events = item.report.events;
  events.events = given.events;
  events.direction = kDirectionOutbound;
  events.slot = item.slot;
  events.instance = slot.policy.instance;
  events.value = given.value;
  events.number = slot.state.next_sequence - 1;
  events.packets = slot.state.packets;
  events.now_ns = item.moment.now_ns;
}

// Headers and job of a packet that has its number.
inline void seal_request(const SealSlot& slot, const SequenceIn& in, const SequenceOut& given, Item& item,
                         GcmJob& job) {
  const OutboundPolicy& policy = slot.policy;
  GcmRequestIn request = {};
  copy_octets(request.salt, policy.salt, 4);
  store_be64(request.iv, given.iv);
  request.number = given.number;
  request.spi = policy.spi;
  request.esn = in.esn;
  gcm_request(request, job);
  job.octets = in.octets;
  job.key256 = (policy.flags & kSaKey256) != 0;
  const OuterHeaderOut header = outer_header(
      outer_header_in(policy, {item.tos, item.dont_fragment}, given.number, given.iv, in.octets, in.sealed_total));
  copy_octets(item.header, header.octets, kOuterHeaderMax);
  item.header_octets = header.count;
  item.step = Step::kLeave;
  item.sealed = true;
  item.addressed = true;
  item.hop = policy.outer_target;
  item.counter = Counter::kSealed;
  item.patched = true;
  item.changed = forward(item.ip, item.tos);
}

// SA, number, headers; the job goes to the engine, its payload follows from the mover.
inline void seal_stage(Stream<Item>& in, Line* outbound, std::uint64_t* totals, std::uint32_t slots,
                       Stream<KeyWord>& key, Stream<JobWord>& jobs, Stream<Item>& out) {
  static HeldKeys held;
  Item item = in.read();
  const std::uint32_t index = route_slot(item.route, slots);
  if (item.step == Step::kSeal && (index >= slots || index >= kEngineKeys)) {
    item_end(item, punt_slow(PuntReason::kNoSa));
  } else if (item.step == Step::kSeal) {
    item.slot = index;
    Line* const at = outbound + index * kOutboundLines;
    SealSlot slot = {};
    seal_slot_load(at, slot);
    const Outcome found =
        sa_lookup({item.route, slot.policy.instance, slot.policy.flags, slot.policy.inner_mtu, item.octets});
    if (found.fate != Fate::kContinue) {
      item_end(item, found);
    } else {
      item.tail = trailer(item.octets);
      const SequenceIn asked =
          sequence_in(slot.policy, slot.credit, item.moment, totals[kSealedTotalWord], item.octets + item.tail.count);
      const SequenceOut given = sequence(slot.state, asked);
      fields_store(at + kOutboundStateLine, slot.state);
      seal_events(slot, given, item);
      if (given.outcome.fate != Fate::kContinue) {
        item_end(item, given.outcome);
        item.tail.count = 0;
      } else {
        totals[kSealedTotalWord] = asked.sealed_total + 1;
        GcmJob job = {};
        seal_request(slot, asked, given, item, job);
        const std::uint32_t rows = engine_key_send(held, index, slot.policy.key, job.key256, key);
        engine_job_send(job, index, true, rows, jobs);
      }
    }
  }
  out.write(item);
}

// ---- The last kernel.

// The packet's words: prefix, payload from where it waits, tag. `wire` or the host's frame stream gets them.
inline void join_packet(const Plan& plan, Stream<Word>& target, Stream<TagWord>& tag, Stream<Word>& clear,
                        Stream<Word>& wire, Stream<Word>& frames) {
  const bool engine = plan.payload == Payload::kEngine;
  const bool to_wire = plan.report.exit == Exit::kWire;
  Joiner joiner = {};
  Word word;
  if (joiner_put(joiner, plan.prefix, plan.prefix_octets, word)) {
    word_route(word, to_wire, wire, frames);
  }
  const std::uint32_t words = (plan.octets + kWordDataOctets - 1) / kWordDataOctets;
join_words:
  for (std::uint32_t index = 0; index < kPayloadWords; ++index) {
    if (index < words) {
      std::uint8_t octets[kWordDataOctets];
      word_octets_get(engine ? target.read() : clear.read(), kWordDataLow, octets, kWordDataOctets);
      if (joiner_slice(joiner, octets, index, 0, plan.octets, word)) {
        word_route(word, to_wire, wire, frames);
      }
    }
  }
  if (engine) {
    std::uint8_t octets[kWordDataOctets] = {};
    word_octets_get(tag.read(), kEngineTagLow, octets, kGcmTagOctets);
    if (joiner_put(joiner, octets, kGcmTagOctets, word)) {
      word_route(word, to_wire, wire, frames);
    }
  }
  if (joiner_end(joiner, word)) {
    word_route(word, to_wire, wire, frames);
  }
}

inline void seal_end_stage(Stream<Line>& plans, Stream<Word>& target, Stream<TagWord>& tag, Stream<Word>& clear,
                           Stream<Word>& wire, Stream<Line>& reports, Stream<Word>& frames) {
  Plan plan = {};
  fields_read(plans, plan);
  fields_write(reports, plan.report);
  if (plan.payload != Payload::kNone) {
    join_packet(plan, target, tag, clear, wire, frames);
  }
}

}  // namespace card
}  // namespace tandem
