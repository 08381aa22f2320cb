// SPDX-License-Identifier: Apache-2.0
// The anti-replay window: the guess of the whole number and an early look (replay_check), and the decision
// after authentication (replay_update). RFC 4303 3.4.3, A2.2; RFC 6479 (the window as a ring of words).
// Serves N3 (bound), N5 (the jump is made at the first authenticated packet of an epoch).
//
// II 1 of replay_update needs the state of the last few packets forwarded, as in sequence.
#pragma once

#include <cstdint>

#include "hw/stage/credit_view.hpp"
#include "hw/stage/outcome.hpp"
#include "hw/stage/sequence.hpp"

namespace tandem {
namespace card {

// A window the contract does not allow becomes the smallest one: never wider than the host meant.
inline std::uint32_t window_size(std::uint16_t window) {
  const bool good = window >= kReplayWindowMin && window <= kReplayWindowMax && (window & (window - 1u)) == 0;
  return good ? window : kReplayWindowMin;
}

struct ReplayEdge {
  std::uint64_t right_edge;
  std::uint64_t seen_below;  // every number below counts as seen
};

// The edge that a packet of this epoch meets: the state's, or the one the epoch's jump will set.
inline ReplayEdge replay_edge(const InboundState& state, std::uint32_t instance, const CreditView& credit,
                              const Moment& moment) {
  ReplayEdge edge = {0, 1};
  std::uint32_t epoch = 0;
  if (state.instance == instance) {
    edge.right_edge = state.right_edge;
    epoch = state.epoch;
  }
  if (epoch != activation_epoch(moment.activation) && credit.start != 0) {
    if (edge.right_edge < credit.start - 1) {
      edge.right_edge = credit.start - 1;
    }
    edge.seen_below = edge.right_edge + 1;
  }
  if (credit.floor != 0 && edge.right_edge < credit.floor - 1) {
    edge.right_edge = credit.floor - 1;
  }
  if (edge.seen_below < credit.floor) {
    edge.seen_below = credit.floor;
  }
  return edge;
}

// The whole number of a packet whose low half is `sequence` (RFC 4303 A2.2); 0: it can only be too old.
inline std::uint64_t replay_number(std::uint64_t right_edge, std::uint32_t window, std::uint32_t sequence, bool esn) {
  if (!esn) {
    return sequence;
  }
  const std::uint32_t edge_low = static_cast<std::uint32_t>(right_edge);
  const std::uint32_t edge_high = static_cast<std::uint32_t>(right_edge >> 32);
  const std::uint32_t bottom = edge_low - window + 1;
  std::uint32_t high = edge_high;
  if (edge_low >= window - 1) {
    if (sequence < bottom) {
      high = edge_high + 1;
    }
  } else if (sequence >= bottom) {
    if (edge_high == 0) {
      return 0;
    }
    high = edge_high - 1;
  }
  return std::uint64_t{high} << 32 | sequence;
}

inline bool replay_seen(const InboundState& state, const ReplayEdge& edge, std::uint32_t window, std::uint64_t number) {
  if (number == 0 || number < edge.seen_below) {
    return true;
  }
  if (number > edge.right_edge) {
    return false;
  }
  if (edge.right_edge - number >= window) {
    return true;
  }
  const std::uint64_t word = state.seen[number / 64 % (window / 64 + 1)];
  return (word >> (number % 64) & 1u) != 0;
}

struct ReplayCheckIn {
  CreditView credit;
  Moment moment;
  std::uint32_t instance;
  std::uint32_t sequence;  // as on the wire
  std::uint16_t window;
  bool esn;
};

inline ReplayCheckIn replay_check_in(const InboundPolicy& policy, const Credit& credit, const Moment& moment,
                                     std::uint32_t sequence) {
  ReplayCheckIn in;
  in.credit = credit_view(credit, moment);
  in.moment = moment;
  in.instance = policy.instance;
  in.sequence = sequence;
  in.window = policy.window;
  in.esn = (policy.flags & kSaEsn) != 0;
  return in;
}

struct ReplayCheckOut {
  Outcome outcome;
  std::uint64_t number;
};

// Before authentication: guesses the number, and sheds what is certainly old. Packets still on their way
// through the engine are not in `state` yet, which can only make a replay look new here, never the reverse.
inline ReplayCheckOut replay_check(const InboundState& state, const ReplayCheckIn& in) {
  const std::uint32_t window = window_size(in.window);
  const ReplayEdge edge = replay_edge(state, in.instance, in.credit, in.moment);
  ReplayCheckOut out = {proceed(), replay_number(edge.right_edge, window, in.sequence, in.esn)};
  if (replay_seen(state, edge, window, out.number)) {
    out.outcome = drop(Counter::kDropReplay);
  }
  return out;
}

// Sets the right edge to `edge` with everything up to it seen.
inline void replay_jump(InboundState& state, std::uint64_t edge) {
  state.right_edge = edge;
jump_words:
  for (std::uint32_t i = 0; i < kReplayWords; ++i) {
    state.seen[i] = ~std::uint64_t{0};
  }
}

// Numbers above the edge must read "not seen" in the edge's own word.
inline void replay_clear_above(InboundState& state, std::uint32_t window) {
  const std::uint64_t used = state.right_edge % 64;
  const std::uint64_t mask = used == 63 ? ~std::uint64_t{0} : (std::uint64_t{1} << (used + 1)) - 1;
  state.seen[state.right_edge / 64 % (window / 64 + 1)] &= mask;
}

inline void replay_enter(InboundState& state, std::uint32_t instance, std::uint32_t window, const CreditView& credit,
                         const Moment& moment) {
  if (state.instance != instance) {
    state = InboundState{};
    state.instance = instance;
  }
  const bool jump = state.epoch != activation_epoch(moment.activation) && credit.start != 0;
  const bool raise = credit.floor != 0 && state.right_edge < credit.floor - 1;
  if (jump || raise) {
    replay_jump(state, replay_edge(state, instance, credit, moment).right_edge);
    replay_clear_above(state, window);
  }
}

// Marks a number that replay_seen() calls new; moves the edge if it is the newest.
inline void replay_mark(InboundState& state, std::uint32_t window, std::uint64_t number) {
  const std::uint64_t words = window / 64 + 1;
  if (number > state.right_edge) {
    const std::uint64_t first = state.right_edge / 64;
    const std::uint64_t moved = number / 64 - first;
    const std::uint64_t cleared = moved < words ? moved : words;  // at most kReplayWords
  clear_words:
    for (std::uint64_t i = 1; i <= cleared; ++i) {
#pragma HLS LOOP_TRIPCOUNT max = 65
      state.seen[(first + i) % words] = 0;
    }
    state.right_edge = number;
  }
  state.seen[number / 64 % words] |= std::uint64_t{1} << (number % 64);
}

struct ReplayUpdateIn {
  CreditView credit;
  Moment moment;
  std::uint64_t number;  // authenticated
  std::uint64_t soft_packets;
  std::uint64_t hard_packets;
  std::uint64_t soft_octets;
  std::uint64_t hard_octets;
  std::uint32_t instance;
  std::uint32_t octets;  // decrypted octets
  Address source;        // outer source of the packet
  Address known_source;  // the policy's
  std::uint16_t source_port;
  std::uint16_t known_port;
  std::uint16_t window;
  std::uint16_t flags;
};

// What a policy says to this stage about a packet of `octets` decrypted octets.
inline ReplayUpdateIn replay_update_in(const InboundPolicy& policy, const Credit& credit, const Moment& moment,
                                       std::uint64_t number, std::uint32_t octets, const Address& source,
                                       std::uint16_t source_port) {
  ReplayUpdateIn in;
  in.credit = credit_view(credit, moment);
  in.moment = moment;
  in.number = number;
  in.soft_packets = policy.soft_packets;
  in.hard_packets = policy.hard_packets;
  in.soft_octets = policy.soft_octets;
  in.hard_octets = policy.hard_octets;
  in.instance = policy.instance;
  in.octets = octets;
  in.source = source;
  in.known_source = policy.outer_source;
  in.source_port = source_port;
  in.known_port = policy.udp_source_port;
  in.window = policy.window;
  in.flags = policy.flags;
  return in;
}

struct ReplayUpdateOut {
  Outcome outcome;
  std::uint32_t events;
  std::uint64_t value;  // of kBoundHit, kFirstInEpoch: the number; of kLowBound: the right edge
};

// RFC 7296 2.23: only a packet that is authentic and the newest may name a new peer address.
inline std::uint32_t follow_peer(InboundState& state, const ReplayUpdateIn& in) {
  std::uint32_t known = 0;
peer_known:
  for (std::uint32_t i = 0; i < 16; ++i) {
    known |= state.peer.octets[i];
  }
  const Address& before = known != 0 ? state.peer : in.known_source;
  const std::uint16_t port_before = known != 0 ? state.peer_port : in.known_port;
  std::uint32_t difference = static_cast<std::uint32_t>(port_before ^ in.source_port);
peer_octets:
  for (std::uint32_t i = 0; i < 16; ++i) {
    difference |= static_cast<std::uint32_t>(before.octets[i] ^ in.source.octets[i]);
  }
  state.peer = in.source;
  state.peer_port = in.source_port;
  if (difference == 0 || (in.flags & kSaFollowPeer) == 0) {
    return 0;
  }
  state.peer_changes += 1;
  return event_bit(EventKind::kPeerAddressChanged);
}

// After authentication, in the order of arrival: the only place that moves the window.
inline ReplayUpdateOut replay_update(InboundState& state, const ReplayUpdateIn& in) {
  ReplayUpdateOut out = {proceed(), 0, in.number};
  const std::uint32_t window = window_size(in.window);
  const std::uint32_t epoch = activation_epoch(in.moment.activation);
  replay_enter(state, in.instance, window, in.credit, in.moment);
  const ReplayEdge edge = replay_edge(state, in.instance, in.credit, in.moment);
  if (replay_seen(state, edge, window, in.number)) {
    out.outcome = drop(Counter::kDropReplay);
    return out;
  }
  if (in.number >= in.credit.end) {
    out.outcome = punt_slow(PuntReason::kBeyondBound);
    out.events = raise_once(state.raised, kRaisedLimit, EventKind::kBoundHit);
    return out;
  }
  if ((in.hard_packets != 0 && state.packets >= in.hard_packets) ||
      (in.hard_octets != 0 && state.octets >= in.hard_octets)) {
    out.outcome = drop(Counter::kDropLifetime);
    out.events = raise_once(state.raised, kRaisedHard, EventKind::kHardLifetime);
    return out;
  }
  const bool newest = in.number > state.right_edge;
  replay_mark(state, window, in.number);
  state.packets += 1;
  state.octets += in.octets;
  state.raised &= ~kRaisedLimit;
  state.last_used_ns = in.moment.now_ns;
  if (newest) {
    out.events |= follow_peer(state, in);
  }
  if (state.epoch != epoch) {
    state.epoch = epoch;
    out.events |= event_bit(EventKind::kFirstInEpoch);
  }
  if (state.right_edge >= in.credit.notify_at && state.notified_at != in.credit.notify_at) {
    state.notified_at = in.credit.notify_at;
    out.events |= event_bit(EventKind::kLowBound);
  }
  if ((in.soft_packets != 0 && state.packets >= in.soft_packets) ||
      (in.soft_octets != 0 && state.octets >= in.soft_octets)) {
    out.events |= raise_once(state.raised, kRaisedSoft, EventKind::kSoftLifetime);
  }
  return out;
}

}  // namespace card
}  // namespace tandem
