// SPDX-License-Identifier: Apache-2.0
// The decrypt path's own stages: SPI, early replay check and job in the first kernel; in the last one the ICV, the
// window, trailer, selectors and next hop. RFC 4303 3.4. Serves N3: only the last kernel writes a window, in order, and
// nothing of a packet leaves before its ICV was compared.
#pragma once

#include <cstdint>

#include "hw/kernel/engine_port.hpp"
#include "hw/kernel/front.hpp"
#include "hw/stage/gcm_request.hpp"
#include "hw/stage/replay.hpp"
#include "hw/stage/sa_lookup.hpp"
#include "hw/stage/selector_check.hpp"
#include "hw/stage/unknown_spi.hpp"

namespace tandem {
namespace card {

// What the last kernel has to do besides the plan.
enum class Opening : std::uint8_t {
  kNone = 0,
  kOpen = 1,    // the engine has it
  kReplay = 2,  // shed early: count it at its SA
};

// Of an ESP packet, beside its plan. It carries what was read of the policy, so that the last kernel needs no second
// look at words that the host may rewrite by then.
struct OpenPlan {
  Plan plan;
  Opening opening;
  std::uint32_t words;       // of the frame as it came, on the clear stream
  std::uint32_t esp_offset;  // in that frame
  std::uint32_t esp_octets;
  std::uint8_t outer_tos;
  ReplayUpdateIn update;
  std::uint32_t selector_count;
  Selector selectors[kSelectorsMax];
};

template <>
struct Fields<ReplayUpdateIn> {
  static constexpr std::uint32_t kOctets = 176;
  template <typename Walk>
  static void walk(Walk& walk, ReplayUpdateIn& in) {
    walk.value(in.credit.start);
    walk.value(in.credit.end);
    walk.value(in.credit.floor);
    walk.value(in.credit.notify_at);
    walk.value(in.moment.activation);
    walk.value(in.moment.now_ns);
    walk.value(in.moment.grant);
    walk.value(in.number);
    walk.value(in.soft_packets);
    walk.value(in.hard_packets);
    walk.value(in.soft_octets);
    walk.value(in.hard_octets);
    walk.value(in.instance);
    walk.value(in.octets);
    Fields<Address>::walk(walk, in.source);
    Fields<Address>::walk(walk, in.known_source);
    walk.value(in.source_port);
    walk.value(in.known_port);
    walk.value(in.window);
    walk.value(in.flags);
  }
};

template <>
struct Fields<OpenPlan> {
  static constexpr std::uint32_t kOctets = 768;
  template <typename Walk>
  static void walk(Walk& walk, OpenPlan& open) {
    Fields<Plan>::walk(walk, open.plan);
    walk.value(open.opening);
    walk.value(open.words);
    walk.value(open.esp_offset);
    walk.value(open.esp_octets);
    walk.value(open.outer_tos);
    Fields<ReplayUpdateIn>::walk(walk, open.update);
    walk.value(open.selector_count);
  open_selectors:
    for (std::uint32_t i = 0; i < kSelectorsMax; ++i) {
      Fields<Selector>::walk(walk, open.selectors[i]);
    }
  }
};

// ---- The first kernel.

struct OpenSlot {
  InboundPolicy policy;
  Credit credit;
  InboundState state;
};

inline void open_slot_load(const Line* slot, OpenSlot& out) {
  Generation generation = {};
  fields_load(slot, generation);
  fields_load(slot + kInboundPolicyLine + (generation.value & 1u) * kInboundPolicyLines, out.policy);
  fields_load(slot + kInboundCreditLine, out.credit);
  fields_load(slot + kInboundStateLine, out.state);
}

inline void open_request(const OpenSlot& slot, const Item& item, std::uint64_t number, GcmJob& job) {
  GcmRequestIn request = {};
  copy_octets(request.salt, slot.policy.salt, 4);
  copy_octets(request.iv, item.iv, kEspIvOctets);
  request.number = number;
  request.spi = item.outer.spi;
  request.esn = (slot.policy.flags & kSaEsn) != 0;
  gcm_request(request, job);
  job.octets = item.outer.esp_octets - kEspHeaderOctets - kEspIvOctets - kEspIcvOctets;
  job.key256 = (slot.policy.flags & kSaKey256) != 0;
}

inline void open_unknown(UnknownSpi& state, Item& item) {
  item.report.events =
      unknown_spi(state, {item.outer.spi, item.outer.source, item.outer.source_port, item.moment.now_ns});
  item_end(item, drop(Counter::kDropUnknownSpi));
}

// SPI, early replay check; the job goes to the engine, its payload follows from the mover.
inline void open_stage(Stream<Item>& in, const Line* inbound, std::uint32_t slots, Stream<KeyWord>& key,
                       Stream<JobWord>& jobs, Stream<OpenPlan>& opens, Stream<Item>& out) {
  static HeldKeys held;
  static UnknownSpi unknown;
  Item item = in.read();
  OpenPlan open = {};
  if (item.step == Step::kSeal) {  // cleartext from outside: flow_action() never says so
    item_end(item, drop(Counter::kDropPolicy));
  }
  const std::uint32_t index = spi_slot(item.outer.spi, slots);
  if (item.step == Step::kOpen && (index >= slots || index >= kEngineKeys)) {
    open_unknown(unknown, item);
  } else if (item.step == Step::kOpen) {
    item.slot = index;
    OpenSlot slot = {};
    open_slot_load(inbound + index * kInboundLines, slot);
    const Outcome found = spi_lookup({item.outer.spi, slot.policy.spi, slot.policy.flags});
    const ReplayCheckOut early =
        replay_check(slot.state, replay_check_in(slot.policy, slot.credit, item.moment, item.outer.sequence));
    if (found.fate != Fate::kContinue) {
      open_unknown(unknown, item);
    } else if (early.outcome.fate != Fate::kContinue) {
      open.opening = Opening::kReplay;
      item_end(item, early.outcome);
    } else {
      GcmJob job = {};
      open_request(slot, item, early.number, job);
      const std::uint32_t rows = engine_key_send(held, index, slot.policy.key, job.key256, key);
      engine_job_send(job, index, false, rows, jobs);
      open.opening = Opening::kOpen;
      open.update = replay_update_in(slot.policy, slot.credit, item.moment, early.number, job.octets, item.outer.source,
                                     item.outer.source_port);
      open.selector_count = slot.policy.selector_count;
    copy_selectors:
      for (std::uint32_t i = 0; i < kSelectorsMax; ++i) {
        open.selectors[i] = slot.policy.selectors[i];
      }
    }
  }
  open.words = item.words;
  open.outer_tos = item.outer.tos;
  open.esp_offset = item.skip + item.outer.esp_offset;
  open.esp_octets = item.outer.esp_octets;
  opens.write(open);
  out.write(item);
}

// As leave_stage(), with what the SA's stage found. An ESP packet's ciphertext goes to the engine, and the frame as it
// came beside it: the ICV is in there, and a packet beyond the bound goes to the host so.
inline void open_leave_stage(Stream<Item>& in, Stream<OpenPlan>& opens, const Line* memory, Stream<Line>& plans,
                             Stream<Move>& moves) {
  const Item item = in.read();
  OpenPlan open = opens.read();
  Move move = {};
  leave_item(item, memory, open.plan, move);
  if (open.opening == Opening::kOpen) {
    open.plan.payload = Payload::kEngine;
    open.plan.octets = open.update.octets;
    move.payload = Payload::kEngine;
    move.copied = true;
    move.skip = open.esp_offset + kEspHeaderOctets + kEspIvOctets;
    move.octets = open.update.octets;
  }
  fields_write(plans, open);
  moves.write(move);
}

// ---- The last kernel.

constexpr std::uint32_t kStoreOctets = kPayloadWords * kWordDataOctets;

// A packet's octets, word by word as they came.
struct Store {
  std::uint8_t octets[kStoreOctets];
};

inline void store_fill(Store& store, std::uint32_t words, Stream<Word>& in) {
#pragma HLS ARRAY_PARTITION variable = store.octets cyclic factor = 64
fill_words:
  for (std::uint32_t index = 0; index < kPayloadWords; ++index) {
    if (index < words) {
      word_octets_get(in.read(), kWordDataLow, store.octets + index * kWordDataOctets, kWordDataOctets);
    }
  }
}

// Prefix and the plan's octets from `skip` on, to the wire or the host.
inline void store_send(const Store& store, std::uint32_t skip, const Plan& plan, Stream<Word>& wire,
                       Stream<Word>& frames) {
  const bool to_wire = plan.report.exit == Exit::kWire;
  Joiner joiner = {};
  Word word;
  if (joiner_put(joiner, plan.prefix, plan.prefix_octets, word)) {
    word_route(word, to_wire, wire, frames);
  }
send_words:
  for (std::uint32_t index = 0; index < kPayloadWords; ++index) {
    if (joiner_slice(joiner, store.octets + index * kWordDataOctets, index, skip, plan.octets, word)) {
      word_route(word, to_wire, wire, frames);
    }
  }
  if (joiner_end(joiner, word)) {
    word_route(word, to_wire, wire, frames);
  }
}

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

// Where an opened packet goes.
struct Delivery {
  bool raw;            // the frame as it came, else what was in it
  std::uint32_t skip;  // octets in front of what leaves
  bool mismatch;       // outside the SA's selectors
};

inline void deliver_end(const Outcome& outcome, std::uint32_t octets, Plan& plan) {
  plan_end(outcome, Port::kOuter, octets, plan);
}

// To the inner port's TAP, as if it had come in there.
inline void deliver_tap(const PortConfig& inside, std::uint32_t octets, Plan& plan) {
  plan_end(punt_host(), Port::kInner, octets, plan);
  const std::uint8_t nobody[6] = {};
  ethernet_header(inside.mac, nobody, plan.prefix);
  plan.prefix_octets = kEthernetOctets;
}

inline void deliver_wire(const Line* memory, const PortConfig& inside, const Address& target, std::uint32_t octets,
                         Plan& plan) {
  const HopOut hop = hop_load(memory, Port::kInner, target);
  plan.report.hop_mark = hop.mark;
  if (!hop.hop.found) {
    plan_end(punt_slow(PuntReason::kNoNextHop), Port::kInner, octets, plan);
    return;
  }
  plan.report.exit = Exit::kWire;
  plan.report.port = Port::kInner;
  plan.report.counter = static_cast<std::uint32_t>(Counter::kOpened);
  plan.octets = octets;
  ethernet_header(hop.hop.mac, inside.mac, plan.prefix);
  plan.prefix_octets = kEthernetOctets;
}

// After the window took it: trailer, selectors, ECN, TTL, next hop.
inline void open_deliver(const OpenPlan& open, const Line* memory, Store& plain, Plan& plan, Delivery& delivery) {
  const std::uint32_t octets = open.update.octets;
  const std::uint8_t* end = plain.octets + octets;
  const TrailerCheckOut checked = trailer_check({octets, end[-2], end[-1], padding_good(end, octets)});
  Window window;
  copy_octets(window.octets, plain.octets, kWindowOctets);
  const Ipv4 inner = parse_ipv4(window, checked.inner_octets);
  const Outcome selected =
      inner.good ? selector_check({flow_key(window, inner), open.selectors, open.selector_count}) : proceed();
  const DecapsulateOut ecn = decapsulate_ecn(open.outer_tos, inner.tos);
  CommandLine command = {};
  CardConfig config = {};
  fields_load(memory + kCommandLine, command);
  fields_load(memory + kConfigLine + (command.config_generation & 1u) * kConfigLines, config);
  const PortConfig& inside = config.ports[static_cast<std::uint32_t>(Port::kInner)];
  if (checked.outcome.fate != Fate::kContinue) {
    deliver_end(checked.outcome, 0, plan);
  } else if (!inner.good) {
    deliver_end(drop(Counter::kDropInner), 0, plan);
  } else if (selected.fate != Fate::kContinue) {
    delivery.mismatch = true;
    deliver_end(selected, 0, plan);
  } else if (ecn.outcome.fate != Fate::kContinue) {
    deliver_end(ecn.outcome, 0, plan);
  } else if (inner.target.octets[0] >= 224 || is_local(inside, kFamilyIpv4, inner.target)) {
    deliver_tap(inside, inner.total_octets, plan);
  } else if (inner.ttl <= 1) {
    deliver_end(punt_slow(PuntReason::kTtl), inner.total_octets, plan);
  } else {
    const ForwardOut changed = forward(plain.octets, ecn.tos);
    plain.octets[1] = changed.tos;
    plain.octets[8] = changed.ttl;
    store_be16(plain.octets + 10, changed.checksum);
    deliver_wire(memory, inside, inner.target, inner.total_octets, plan);
  }
}

// An authentic packet: the window, then its delivery.
inline void open_accept(const OpenPlan& open, const Line* memory, InboundState& state, Store& plain, Plan& plan,
                        Delivery& delivery) {
  const ReplayUpdateOut update = replay_update(state, open.update);
  open_events(open, state, update, plan.report.events);
  if (update.outcome.fate == Fate::kContinue) {
    open_deliver(open, memory, plain, plan, delivery);
    return;
  }
  state.replays += update.outcome.counter == Counter::kDropReplay ? 1 : 0;
  delivery.raw = true;
  delivery.skip = kEthernetOctets;
  deliver_end(update.outcome, open.esp_offset + open.esp_octets - kEthernetOctets, plan);
}

inline void open_finish(const OpenPlan& open, const Line* memory, InboundState& state, Store& plain, const Store& raw,
                        const std::uint8_t* tag, Plan& plan, Delivery& delivery) {
  std::uint8_t icv[kGcmTagOctets];
  copy_octets(icv, raw.octets + open.esp_offset + open.esp_octets - kEspIcvOctets, kGcmTagOctets);
  if (open.opening == Opening::kReplay) {
    state.replays += 1;
  } else if (!tags_equal(tag, icv)) {
    state.auth_failures += 1;
    deliver_end(drop(Counter::kDropAuth), 0, plan);
  } else {
    open_accept(open, memory, state, plain, plan, delivery);
  }
  state.selector_mismatches += delivery.mismatch ? 1 : 0;
}

inline void open_end_stage(Stream<Line>& plans, Stream<Word>& target, Stream<TagWord>& tags, Stream<Word>& clear,
                           const Line* memory, Line* inbound, Stream<Word>& wire, Stream<Line>& reports,
                           Stream<Word>& frames) {
  OpenPlan open = {};
  fields_read(plans, open);
  Plan plan = open.plan;
  Store plain = {};
  Store raw = {};
  std::uint8_t tag[kGcmTagOctets] = {};
  Delivery delivery = {};
  if (open.opening == Opening::kOpen) {
    store_fill(plain, (plan.octets + kWordDataOctets - 1) / kWordDataOctets, target);
    word_octets_get(tags.read(), kEngineTagLow, tag, kGcmTagOctets);
    store_fill(raw, open.words, clear);
    plan.payload = Payload::kNone;
  } else if (plan.payload == Payload::kClear) {
    store_fill(raw, (plan.octets + kWordDataOctets - 1) / kWordDataOctets, clear);
    delivery.raw = true;
  }
  if (open.opening != Opening::kNone) {
    Line* const at = inbound + plan.report.slot * kInboundLines + kInboundStateLine;
    InboundState state = {};
    fields_load(at, state);
    open_finish(open, memory, state, plain, raw, tag, plan, delivery);
    fields_store(at, state);
    const bool to_host = plan.report.exit == Exit::kPunt || plan.report.exit == Exit::kTap;
    plan.report.octets = to_host ? plan.prefix_octets + plan.octets : 0;
  }
  fields_write(reports, plan.report);
  if (plan.report.exit == Exit::kWire || plan.report.exit == Exit::kPunt || plan.report.exit == Exit::kTap) {
    if (delivery.raw) {
      store_send(raw, delivery.skip, plan, wire, frames);
    } else {
      store_send(plain, 0, plan, wire, frames);
    }
  }
}

}  // namespace card
}  // namespace tandem
