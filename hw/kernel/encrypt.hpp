// SPDX-License-Identifier: Apache-2.0
// The encrypt path's own stages: the SA and its number in the first kernel; prefix, ciphertext and tag put together in
// the last. RFC 4303 3.3. Serves N1, N2.
//
// The states of outbound SAs live on chip, and are written through to memory: this kernel alone changes them.
#pragma once

#include <cstdint>

#include "hw/kernel/flows.hpp"
#include "hw/kernel/keys.hpp"
#include "hw/kernel/leave.hpp"
#include "hw/stage/gcm_request.hpp"
#include "hw/stage/sa_lookup.hpp"
#include "hw/stage/sequence.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kSealClocks = 4;  // what sequence() carries from packet to packet of an SA

// The word of the packet's route. II 2.
inline void route_ask_stage(Stream<Item>& in, Stream<Ask>& asks, Stream<Item>& out, std::uint32_t packets) {
route_asks:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 2 style = flp
    model_step(2);
    const Item item = in.read();
    const bool named = item.step == Step::kSeal && item.route < kRoutes;
    asks.write(named ? ask_run(kRouteLine + static_cast<std::uint32_t>(item.route) / kLineWords, 1) : ask_none());
    out.write(item);
  }
}

// From the route to the SA's slot, whose generation is asked for. II 2.
inline void route_stage(Stream<Item>& in, Stream<Line>& lines, std::uint32_t slots, Stream<Ask>& asks,
                        Stream<Item>& out, std::uint32_t packets) {
route_packets:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 2 style = flp
    model_step(2);
    Item item = in.read();
    Ask ask = ask_none();
    if (item.step == Step::kSeal) {
      std::uint64_t word = 0;
      if (item.route < kRoutes) {
        const Line line = lines.read();
        word = word_get(line, static_cast<int>(64 * (item.route % kLineWords)), 64);
      }
      item.route = word;
      item.slot = route_slot(word, slots < kEngineKeys ? slots : kEngineKeys);
      if (item.slot >= slots || item.slot >= kEngineKeys) {
        item.slot = 0;
        item_end(item, punt_slow(PuntReason::kNoSa));
      } else {
        ask = ask_run(kOutboundLine + item.slot * kOutboundLines, 1);
      }
    }
    asks.write(ask);
    out.write(item);
  }
}

// What else is needed of the slot: credit always, the policy's copy that the generation names and the state unless they
// are on chip. The credit is read behind the generation: it is that SA's or a newer one's. II 2.
inline void outbound_ask_stage(Stream<Item>& in, Stream<Line>& lines, Stream<Ask>& asks, Stream<Item>& out,
                               std::uint32_t packets) {
  static PolicyTags tags;
  static std::uint32_t states[kEngineKeys];
  static std::uint32_t call;
  call += 1;
outbound_asks:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 2 style = flp
    model_step(2);
    Item item = in.read();
    Ask ask = ask_none();
    if (item.step == Step::kSeal) {
      const std::uint32_t at = kOutboundLine + item.slot * kOutboundLines;
      item.generation = static_cast<std::uint32_t>(word_get(lines.read(), 0, 32));
      item.policy_follows = !policy_kept(tags, call, item.slot, item.generation);
      item.state_follows = !state_kept(states, call, item.slot);
      ask.line[0] = at + kOutboundPolicyLine + (item.generation & 1u) * kOutboundPolicyLines;
      ask.count[0] = item.policy_follows ? kOutboundPolicyLines : 0;
      ask.line[1] = at + kOutboundCreditLine;
      ask.count[1] = item.state_follows ? 2 : 1;
      static_assert(kOutboundStateLine == kOutboundCreditLine + 1, "one run");
    }
    asks.write(ask);
    out.write(item);
  }
}

struct SealSlot {
  OutboundPolicy policy;
  Credit credit;
  OutboundState state;
};

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

// A packet of an SA: its number, headers and task. False: nothing of it changed the state.
inline bool seal_packet(SealSlot& slot, std::uint64_t& sealed_total, Item& item, Task& task) {
  const Outcome found =
      sa_lookup({item.route, slot.policy.instance, slot.policy.flags, slot.policy.inner_mtu, item.octets});
  if (found.fate != Fate::kContinue) {
    item_end(item, found);
    return false;
  }
  item.tail = trailer(item.octets);
  const SequenceIn asked =
      sequence_in(slot.policy, slot.credit, item.moment, sealed_total, item.octets + item.tail.count);
  const SequenceOut given = sequence(slot.state, asked);
  seal_events(slot, given, item);
  if (given.outcome.fate != Fate::kContinue) {
    item_end(item, given.outcome);
    item.tail = TrailerOut{};
    return true;
  }
  sealed_total += 1;
  GcmJob job = {};
  seal_request(slot, asked, given, item, job);
  task = make_task(job, item.slot, slot.policy.key, true);
  return true;
}

// What outbound SAs leave on chip.
struct SealChip {
  Line policies[kPolicyRows][kOutboundPolicyLines];
  Line states[kEngineKeys];
};

struct SealRun {
  Recent recents[kRecents];
  std::uint64_t sealed_total;
};

// A packet whose policy is on chip: takes its credit, and its state where that comes along.
inline void seal_step(SealChip& chip, SealRun& run, Stream<Line>& lines, Item& item, Task& task,
                      Stream<Write>& writes) {
  SealSlot slot = {};
  fields_load(chip.policies[policy_row(item.slot)], slot.policy);
  const Line credit = lines.read();
  fields_load(&credit, slot.credit);
  const Line stored = chip.states[item.slot];
  Line row = recent_row(run.recents, item.slot, stored);
  if (item.state_follows) {
    row = lines.read();
  }
  fields_load(&row, slot.state);
  const bool changed = seal_packet(slot, run.sealed_total, item, task);
  fields_store(&row, slot.state);
  chip.states[item.slot] = row;
  recent_push(run.recents, item.slot, row);
  writes.write({changed ? kOutboundLine + item.slot * kOutboundLines + kOutboundStateLine : kNowhere, false, row});
  Line total = zero_word<Line>();
  word_set(total, 0, 64, run.sealed_total);
  writes.write({task.wanted ? kSealedTotalLine : kNowhere, true, total});
}

// A step takes a line of a policy, or a packet. II kSealClocks; carries the last few packets' states, so that what it
// reads of the memory on chip is at least three packets old.
inline void seal_stage(Stream<Item>& in, Stream<Line>& lines, Stream<Task>& tasks, Stream<Item>& out,
                       Stream<Write>& writes, std::uint32_t packets) {
  static SealChip chip;
#pragma HLS DISAGGREGATE variable = chip
#pragma HLS BIND_STORAGE variable = chip.states type = ram_2p impl = uram
#pragma HLS ARRAY_PARTITION variable = chip.policies dim = 2 complete
#pragma HLS DEPENDENCE variable = chip.states type = inter direction = RAW distance = 3 true
  SealRun run = SealRun();
  recent_clear(run.recents);
  Item item = {};
  std::uint32_t left = 0;  // lines of its policy
  bool under_way = false;
seal_packets:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 4 style = flp
    model_step(kSealClocks);
    if (!under_way) {
      item = in.read();
      left = item.step == Step::kSeal && item.policy_follows ? kOutboundPolicyLines : 0;
      run.sealed_total = done == 0 ? item.sealed_total : run.sealed_total;
    }
    under_way = left != 0;
    if (under_way) {
      chip.policies[policy_row(item.slot)][kOutboundPolicyLines - left] = lines.read();
      left -= 1;
    } else {
      Task task = {};
      if (item.step == Step::kSeal) {
        seal_step(chip, run, lines, item, task, writes);
      } else {
        writes.write({kNowhere, true, zero_word<Line>()});
      }
      tasks.write(task);
      out.write(item);
      done += 1;
    }
  }
}

// ---- The last kernel.

// What leaves of a packet.
struct Join {
  Payload payload;
  bool to_wire;
  std::uint32_t octets;
  std::uint32_t prefix_octets;
  std::uint8_t prefix[kPrefixMax];
};

// II: the beats of a plan.
inline void join_plan_stage(Stream<Line>& plans, Stream<Line>& reports, Stream<Join>& joins, std::uint32_t packets) {
join_plans:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 4 style = flp
    model_step(field_lines<Plan>());
    Plan plan = {};
    fields_read(plans, plan);
    fields_write(reports, plan.report);
    Join join = {plan.payload, plan.report.exit == Exit::kWire, plan.octets, plan.prefix_octets, {}};
    copy_octets(join.prefix, plan.prefix, kPrefixMax);
    joins.write(join);
  }
}

// Prefix, payload from where it waits, and the engine's tag, to the wire or the host. A step takes a word or ends the
// packet. II 1; carries the joiner.
inline void join_stage(Stream<Join>& joins, Stream<Word>& target, Stream<TagWord>& tags, Stream<Word>& clear,
                       Stream<Word>& wire, Stream<Word>& frames, std::uint32_t packets) {
  Join join = {};
  Mover mover = {};
  bool under_way = false;
join_words:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 1 style = flp
    model_step(1);
    if (!under_way) {
      join = joins.read();
      mover = mover_begin(join.prefix, join.prefix_octets);
    }
    under_way = join.payload != Payload::kNone;
    const bool engine = join.payload == Payload::kEngine;
    Word out = zero_word<Word>();
    bool full = false;
    if (under_way && mover.index * kWordDataOctets < join.octets) {
      std::uint8_t octets[kWordDataOctets];
      word_octets_get(engine ? target.read() : clear.read(), kWordDataLow, octets, kWordDataOctets);
      full = mover_word(mover, octets, 0, join.octets, out);
    } else if (under_way) {
      std::uint8_t tail[kWordDataOctets] = {};
      if (engine && !mover.tailed) {
        word_octets_get(tags.read(), kEngineTagLow, tail, kGcmTagOctets);
      }
      under_way = !mover_finish(mover, tail, engine ? kGcmTagOctets : 0, out, full);
    }
    if (full) {
      word_route(out, join.to_wire, wire, frames);
    }
    done += under_way ? 0 : 1;
  }
}

}  // namespace card
}  // namespace tandem
