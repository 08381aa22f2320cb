// SPDX-License-Identifier: Apache-2.0
// The verdict about an opened packet: ICV, window, trailer, selectors, ECN, TTL. RFC 4303 3.4.3, 3.4.4; RFC 4301 5.2.
// Serves N3: only an authentic packet moves a window, in the order of arrival, and none leaves that it did not take.
#pragma once

#include <cstdint>

#include "hw/kernel/leave.hpp"
#include "hw/kernel/opened.hpp"
#include "hw/kernel/window.hpp"
#include "hw/stage/selector_check.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kVerdictClocks = 4;  // what replay_decide() carries from packet to packet of an SA

// An ESP packet's plan with what comes along from memory.
struct Opened {
  OpenPlan open;
  bool selectors_follow;
  bool state_follows;
  bool config_follows;
};

// Where a packet goes, but for its next hop.
struct Delivery {
  Plan plan;
  Take raw;  // what waits of it
  Take plain;
  bool as_it_came;     // that frame goes, else what was in it
  std::uint32_t skip;  // octets of the frame in front of what leaves
  bool mismatch;       // outside the SA's selectors
  bool addressed;      // wants an Ethernet header to `hop`, from `mac`
  Address hop;
  std::uint8_t mac[6];
  bool patched;
  ForwardOut changed;
};

inline void open_events(const OpenPlan& open, const InboundState& state, const ReplayUpdateOut& update,
                        EventsIn& events) {
  events.events = update.events;
  events.direction = kDirectionInbound;
  events.slot = open.plan.report.slot;
  events.instance = open.update.instance;
  events.value = update.value;
  events.number = open.update.number;
  events.edge = state.right_edge;
  events.packets = state.packets;
  events.now_ns = open.update.moment.now_ns;
  events.source = open.update.source;
  events.source_port = open.update.source_port;
}

// To the inner port's TAP, as if it had come in there.
inline void deliver_tap(const PortConfig& inside, std::uint32_t octets, Plan& plan) {
  plan_end(punt_host(), Port::kInner, octets, plan);
  const std::uint8_t nobody[6] = {};
  ethernet_header(inside.mac, nobody, plan.prefix);
  plan.prefix_octets = kEthernetOctets;
}

// What is done with a packet that the window takes: it depends on the packet alone.
inline void open_deliver(const OpenPlan& open, const Facts& facts, const SelectorList& selectors,
                         const PortConfig& inside, Delivery& delivery) {
  Plan& plan = delivery.plan;
  const TrailerCheckOut checked =
      trailer_check({open.update.octets, facts.pad_octets, facts.next_header, facts.padding_good});
  const Ipv4 inner = parse_ipv4(facts.window, checked.inner_octets);
  const Outcome selected =
      inner.good ? selector_check({flow_key(facts.window, inner), selectors.entries, open.selector_count}) : proceed();
  const DecapsulateOut ecn = decapsulate_ecn(open.outer_tos, inner.tos);
  if (checked.outcome.fate != Fate::kContinue) {
    plan_end(checked.outcome, Port::kOuter, 0, plan);
  } else if (!inner.good) {
    plan_end(drop(Counter::kDropInner), Port::kOuter, 0, plan);
  } else if (selected.fate != Fate::kContinue) {
    delivery.mismatch = true;
    plan_end(selected, Port::kOuter, 0, plan);
  } else if (ecn.outcome.fate != Fate::kContinue) {
    plan_end(ecn.outcome, Port::kOuter, 0, plan);
  } else if (inner.target.octets[0] >= 224 || is_local(inside, kFamilyIpv4, inner.target)) {
    deliver_tap(inside, inner.total_octets, plan);
    delivery.patched = true;
    delivery.changed = receive(facts.window.octets, ecn.tos);
  } else if (inner.ttl <= 1) {
    plan_end(punt_slow(PuntReason::kTtl), Port::kOuter, inner.total_octets, plan);
  } else {
    delivery.addressed = true;
    delivery.hop = inner.target;
    copy_octets(delivery.mac, inside.mac, 6);
    delivery.patched = true;
    delivery.changed = forward(facts.window.octets, ecn.tos);
    plan.octets = inner.total_octets;
  }
}

// An authentic packet that the window does not take: gone, or to the host as it came.
inline void open_refuse(const OpenPlan& open, const Outcome& outcome, Delivery& delivery) {
  const EventsIn events = delivery.plan.report.events;
  Delivery refused = {};
  refused.plan = open.plan;
  refused.plan.report.events = events;
  refused.raw = delivery.raw;
  refused.plain = delivery.plain;
  refused.as_it_came = true;
  refused.skip = kEthernetOctets;
  plan_end(outcome, Port::kOuter, open.esp_offset + open.esp_octets - kEthernetOctets, refused.plan);
  delivery = refused;
}

// What a verdict needs from step to step.
struct VerdictRun {
  Opened opened;
  Facts facts;
  bool authentic;
  std::uint32_t lines;   // that still come: of the selectors and the state,
  std::uint32_t config;  // of the configuration
  bool begun;            // facts and tag are here
  bool entered;          // replay_enter() is done with
  ReplayReset reset;
  std::uint32_t reset_rows;  // still to be set so
  std::uint32_t own;         // word of the number
  std::uint32_t ring;        // words
  std::uint32_t cleared;     // in front of the number's
  std::uint32_t clear_rows;  // still to be looked at for them
  Line head[kStateHeads];    // for memory
  WindowRecents recents;
};

struct VerdictChip {
  WindowChip window;
  Line selectors[kPolicyRows][kSelectorLines];
};

constexpr std::uint32_t kStateLinesAll = kStateHeads + kStateRows;

inline void verdict_begin(const Opened& opened, VerdictRun& run) {
  run.opened = opened;
  run.lines = (opened.selectors_follow ? kSelectorLines : 0) + (opened.state_follows ? kStateLinesAll : 0);
  run.config = opened.config_follows ? kConfigLines : 0;
  run.begun = false;
  run.entered = false;
  run.authentic = false;
  run.reset_rows = 0;
  run.clear_rows = 0;
  run.own = ring_word(opened.open.update.number, window_size(opened.open.update.window));
  run.ring = ring_words(window_size(opened.open.update.window));
}

// A line that the packet asked for: selectors first.
inline void verdict_line(VerdictChip& chip, VerdictRun& run, const Line& line) {
  const std::uint32_t slot = run.opened.open.plan.report.slot;
  const std::uint32_t state = run.opened.state_follows ? kStateLinesAll : 0;
  if (run.lines > state) {
    chip.selectors[policy_row(slot)][kSelectorLines + state - run.lines] = line;
  } else {
    window_load(chip.window, run.recents, slot, kStateLinesAll - run.lines, line);
  }
  run.lines -= 1;
}

inline std::uint32_t verdict_row_line(const VerdictRun& run, std::uint32_t inbound, std::uint32_t row) {
  return inbound + run.opened.open.plan.report.slot * kInboundLines + kInboundStateLine + kStateHeads + row;
}

// The next row of a window that is set anew, or that the edge moved over.
inline void verdict_row(VerdictChip& chip, VerdictRun& run, std::uint32_t inbound, Stream<Write>& writes) {
  const std::uint32_t slot = run.opened.open.plan.report.slot;
  const bool reset = run.reset_rows != 0;
  const std::uint32_t row = reset ? run.reset_rows - 1 : run.clear_rows - 1;
  const Line before = window_row_get(chip.window, run.recents, slot, row);
  const Line line = reset ? row_reset(run.reset, row) : row_clear(before, row, run.own, run.cleared, run.ring);
  window_row_set(chip.window, run.recents, slot, row, line);
  writes.write({verdict_row_line(run, inbound, row), false, line});
  run.reset_rows -= reset ? 1 : 0;
  run.clear_rows -= reset ? 0 : 1;
}

// The window's word about an authentic packet. False: rows must be set first, then again.
inline bool verdict_window(VerdictChip& chip, VerdictRun& run, std::uint32_t inbound, InboundState& state,
                           Delivery& delivery, Stream<Write>& writes) {
  const OpenPlan& open = run.opened.open;
  const std::uint32_t slot = open.plan.report.slot;
  if (!run.entered) {
    run.entered = true;
    run.reset = replay_enter(state, open.update);
    if (run.reset.wanted) {
      run.reset_rows = kStateRows;
      return false;
    }
  }
  const std::uint32_t row = run.own / kLineWords;
  const Line line = window_row_get(chip.window, run.recents, slot, row);
  const ReplayUpdateOut update = replay_decide(state, row_word(line, run.own), open.update);
  open_events(open, state, update, delivery.plan.report.events);
  if (update.marked) {
    const Line marked = row_mark(line, run.own, update.word);
    window_row_set(chip.window, run.recents, slot, row, marked);
    writes.write({verdict_row_line(run, inbound, row), false, marked});
    run.cleared = update.cleared;
    run.clear_rows = update.cleared != 0 ? kStateRows : 0;
  }
  if (update.outcome.fate != Fate::kContinue) {
    state.replays += update.outcome.counter == Counter::kDropReplay ? 1 : 0;
    open_refuse(open, update.outcome, delivery);
  } else {
    state.selector_mismatches += delivery.mismatch ? 1 : 0;
  }
  return true;
}

// The verdict about an ESP packet. False: not yet.
inline bool verdict_open(VerdictChip& chip, VerdictRun& run, const PortConfig& inside, std::uint32_t inbound,
                         Delivery& delivery, Stream<Write>& writes) {
  const OpenPlan& open = run.opened.open;
  const std::uint32_t slot = open.plan.report.slot;
  InboundState state = {};
  window_head_get(chip.window, run.recents, slot, state);
  bool done = true;
  if (open.opening == Opening::kReplay) {
    state.replays += 1;
  } else if (!run.authentic) {
    state.auth_failures += 1;
    plan_end(drop(Counter::kDropAuth), Port::kOuter, 0, delivery.plan);
  } else {
    SelectorList selectors = {};
    fields_load(chip.selectors[policy_row(slot)], selectors);
    open_deliver(open, run.facts, selectors, inside, delivery);
    done = verdict_window(chip, run, inbound, state, delivery, writes);
  }
  window_head_set(chip.window, run.recents, slot, state, run.head);
  return done;
}

// Words of an OpenPlan's packet: the plaintext, and the frame or the part of it that goes to the host.
inline Take plain_take(const OpenPlan& open) {
  const bool opens = open.opening == Opening::kOpen;
  return Take{opens ? (open.plan.octets + kWordDataOctets - 1) / kWordDataOctets : 0, open.plan.octets};
}

inline Take raw_take(const OpenPlan& open) {
  if (open.opening == Opening::kOpen) {
    return Take{open.words, open.esp_offset + open.esp_octets};
  }
  const bool waits = open.plan.payload == Payload::kClear;
  return Take{waits ? (open.plan.octets + kWordDataOctets - 1) / kWordDataOctets : 0, 0};
}

inline void verdict_inputs(Stream<Facts>& facts, Stream<Icv>& icvs, Stream<TagWord>& tags, VerdictRun& run) {
  if (run.opened.open.opening == Opening::kOpen && !run.begun) {
    run.facts = facts.read();
    std::uint8_t tag[kGcmTagOctets];
    word_octets_get(tags.read(), kEngineTagLow, tag, kGcmTagOctets);
    run.authentic = tags_equal(tag, icvs.read().octets);
  }
  run.begun = true;
}

// A step takes a line from memory, sets a row of a window, or gives a verdict. II kVerdictClocks; carries the last few
// packets' lines, so that what it reads of the memory on chip is at least three steps old.
inline void verdict_stage(Stream<Opened>& in, Stream<Facts>& facts, Stream<Icv>& icvs, Stream<TagWord>& tags,
                          Stream<Line>& lines, Stream<Line>& config_lines, std::uint32_t slots, Stream<Ask>& asks,
                          Stream<Delivery>& out, Stream<Write>& writes, std::uint32_t packets) {
  static VerdictChip chip;
#pragma HLS DISAGGREGATE variable = chip
#pragma HLS DISAGGREGATE variable = chip.window
#pragma HLS BIND_STORAGE variable = chip.window.first type = ram_2p impl = uram
#pragma HLS BIND_STORAGE variable = chip.window.second type = ram_2p impl = uram
#pragma HLS BIND_STORAGE variable = chip.window.rows type = ram_2p impl = uram
#pragma HLS ARRAY_PARTITION variable = chip.selectors dim = 2 complete
#pragma HLS DEPENDENCE variable = chip.window.first type = inter direction = RAW distance = 3 true
#pragma HLS DEPENDENCE variable = chip.window.second type = inter direction = RAW distance = 3 true
#pragma HLS DEPENDENCE variable = chip.window.rows type = inter direction = RAW distance = 3 true
  const std::uint32_t inbound = inbound_line(slots);
  Line kept[kConfigLines];
#pragma HLS ARRAY_PARTITION variable = kept complete
  VerdictRun run = VerdictRun();
  window_clear(run.recents);
  bool under_way = false;
  bool decided = false;
verdict_steps:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 4 style = flp
    model_step(kVerdictClocks);
    if (!under_way) {
      verdict_begin(in.read(), run);
      under_way = true;
      decided = false;
    }
    const OpenPlan& open = run.opened.open;
    if (run.lines != 0) {
      verdict_line(chip, run, lines.read());
    } else if (run.config != 0) {
      kept[kConfigLines - run.config] = config_lines.read();
      run.config -= 1;
    } else if (run.reset_rows + run.clear_rows != 0) {
      verdict_row(chip, run, inbound, writes);
    } else {
      verdict_inputs(facts, icvs, tags, run);
      Delivery delivery = {};
      delivery.plan = open.plan;
      delivery.raw = raw_take(open);
      delivery.plain = plain_take(open);
      delivery.as_it_came = open.opening != Opening::kOpen;
      CardConfig config = {};
      fields_load(kept, config);
      const PortConfig& inside = config.ports[static_cast<std::uint32_t>(Port::kInner)];
      decided = open.opening == Opening::kNone || verdict_open(chip, run, inside, inbound, delivery, writes);
      if (decided) {
        asks.write(delivery.addressed ? hop_ask(Port::kInner, delivery.hop) : ask_none());
        out.write(delivery);
      }
    }
    if (decided && run.clear_rows == 0) {
      const bool written = open.opening != Opening::kNone;
      const std::uint32_t at = inbound + open.plan.report.slot * kInboundLines + kInboundStateLine;
      writes.write({written ? at + 1 : kNowhere, false, run.head[1]});
      writes.write({written ? at : kNowhere, true, run.head[0]});
      under_way = false;
      done += 1;
    }
  }
}

}  // namespace card
}  // namespace tandem
