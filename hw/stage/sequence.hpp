// SPDX-License-Identifier: Apache-2.0
// Gives an outbound packet its sequence number and IV, or says why it gets none. RFC 4303 2.2, 3.3.3;
// RFC 4106 3.1. Serves N1 (IV), N2 (credit), N5 (the jump is made here, at the first packet of an epoch).
//
// II 1 needs the state of the last few packets forwarded: back-to-back packets of one SA read it while the
// write is still under way.
#pragma once

#include <cstdint>

#include "hw/stage/credit_view.hpp"
#include "hw/stage/outcome.hpp"

namespace tandem {
namespace card {

struct SequenceIn {
  CreditView credit;
  Moment moment;
  std::uint64_t sequence_max;
  std::uint64_t soft_packets;
  std::uint64_t hard_packets;
  std::uint64_t soft_octets;
  std::uint64_t hard_octets;
  std::uint64_t sealed_total;  // packets this card ever sealed
  std::uint32_t instance;
  std::uint32_t octets;  // encrypted octets of this packet: they count for the lifetime
  bool esn;
};

// What a policy says to this stage about a packet of `octets` encrypted octets.
inline SequenceIn sequence_in(const OutboundPolicy& policy, const Credit& credit, const Moment& moment,
                              std::uint64_t sealed_total, std::uint32_t octets) {
  SequenceIn in;
  in.credit = credit_view(credit, moment);
  in.moment = moment;
  in.sequence_max = policy.sequence_max;
  in.soft_packets = policy.soft_packets;
  in.hard_packets = policy.hard_packets;
  in.soft_octets = policy.soft_octets;
  in.hard_octets = policy.hard_octets;
  in.sealed_total = sealed_total;
  in.instance = policy.instance;
  in.octets = octets;
  in.esn = (policy.flags & kSaEsn) != 0;
  return in;
}

struct SequenceOut {
  Outcome outcome;
  std::uint64_t number;
  std::uint64_t iv;
  std::uint32_t events;  // event_bit()s
  std::uint64_t value;   // of kLowCredit and kLimitHit: the next number; of the lifetimes: use state.packets
};

// Raises `kind` once per `bit` of state.raised.
inline std::uint32_t raise_once(std::uint32_t& raised, std::uint32_t bit, EventKind kind) {
  const std::uint32_t events = (raised & bit) == 0 ? event_bit(kind) : 0;
  raised |= bit;
  return events;
}

// A state of another instance is void; the epoch's jump and the floor only ever move the number up.
inline void sequence_enter(OutboundState& state, const SequenceIn& in) {
  if (state.instance != in.instance) {
    state = OutboundState{};
    state.instance = in.instance;
    state.next_sequence = 1;
    state.iv_counter = in.sealed_total;
  }
  if (state.epoch != activation_epoch(in.moment.activation) && state.next_sequence != 0 &&
      state.next_sequence < in.credit.start) {
    state.next_sequence = in.credit.start;
  }
  if (state.next_sequence != 0 && state.next_sequence < in.credit.floor) {
    state.next_sequence = in.credit.floor;
  }
}

inline SequenceOut sequence_refuse(SequenceOut out, Counter why, std::uint32_t events) {
  out.outcome = drop(why);
  out.events = events;
  return out;
}

inline SequenceOut sequence(OutboundState& state, const SequenceIn& in) {
  SequenceOut out = {proceed(), 0, 0, 0, 0};
  sequence_enter(state, in);
  const std::uint64_t wire_max = in.esn ? ~std::uint64_t{0} : 0xffffffffu;
  const std::uint64_t sequence_max = in.sequence_max < wire_max ? in.sequence_max : wire_max;
  const std::uint64_t number = state.next_sequence;
  out.value = number;
  if ((in.hard_packets != 0 && state.packets >= in.hard_packets) ||
      (in.hard_octets != 0 && state.octets >= in.hard_octets)) {
    return sequence_refuse(out, Counter::kDropLifetime,
                           raise_once(state.raised, kRaisedHard, EventKind::kHardLifetime));
  }
  // 0: the 64-bit counter has run over.
  if (number == 0 || number > sequence_max) {
    return sequence_refuse(out, Counter::kDropSequence,
                           raise_once(state.raised, kRaisedExhausted, EventKind::kSequenceExhausted));
  }
  if (state.iv_counter > kIvCounterMax) {
    return sequence_refuse(out, Counter::kDropSequence,
                           raise_once(state.raised, kRaisedExhausted, EventKind::kIvExhausted));
  }
  if (number >= in.credit.end) {
    return sequence_refuse(out, Counter::kDropCredit, raise_once(state.raised, kRaisedLimit, EventKind::kLimitHit));
  }
  out.number = number;
  out.iv = make_iv(activation_incarnation(in.moment.activation), state.iv_counter);
  state.next_sequence = number + 1;
  state.iv_counter += 1;
  state.packets += 1;
  state.octets += in.octets;
  state.raised &= ~kRaisedLimit;
  state.last_used_ns = in.moment.now_ns;
  if (state.epoch != activation_epoch(in.moment.activation)) {
    state.epoch = activation_epoch(in.moment.activation);
    out.events |= event_bit(EventKind::kFirstInEpoch);
  }
  if (state.next_sequence >= in.credit.notify_at && state.notified_at != in.credit.notify_at) {
    state.notified_at = in.credit.notify_at;
    out.events |= event_bit(EventKind::kLowCredit);
    out.value = state.next_sequence;
  }
  if ((in.soft_packets != 0 && state.packets >= in.soft_packets) ||
      (in.soft_octets != 0 && state.octets >= in.soft_octets)) {
    out.events |= raise_once(state.raised, kRaisedSoft, EventKind::kSoftLifetime);
  }
  return out;
}

}  // namespace card
}  // namespace tandem
