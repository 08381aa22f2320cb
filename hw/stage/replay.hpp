// SPDX-License-Identifier: Apache-2.0
// The anti-replay window: the guess of the whole number and an early look (replay_check), and the decision
// after authentication (replay_update). RFC 4303 3.4.3, A2.2; RFC 6479 (the window as a ring of words).
// Serves N3 (bound), N5 (the jump is made at the first authenticated packet of an epoch).
//
// The rules see the ring of words one word at a time: a packet's own word is read before replay_decide() and written
// behind it; replay_enter() and ReplayUpdateOut say what becomes of the others, which is nothing for nearly all
// packets. replay_update() does all of that to a state in memory; a card keeps the ring in rows (hw/kernel/window.hpp).
// A packet a few clocks on a card needs the state of the last few packets forwarded, as in sequence.
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

// Words of the ring: one more than the window has.
inline std::uint32_t ring_words(std::uint32_t window) { return window / 64 + 1; }

// The sum of the digits of 2 kShift bits in the lowest kBits of `value`.
template <int kShift, int kBits>
std::uint64_t ring_fold(std::uint64_t value) {
  constexpr std::uint32_t kDigit = 2 * kShift;
  constexpr std::uint64_t kMask = (std::uint64_t{1} << kDigit) - 1;
  std::uint64_t sum = 0;
ring_digits:
  for (std::uint32_t low = 0; low < kBits; low += kDigit) {
#pragma HLS UNROLL
    sum += value >> low & kMask;
  }
  return sum;
}

// `value` modulo 2^kShift + 1, where 2^(2 kShift) is 1: digits just add up, until one is left. A divider would hold a
// card up for some 70 clocks.
template <int kShift>
std::uint32_t ring_modulo(std::uint64_t value) {
  const std::uint64_t some = ring_fold<kShift, 16>(ring_fold<kShift, 64>(value));  // the first sum has 15 bits
  const std::uint64_t rest = ring_fold<kShift, 16>(kShift == 1 ? ring_fold<kShift, 16>(some) : some);
  const std::uint32_t words = (1u << kShift) + 1;
  const std::uint32_t low = static_cast<std::uint32_t>(rest & ((1u << kShift) - 1));
  const std::uint32_t high = static_cast<std::uint32_t>(rest >> kShift);
  const std::uint32_t apart = low + words - high;
  return apart >= words ? apart - words : apart;
}

// The word of the ring that holds the bit of `number`. `window` as window_size() gives it.
inline std::uint32_t ring_word(std::uint64_t number, std::uint32_t window) {
  const std::uint64_t block = number / 64;
  switch (window) {
    case 64:
      return static_cast<std::uint32_t>(block & 1u);
    case 128:
      return ring_modulo<1>(block);
    case 256:
      return ring_modulo<2>(block);
    case 512:
      return ring_modulo<3>(block);
    case 1024:
      return ring_modulo<4>(block);
    case 2048:
      return ring_modulo<5>(block);
    default:
      return ring_modulo<6>(block);
  }
}

// `word`: the number's own, of the ring.
inline bool replay_seen(std::uint64_t word, const ReplayEdge& edge, std::uint32_t window, std::uint64_t number) {
  if (number == 0 || number < edge.seen_below) {
    return true;
  }
  if (number > edge.right_edge) {
    return false;
  }
  if (edge.right_edge - number >= window) {
    return true;
  }
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

// The number a packet claims, and the edge it meets.
struct ReplayGuess {
  ReplayEdge edge;
  std::uint64_t number;
  std::uint32_t window;
};

// `state` may be older than the packets still on their way through the engine: that can only make a replay look new.
inline ReplayGuess replay_guess(const InboundState& state, const ReplayCheckIn& in) {
  ReplayGuess out;
  out.window = window_size(in.window);
  out.edge = replay_edge(state, in.instance, in.credit, in.moment);
  out.number = replay_number(out.edge.right_edge, out.window, in.sequence, in.esn);
  return out;
}

struct ReplayCheckOut {
  Outcome outcome;
  std::uint64_t number;
};

// Before authentication: guesses the number, and sheds what is certainly old.
inline ReplayCheckOut replay_check(const InboundState& state, const ReplayCheckIn& in) {
  const ReplayGuess guess = replay_guess(state, in);
  ReplayCheckOut out = {proceed(), guess.number};
  // Nearly all numbers are new, and of those no word is asked.
  const bool newest = guess.number > guess.edge.right_edge;
  const std::uint64_t word = newest ? 0 : state.seen[ring_word(guess.number, guess.window)];
  if (replay_seen(word, guess.edge, guess.window, guess.number)) {
    out.outcome = drop(Counter::kDropReplay);
  }
  return out;
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

// RFC 7296 2.23: only a packet that is authentic and the newest may name a new peer address.
inline std::uint32_t follow_peer(InboundState& state, const ReplayUpdateIn& in) {
  std::uint32_t known = 0;
peer_known:
  for (std::uint32_t i = 0; i < 16; ++i) {
    known |= state.peer.octets[i];
  }
  Address before = in.known_source;
  if (known != 0) {
    before = state.peer;
  }
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

// What becomes of the whole ring before a packet is looked at.
struct ReplayReset {
  bool wanted;
  std::uint64_t value;  // of all words ...
  std::uint32_t edge;   // ... but this one,
  std::uint64_t mask;   // of which only these bits may be set
};

inline std::uint64_t reset_word(const ReplayReset& reset, std::uint32_t word) {
  return word == reset.edge ? reset.value & reset.mask : reset.value;
}

// A state of another instance is void; the epoch's jump and the floor set the edge with everything up to it seen, and
// numbers above it in its own word not seen.
inline ReplayReset replay_enter(InboundState& state, const ReplayUpdateIn& in) {
  ReplayReset reset = {false, 0, 0, 0};
  if (state.instance != in.instance) {
    state = InboundState{};
    state.instance = in.instance;
    reset.wanted = true;
  }
  const bool jump = state.epoch != activation_epoch(in.moment.activation) && in.credit.start != 0;
  const bool raise = in.credit.floor != 0 && state.right_edge < in.credit.floor - 1;
  if (jump || raise) {
    state.right_edge = replay_edge(state, in.instance, in.credit, in.moment).right_edge;
    const std::uint64_t used = state.right_edge % 64;
    reset.wanted = true;
    reset.value = ~std::uint64_t{0};
    reset.edge = ring_word(state.right_edge, window_size(in.window));
    reset.mask = used == 63 ? ~std::uint64_t{0} : (std::uint64_t{1} << (used + 1)) - 1;
  }
  return reset;
}

struct ReplayUpdateOut {
  Outcome outcome;
  std::uint32_t events;
  std::uint64_t value;  // of kBoundHit, kFirstInEpoch: the number; of kLowBound: the right edge
  bool marked;          // the number is new: its own word becomes `word`,
  std::uint64_t word;
  std::uint32_t cleared;  // and as many words in front of it in the ring become zero
};

// Marks a number that replay_seen() calls new; moves the edge if it is the newest. What it moves over is not seen yet.
inline void replay_mark(InboundState& state, std::uint32_t window, std::uint64_t number, std::uint64_t word,
                        ReplayUpdateOut& out) {
  std::uint64_t moved = 0;
  if (number > state.right_edge) {
    moved = number / 64 - state.right_edge / 64;
    state.right_edge = number;
  }
  const std::uint64_t others = ring_words(window) - 1;
  out.marked = true;
  out.word = (moved == 0 ? word : 0) | std::uint64_t{1} << (number % 64);
  out.cleared = static_cast<std::uint32_t>(moved == 0 ? 0 : moved - 1 < others ? moved - 1 : others);
}

// After authentication, in the order of arrival: the only place that moves the window. `word`: the number's own, of a
// ring that replay_enter() has been applied to.
inline ReplayUpdateOut replay_decide(InboundState& state, std::uint64_t word, const ReplayUpdateIn& in) {
  ReplayUpdateOut out = {proceed(), 0, in.number, false, 0, 0};
  const std::uint32_t window = window_size(in.window);
  const std::uint32_t epoch = activation_epoch(in.moment.activation);
  const ReplayEdge edge = replay_edge(state, in.instance, in.credit, in.moment);
  if (replay_seen(word, edge, window, in.number)) {
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
  replay_mark(state, window, in.number, word, out);
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

// All of it, to a state that lies in memory.
inline ReplayUpdateOut replay_update(InboundState& state, const ReplayUpdateIn& in) {
  const ReplayReset reset = replay_enter(state, in);
  if (reset.wanted) {
  reset_words:
    for (std::uint32_t word = 0; word < kReplayWords; ++word) {
      state.seen[word] = reset_word(reset, word);
    }
  }
  const std::uint32_t window = window_size(in.window);
  const std::uint32_t own = ring_word(in.number, window);
  const ReplayUpdateOut out = replay_decide(state, state.seen[own], in);
  if (out.marked) {
    state.seen[own] = out.word;
    std::uint32_t word = own;
  clear_words:
    for (std::uint32_t i = 0; i < kReplayWords; ++i) {
      if (i == out.cleared) {
        break;
      }
      word = word == 0 ? ring_words(window) - 1 : word - 1;
      state.seen[word] = 0;
    }
  }
  return out;
}

}  // namespace card
}  // namespace tandem
