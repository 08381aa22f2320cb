// SPDX-License-Identifier: Apache-2.0
// The stages that both paths begin with: a thin wrapper each, which reads one item, calls the stage's core and writes
// one. Every packet passes every stage, so that order is kept; a stage that has nothing to say hands the item on.
// Serves N7 (the gate).
#pragma once

#include <cstdint>

#include "hw/kernel/item.hpp"
#include "hw/kernel/joiner.hpp"
#include "hw/kernel/tables.hpp"
#include "hw/stage/flow_lookup.hpp"
#include "hw/stage/gate.hpp"
#include "hw/stage/next_hop.hpp"
#include "hw/stage/speaker.hpp"

namespace tandem {
namespace card {

// The card's clock, in ns: whoever sends it always has the time ready, but up to this many items may have waited on the
// way since they were made.
constexpr std::uint32_t kClockStale = 8;
using ClockWord = WideWord<64>;

inline std::uint64_t clock_now(Stream<ClockWord>& clock) {
  std::uint64_t now = 0;
stale:
  for (std::uint32_t i = 0; i <= kClockStale; ++i) {
    now = word_get(clock.read(), 0, 64);
  }
  return now;
}

// The host kernel's own: passes every stage without a word of payload and comes back as a report.
constexpr InjectKind kInjectToken = static_cast<InjectKind>(255);

// A token with this route makes its path leave the wire unread until the next token.
constexpr std::uint32_t kTokenHold = 1;

// In front of an injected packet's words (a token's control word is its last). Behind it the words hold a frame: for
// kinds other than kFrame its Ethernet header is zeros.
struct Injection {
  InjectKind kind;
  std::uint32_t route;  // kSealRoute: which; a token: kTokenHold or 0
  Address next_hop;
};

template <>
struct Fields<Injection> {
  static constexpr std::uint32_t kOctets = 24;
  template <typename Walk>
  static void walk(Walk& walk, Injection& injection) {
    walk.value(injection.kind);
    walk.value(injection.route);
    Fields<Address>::walk(walk, injection.next_hop);
  }
};

inline void head_injected(const Word& control, Head& head) {
  std::uint64_t words[kLineWords];
control_words:
  for (std::uint32_t i = 0; i < kLineWords; ++i) {
    words[i] = word_get(control, static_cast<int>(64 * i), 64);
  }
  Injection injection = {};
  FieldReader reader(words);
  Fields<Injection>::walk(reader, injection);
  head.kind = injection.kind;
  head.route = injection.route;
  head.next_hop = injection.next_hop;
}

// ---- Ingress: whole packets, injected ones first. A frame longer than kFrameMax is swallowed to its last word.
// While a standby is being handed the service the wire's frames wait where they are (`holds_wires` in gate.hpp): the
// host kernel, which has the clock and the register at hand, says so by its tokens. `kSide`: each path has its own.
template <Port kSide>
void ingress_stage(Stream<Word>& inject, Stream<Word>& wire, Stream<Head>& heads, Stream<Word>& payload) {
  static bool held;
  const bool injected = held || stream_choose(inject, wire);
  Head head = {};
  bool last = false;
  if (injected) {
    const Word control = inject.read();
    head_injected(control, head);
    last = word_get(control, kWordLastBit, 1) != 0;
    held = head.kind == kInjectToken ? head.route == kTokenHold : held;
  }
  bool ragged = false;  // a word that is not full in front of the last one
ingress_words:
  while (!last) {  // ends with the packet: whoever fills the stream sets `last`
#pragma HLS LOOP_TRIPCOUNT max = 33
    const Word word = injected ? inject.read() : wire.read();
    last = word_get(word, kWordLastBit, 1) != 0;
    const std::uint32_t count = word_octets(word);
    ragged = ragged || (!last && count != kWordDataOctets);
    head.octets = head.octets + count > kFrameMax ? kOversize : head.octets + count;
    if (head.words < kFrameWords) {
      if (head.words < 2) {
        word_octets_get(word, kWordDataLow, head.at + kWordDataOctets * head.words, kWordDataOctets);
      }
      payload.write(word);
      head.words += 1;
    }
  }
  if (ragged && head.octets <= kFrameMax) {
    head.octets = 0;  // malformed
  }
  heads.write(head);
}

// ---- Classify.
inline void item_end(Item& item, const Outcome& outcome) {
  item.step = Step::kEnd;
  item.outcome = outcome;
}

// A packet from the wire, or injected to go through its path as if a neighbour had sent it to us.
inline void classify_frame(const Head& head, const Outcome& gated, const CardConfig& config, Item& item) {
  ClassifyIn in = {};
  in.gate = gated;
  in.port = &config.ports[static_cast<std::uint32_t>(item.side)];
  in.side = item.side;
  in.injected = head.kind != InjectKind::kNone;
  copy_octets(in.ethernet.mac, in.port->mac, 6);
  copy_octets(in.ethernet.header, head.at, kEthernetOctets);
  if (in.injected) {
    copy_octets(in.ethernet.header, in.port->mac, 6);
    store_be16(in.ethernet.header + 12, head.at[kEthernetOctets] >> 4 == 6 ? kEtherTypeIpv6 : kEtherTypeIpv4);
  }
  in.ethernet.octets = head.octets;
  copy_octets(in.window.octets, head.at + kEthernetOctets, kWindowOctets);
  ClassifyOut seen = {};
  classify(in, seen);
  item.outer = seen.outer;
  item.skip = kEthernetOctets;
  item.octets = head.octets - kEthernetOctets;
  if (seen.path == Path::kTransit) {
    item.step = Step::kLookup;
    item.octets = seen.inner.ip.total_octets;
    item.tos = seen.inner.ip.tos;
    item.dont_fragment = seen.inner.ip.dont_fragment;
    item.key = seen.inner.key;
  } else if (seen.path == Path::kEsp) {
    item.step = Step::kOpen;
    copy_octets(item.iv, head.at + kEthernetOctets + seen.outer.esp_offset + kEspHeaderOctets, kEspIvOctets);
  } else {
    item_end(item, seen.outcome);
  }
}

// What the host itself sends: out as it is, unless it speaks for an address that is not ours to use now.
inline void classify_sent(const Head& head, const Outcome& gated, const CardConfig& config, Item& item) {
  const bool whole = head.kind == InjectKind::kFrame;
  SpeakerIn in = {};
  copy_octets(in.window.octets, head.at + kEthernetOctets, kWindowOctets);
  in.octets = head.octets - kEthernetOctets;
  in.ether_type = whole ? load_be16(head.at + 12) : kEtherTypeIpv4;
  in.port = &config.ports[static_cast<std::uint32_t>(item.out)];
  const Ipv4 ip = parse_ipv4(in.window, in.octets);
  if (head.octets < kEthernetOctets || (!whole && !ip.good)) {
    item_end(item, drop(Counter::kDropMalformed));
    return;
  }
  if (gated.fate != Fate::kContinue && speaks_for_virtual(in)) {
    item_end(item, gated);
    return;
  }
  std::uint32_t given = 0;
hop_given:
  for (std::uint32_t i = 0; i < 16; ++i) {
    given |= head.next_hop.octets[i];
  }
  item.step = Step::kLeave;
  item.counter = Counter::kInjected;
  item.addressed = !whole;
  item.hop = given != 0 ? head.next_hop : ip.target;
  item.skip = whole ? 0 : kEthernetOctets;
  item.octets = whole ? head.octets : ip.total_octets;
}

// `side`: the port that the path begins at. The gate's answer is made here, from a clock that was just read.
inline void classify_stage(Stream<Head>& heads, Stream<ClockWord>& clock, const Line* memory, Port side,
                           Stream<Item>& items) {
  const Head head = heads.read();
  Item item = {};
  item.moment.now_ns = clock_now(clock);
  CommandLine command = {};
  fields_load(memory + kCommandLine, command);
  CardConfig config = {};
  fields_load(memory + kConfigLine + (command.config_generation & 1u) * kConfigLines, config);
  item.moment.activation = command.activation;
  item.moment.grant = command.grant;
  const Outcome gated = gate({command.activation, command.lease_deadline_ns, item.moment.now_ns});
  item.kind = head.kind;
  item.side = side;
  item.out = side == Port::kOuter ? Port::kInner : Port::kOuter;
  item.words = head.words;
  item.out_mtu = config.ports[static_cast<std::uint32_t>(item.out)].mtu;
  copy_octets(item.macs[0], config.ports[0].mac, 6);
  copy_octets(item.macs[1], config.ports[1].mac, 6);
  copy_octets(item.ip, head.at + kEthernetOctets, kIpv4Octets);
  item.route = head.route;
  item.hop = head.next_hop;
  item.report.now_ns = item.moment.now_ns;
  item.report.injected = head.kind != InjectKind::kNone;
  if (head.kind == kInjectToken) {
    item_end(item, proceed());
  } else if (head.kind == InjectKind::kFrame || head.kind == InjectKind::kIpPacket) {
    classify_sent(head, gated, config, item);
  } else {
    classify_frame(head, gated, config, item);
  }
  items.write(item);
}

// ---- SPD cache. RFC 4301 5.1, 5.2.
inline std::uint64_t route_load(const Line* memory, std::uint64_t route) {
  if (route >= kRoutes) {
    return 0;
  }
  Route line = {};
  fields_load(memory + kRouteLine + route / kLineWords, line);
  return line.words[route % kLineWords];
}

inline void flow_stage(Stream<Item>& in, const Line* memory, Stream<Item>& out) {
  Item item = in.read();
  if (item.step == Step::kLookup && item.kind == InjectKind::kSealRoute) {
    item.step = Step::kSeal;
    item.route = route_load(memory, item.route);
  } else if (item.step == Step::kLookup) {
    const std::uint32_t bucket = flow_bucket(item.key) * kFlowWays;
    FlowEntry entries[kFlowWays] = {};
  flow_entries:
    for (std::uint32_t way = 0; way < kFlowWays; ++way) {
      fields_load(memory + kFlowLine + bucket + way, entries[way]);
    }
    const FlowOut flow = flow_lookup(entries, item.key);
    item.report.flow_mark = flow.hit ? bucket + flow.way + 1 : 0;
    const ActionOut decided = flow_action(flow.outcome, flow.action, item.side, item.octets, item.out_mtu);
    if (decided.action == Action::kSeal) {
      item.step = Step::kSeal;
      item.route = route_load(memory, flow.route);
    } else if (decided.action == Action::kEnd) {
      item_end(item, decided.outcome);
    } else {
      item.step = Step::kLeave;
      item.addressed = true;
      item.hop = item.key.target;
      item.counter = Counter::kBypassed;
      item.patched = true;
      item.changed = forward(item.ip, item.tos);
    }
  }
  out.write(item);
}

// ---- Next hop.
struct HopOut {
  NextHopOut hop;
  std::uint32_t mark;
};

inline HopOut hop_load(const Line* memory, Port port, const Address& address) {
  const std::uint32_t bucket = next_hop_bucket(port, kFamilyIpv4, address) * kNextHopWays;
  NextHop entries[kNextHopWays] = {};
hop_entries:
  for (std::uint32_t i = 0; i < kNextHopWays / 2; ++i) {
    NextHopPair pair = {};
    fields_load(memory + kNextHopLine + bucket / 2 + i, pair);
    entries[2 * i] = pair.ways[0];
    entries[2 * i + 1] = pair.ways[1];
  }
  HopOut out = {};
  out.hop = next_hop(entries, {address, port, kFamilyIpv4});
  out.mark = out.hop.found ? bucket + out.hop.way + 1 : 0;
  return out;
}

inline void ethernet_header(const std::uint8_t* target, const std::uint8_t* source, std::uint8_t* to) {
  copy_octets(to, target, 6);
  copy_octets(to + 6, source, 6);
  store_be16(to + 12, kEtherTypeIpv4);
}

// The end of a packet that no stage wants to continue.
inline void plan_end(const Outcome& outcome, Port side, std::uint32_t octets, Plan& plan) {
  plan.report.port = side;
  plan.report.counter = static_cast<std::uint32_t>(outcome.counter);
  plan.report.reason = static_cast<std::uint32_t>(outcome.reason);
  plan.report.exit = outcome.fate == Fate::kPuntHost   ? Exit::kTap
                     : outcome.fate == Fate::kPuntSlow ? Exit::kPunt
                                                       : Exit::kGone;
  plan.payload = plan.report.exit == Exit::kGone ? Payload::kNone : Payload::kClear;
  plan.octets = octets;
}

// What the mover does with a packet's words.
struct Move {
  Payload payload;
  std::uint32_t words;
  std::uint32_t skip;
  std::uint32_t octets;
  bool copied;  // the frame goes to `clear` too, as it came
  bool patched;
  ForwardOut changed;
  TrailerOut tail;
};

inline void leave_plan(const Item& item, const Line* memory, Plan& plan, Move& move) {
  HopOut hop = {};
  if (item.addressed) {
    hop = hop_load(memory, item.out, item.hop);
  }
  const bool found = hop.hop.found || !item.addressed;
  move.patched = item.patched && (found || item.sealed);
  plan.report.hop_mark = hop.mark;
  plan.payload = item.sealed ? Payload::kEngine : Payload::kClear;
  plan.octets = item.octets + item.tail.count;
  if (!found) {
    plan_end(punt_slow(PuntReason::kNoNextHop), item.out, plan.octets, plan);
    plan.payload = item.sealed ? Payload::kEngine : Payload::kClear;
  } else {
    plan.report.exit = Exit::kWire;
    plan.report.port = item.out;
    plan.report.counter = static_cast<std::uint32_t>(item.counter);
    if (item.addressed) {
      ethernet_header(hop.hop.mac, item.macs[static_cast<std::uint32_t>(item.out)], plan.prefix);
      plan.prefix_octets = kEthernetOctets;
    }
  }
  // The sealed packet starts with its outer header; without a neighbour the host gets it from there.
leave_header:
  for (std::uint32_t i = 0; i < kOuterHeaderMax; ++i) {
    if (i < item.header_octets) {
      plan.prefix[plan.prefix_octets + i] = item.header[i];
    }
  }
  plan.prefix_octets += item.header_octets;
}

// Plan of a packet, and the mover's part of it.
inline void leave_item(const Item& item, const Line* memory, Plan& plan, Move& move) {
  plan.report = item.report;
  plan.report.slot = item.slot;
  move.words = item.words;
  move.skip = item.skip;
  move.tail = item.tail;
  if (item.step == Step::kLeave) {
    move.changed = item.changed;
    leave_plan(item, memory, plan, move);
  } else {
    plan_end(item.outcome, item.side, item.octets, plan);
    if (plan.report.exit == Exit::kTap && item.kind == InjectKind::kNone) {  // the frame as it came
      plan.octets = item.octets + item.skip;
      move.skip = 0;
    } else if (plan.report.exit == Exit::kTap) {
      const std::uint8_t nobody[6] = {};
      ethernet_header(item.macs[static_cast<std::uint32_t>(item.side)], nobody, plan.prefix);
      store_be16(plan.prefix + 12, item.ip[0] >> 4 == 6 ? kEtherTypeIpv6 : kEtherTypeIpv4);
      plan.prefix_octets = kEthernetOctets;
    }
  }
  if (item.kind == kInjectToken) {
    plan.report.exit = Exit::kToken;
  }
  if (plan.report.exit == Exit::kPunt || plan.report.exit == Exit::kTap) {
    plan.report.octets = plan.prefix_octets + plan.octets + (plan.payload == Payload::kEngine ? kEspIcvOctets : 0);
  }
  move.payload = plan.payload;
  move.octets = plan.octets - move.tail.count;
}

inline void leave_stage(Stream<Item>& in, const Line* memory, Stream<Line>& plans, Stream<Move>& moves) {
  Plan plan = {};
  Move move = {};
  leave_item(in.read(), memory, plan, move);
  fields_write(plans, plan);
  moves.write(move);
}

// ---- The mover: the part of the packet that goes on, with its new TTL, and the ESP trailer behind it.
inline void patch_word(const Move& move, std::uint8_t* octets) {
  if (move.patched) {
    octets[kEthernetOctets + 1] = move.changed.tos;
    octets[kEthernetOctets + 8] = move.changed.ttl;
    store_be16(octets + kEthernetOctets + 10, move.changed.checksum);
  }
}

inline void move_stage(Stream<Move>& moves, Stream<Word>& payload, Stream<Word>& source, Stream<Word>& clear) {
  const Move move = moves.read();
  Joiner joiner = {};
  Word word;
move_words:
  for (std::uint32_t index = 0; index < kFrameWords; ++index) {
    if (index < move.words) {
      std::uint8_t octets[kWordDataOctets];
      const Word in = payload.read();
      word_octets_get(in, kWordDataLow, octets, kWordDataOctets);
      if (move.copied) {
        clear.write(in);
      }
      if (index == 0) {
        patch_word(move, octets);
      }
      if (move.payload != Payload::kNone && joiner_slice(joiner, octets, index, move.skip, move.octets, word)) {
        word_route(word, move.payload == Payload::kEngine, source, clear);
      }
    }
  }
  if (move.payload != Payload::kNone) {
    std::uint8_t tail[kWordDataOctets] = {};
    copy_octets(tail, move.tail.octets, kTrailerMax);
    if (joiner_put(joiner, tail, move.tail.count, word)) {
      word_route(word, move.payload == Payload::kEngine, source, clear);
    }
    if (joiner_end(joiner, word)) {
      word_route(word, move.payload == Payload::kEngine, source, clear);
    }
  }
}

}  // namespace card
}  // namespace tandem
