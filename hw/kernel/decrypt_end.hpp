// SPDX-License-Identifier: Apache-2.0
// The decrypt path behind the engine, around the verdict: plans come in, opened packets leave. RFC 4303 3.4.
#pragma once

#include <cstdint>

#include "hw/kernel/verdict.hpp"

namespace tandem {
namespace card {

// Each packet's plan, where its words are, and what is asked for of memory: its SA's state unless it is on chip, the
// selectors of the policy's copy and the configuration of the generations that the packet was let in by. II: the beats.
inline void open_plan_stage(Stream<Line>& plans, std::uint32_t slots, Stream<Opened>& opens, Stream<Take>& plain,
                            Stream<Take>& raw, Stream<Ask>& asks, Stream<Ask>& config_asks, std::uint32_t packets) {
  static PolicyTags tags;
  static std::uint32_t states[kEngineKeys];
  static std::uint32_t call;
  call += 1;
  std::uint32_t config = 0;
  bool configured = false;
open_plans:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 7 style = flp
    model_step(field_lines<OpenPlan>());
    Opened opened = {};
    OpenPlan& open = opened.open;
    fields_read(plans, open);
    Ask ask = ask_none();
    Ask config_ask = ask_none();
    const std::uint32_t slot = open.plan.report.slot;
    const std::uint32_t at = inbound_line(slots) + slot * kInboundLines;
    if (open.opening != Opening::kNone) {
      opened.state_follows = !state_kept(states, call, slot);
      ask.line[1] = at + kInboundStateLine;
      ask.count[1] = opened.state_follows ? kStateLinesAll : 0;
    }
    if (open.opening == Opening::kOpen) {
      opened.selectors_follow = !policy_kept(tags, call, slot, open.generation);
      ask.line[0] = at + kInboundPolicyLine + (open.generation & 1u) * kInboundPolicyLines + kSelectorLine;
      ask.count[0] = opened.selectors_follow ? kSelectorLines : 0;
      opened.config_follows = !configured || open.config_generation != config;
      configured = true;
      config = open.config_generation;
      config_ask =
          opened.config_follows ? ask_run(kConfigLine + (config & 1u) * kConfigLines, kConfigLines) : ask_none();
    }
    asks.write(ask);
    config_asks.write(config_ask);
    plain.write(plain_take(open));
    raw.write(raw_take(open));
    opens.write(opened);
  }
}

// What leaves of a packet, and what is let go.
struct Send {
  Take raw;
  Take plain;
  bool leaves;
  bool to_wire;
  bool as_it_came;
  std::uint32_t skip;
  std::uint32_t octets;
  bool patched;
  ForwardOut changed;
  std::uint32_t prefix_octets;
  std::uint8_t prefix[kPrefixMax];
};

// Next hop of an opened packet.
inline void deliver_hop(const Delivery& delivery, Stream<Line>& lines, Plan& plan) {
  const HopOut hop = hop_take(lines, Port::kInner, delivery.hop);
  plan.report.hop_mark = hop.mark;
  if (!hop.hop.found) {
    plan_end(punt_slow(PuntReason::kNoNextHop), Port::kInner, plan.octets, plan);
    return;
  }
  plan.report.exit = Exit::kWire;
  plan.report.port = Port::kInner;
  plan.report.counter = static_cast<std::uint32_t>(Counter::kOpened);
  ethernet_header(hop.hop.mac, delivery.mac, plan.prefix);
  plan.prefix_octets = kEthernetOctets;
}

// II 4.
inline void deliver_stage(Stream<Delivery>& in, Stream<Line>& lines, Stream<Line>& reports, Stream<Send>& sends,
                          std::uint32_t packets) {
deliver_packets:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 4 style = flp
    model_step(4);
    const Delivery delivery = in.read();
    Plan plan = delivery.plan;
    if (delivery.addressed) {
      deliver_hop(delivery, lines, plan);
    }
    const bool to_host = plan.report.exit == Exit::kPunt || plan.report.exit == Exit::kTap;
    plan.report.octets = to_host ? plan.prefix_octets + plan.octets : 0;
    fields_write(reports, plan.report);
    Send send = {};
    send.raw = delivery.raw;
    send.plain = delivery.plain;
    send.to_wire = plan.report.exit == Exit::kWire;
    send.leaves = send.to_wire || to_host;
    send.as_it_came = delivery.as_it_came;
    send.skip = delivery.skip;
    send.octets = plan.octets;
    send.patched = delivery.patched;
    send.changed = delivery.changed;
    send.prefix_octets = plan.prefix_octets;
    copy_octets(send.prefix, plan.prefix, kPrefixMax);
    sends.write(send);
  }
}

// One word of what waits on each way. True: `out` goes on.
inline bool send_word(const Send& send, Mover& mover, Stream<Word>& plain, Stream<Word>& raw, Word& out) {
  Word plain_word = zero_word<Word>();
  Word raw_word = zero_word<Word>();
  if (mover.index < send.plain.words) {
    plain_word = plain.read();
  }
  if (mover.index < send.raw.words) {
    raw_word = raw.read();
  }
  std::uint8_t octets[kWordDataOctets];
  word_octets_get(send.as_it_came ? raw_word : plain_word, kWordDataLow, octets, kWordDataOctets);
  if (mover.index == 0 && send.patched) {
    octets[1] = send.changed.tos;
    octets[8] = send.changed.ttl;
    store_be16(octets + 10, send.changed.checksum);
  }
  return mover_word(mover, octets, send.skip, send.octets, out) && send.leaves;
}

// A step takes a word of each way, or ends the packet. II 1; carries the joiner.
inline void send_stage(Stream<Send>& sends, Stream<Word>& plain, Stream<Word>& raw, Stream<Word>& wire,
                       Stream<Word>& frames, std::uint32_t packets) {
  Send send = {};
  Mover mover = {};
  bool under_way = false;
send_words:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 1 style = flp
    model_step(1);
    if (!under_way) {
      send = sends.read();
      mover = mover_begin(send.prefix, send.prefix_octets);
    }
    Word out = zero_word<Word>();
    bool full = false;
    if (mover.index < send.plain.words || mover.index < send.raw.words) {
      full = send_word(send, mover, plain, raw, out);
      under_way = true;
    } else {
      const std::uint8_t none[kWordDataOctets] = {};
      under_way = !mover_finish(mover, none, 0, out, full) && send.leaves;
      full = full && send.leaves;
    }
    if (full) {
      word_route(out, send.to_wire, wire, frames);
    }
    done += under_way ? 0 : 1;
  }
}

}  // namespace card
}  // namespace tandem
