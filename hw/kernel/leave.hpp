// SPDX-License-Identifier: Apache-2.0
// How a packet leaves the first kernel of its path: next hop, plan for the last kernel, and the mover of its words.
#pragma once

#include <cstdint>

#include "hw/kernel/item.hpp"
#include "hw/kernel/joiner.hpp"
#include "hw/kernel/reader.hpp"
#include "hw/stage/next_hop.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kHopLines = kNextHopWays / 2;

struct HopOut {
  NextHopOut hop;
  std::uint32_t mark;
};

// First entry of the address's bucket.
inline std::uint32_t hop_entry(Port port, const Address& address) {
  return next_hop_bucket(port, kFamilyIpv4, address) * kNextHopWays;
}

inline Ask hop_ask(Port port, const Address& address) {
  return ask_run(kNextHopLine + hop_entry(port, address) / 2, kHopLines);
}

// Takes the lines that hop_ask() asked for.
inline HopOut hop_take(Stream<Line>& lines, Port port, const Address& address) {
  NextHop entries[kNextHopWays] = {};
hop_entries:
  for (std::uint32_t i = 0; i < kHopLines; ++i) {
#pragma HLS UNROLL
    NextHopPair pair = {};
    const Line line = lines.read();
    fields_load(&line, pair);
    entries[2 * i] = pair.ways[0];
    entries[2 * i + 1] = pair.ways[1];
  }
  HopOut out = {};
  out.hop = next_hop(entries, {address, port, kFamilyIpv4});
  out.mark = out.hop.found ? hop_entry(port, address) + out.hop.way + 1 : 0;
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

inline void leave_plan(const Item& item, Stream<Line>& lines, Plan& plan, Move& move) {
  HopOut hop = {};
  if (item.addressed) {
    hop = hop_take(lines, item.out, item.hop);
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
inline void leave_item(const Item& item, Stream<Line>& lines, Plan& plan, Move& move) {
  plan.report = item.report;
  plan.report.slot = item.slot;
  move.words = item.words;
  move.skip = item.skip;
  move.tail = item.tail;
  if (item.step == Step::kLeave) {
    move.changed = item.changed;
    leave_plan(item, lines, plan, move);
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

// The next hop of a packet that leaves behind an Ethernet header. II 2.
inline void hop_ask_stage(Stream<Item>& in, Stream<Ask>& asks, Stream<Item>& out, std::uint32_t packets) {
hop_asks:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 2 style = flp
    model_step(2);
    const Item item = in.read();
    asks.write(item.step == Step::kLeave && item.addressed ? hop_ask(item.out, item.hop) : ask_none());
    out.write(item);
  }
}

// Plans for the last kernel, a fixed number of beats a packet, and moves for the mover. II: the beats.
inline void leave_stage(Stream<Item>& in, Stream<Line>& lines, Stream<Line>& plans, Stream<Move>& moves,
                        std::uint32_t packets) {
leave_packets:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 4 style = flp
    model_step(field_lines<Plan>());
    Plan plan = {};
    Move move = {};
    leave_item(in.read(), lines, plan, move);
    fields_write(plans, plan);
    moves.write(move);
  }
}
static_assert(field_lines<Plan>() == 4, "the II of leave_stage");

// ---- The mover: the part of the packet that goes on, with its new TTL, and the ESP trailer behind it.
inline void patch_word(const Move& move, std::uint8_t* octets) {
  if (move.patched) {
    octets[kEthernetOctets + 1] = move.changed.tos;
    octets[kEthernetOctets + 8] = move.changed.ttl;
    store_be16(octets + kEthernetOctets + 10, move.changed.checksum);
  }
}

// One word of what waits. True: `out` goes on.
inline bool move_word(const Move& move, const Word& in, Mover& mover, Word& out) {
  std::uint8_t octets[kWordDataOctets];
  word_octets_get(in, kWordDataLow, octets, kWordDataOctets);
  if (mover.index == 0) {
    patch_word(move, octets);
  }
  return mover_word(mover, octets, move.skip, move.octets, out) && move.payload != Payload::kNone;
}

inline bool move_finish(const Move& move, Mover& mover, Word& out, bool& full) {
  std::uint8_t tail[kWordDataOctets] = {};
  copy_octets(tail, move.tail.octets, kTrailerMax);
  const bool ended = mover_finish(mover, tail, move.tail.count, out, full);
  full = full && move.payload != Payload::kNone;
  return ended || move.payload == Payload::kNone;
}

// A step takes a word or ends the packet, and sends at most one. II 1; carries the joiner.
inline void move_stage(Stream<Move>& moves, Stream<Word>& payload, Stream<Word>& source, Stream<Word>& clear,
                       std::uint32_t packets) {
  Move move = {};
  Mover mover = {};
  bool under_way = false;
move_words:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 1 style = flp
    model_step(1);
    if (!under_way) {
      move = moves.read();
      mover = Mover{};
    }
    under_way = true;
    Word out = zero_word<Word>();
    bool full = false;
    if (mover.index < move.words) {
      const Word in = payload.read();
      if (move.copied) {
        clear.write(in);
      }
      full = move_word(move, in, mover, out);
    } else {
      under_way = !move_finish(move, mover, out, full);
    }
    if (full) {
      word_route(out, move.payload == Payload::kEngine, source, clear);
    }
    done += under_way ? 0 : 1;
  }
}

}  // namespace card
}  // namespace tandem
