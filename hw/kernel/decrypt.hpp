// SPDX-License-Identifier: Apache-2.0
// The decrypt path's own stages up to the engine: SPI, early replay check and job. RFC 4303 3.4. Serves N3: this kernel
// only reads what memory says of the windows, which tandem_decrypt_end changes, and sheds by it.
#pragma once

#include <cstdint>

#include "hw/kernel/flows.hpp"
#include "hw/kernel/keys.hpp"
#include "hw/kernel/leave.hpp"
#include "hw/kernel/open_plan.hpp"
#include "hw/stage/gcm_request.hpp"
#include "hw/stage/sa_lookup.hpp"
#include "hw/stage/unknown_spi.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kOpenClocks = 4;

// From the SPI to the SA's slot, whose generation is asked for. II 2.
inline void spi_stage(Stream<Item>& in, std::uint32_t slots, Stream<Ask>& asks, Stream<Item>& out,
                      std::uint32_t packets) {
spi_packets:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 2 style = flp
    model_step(2);
    Item item = in.read();
    Ask ask = ask_none();
    if (item.step == Step::kSeal) {  // cleartext from outside: flow_action() never says so
      item_end(item, drop(Counter::kDropPolicy));
    } else if (item.step == Step::kOpen) {
      const std::uint32_t index = spi_slot(item.outer.spi, slots);
      if (index >= slots || index >= kEngineKeys) {
        item_end(item, drop(Counter::kDropUnknownSpi));
      } else {
        item.slot = index;
        ask = ask_run(inbound_line(slots) + index * kInboundLines, 1);
      }
    }
    asks.write(ask);
    out.write(item);
  }
}

// What else is needed of the slot: credit and the state's first line always, the policy's copy that the generation
// names unless it is on chip. The credit is read behind the generation: it is that SA's or a newer one's. II 2.
inline void inbound_ask_stage(Stream<Item>& in, Stream<Line>& lines, std::uint32_t slots, Stream<Ask>& asks,
                              Stream<Item>& out, std::uint32_t packets) {
  static PolicyTags tags;
  static std::uint32_t call;
  call += 1;
inbound_asks:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 2 style = flp
    model_step(2);
    Item item = in.read();
    Ask ask = ask_none();
    if (item.step == Step::kOpen) {
      const std::uint32_t at = inbound_line(slots) + item.slot * kInboundLines;
      item.generation = static_cast<std::uint32_t>(word_get(lines.read(), 0, 32));
      item.policy_follows = !policy_kept(tags, call, item.slot, item.generation);
      ask.line[0] = at + kInboundPolicyLine + (item.generation & 1u) * kInboundPolicyLines;
      ask.count[0] = item.policy_follows ? kSelectorLine : 0;
      ask.line[1] = at + kInboundCreditLine;
      ask.count[1] = 2;
      static_assert(kInboundStateLine == kInboundCreditLine + 1, "one run");
    }
    asks.write(ask);
    out.write(item);
  }
}

// What is known of a packet by its SA, beside its item: the number that it claims, and what its task takes of the
// policy.
struct Guess {
  ReplayGuess replay;
  std::uint32_t word;  // of the ring, that holds the number's bit
  ReplayUpdateIn update;
  std::uint32_t selector_count;
  std::uint8_t key[32];
  std::uint8_t salt[4];
};

inline std::uint32_t open_octets(const Item& item) {
  return item.outer.esp_octets - kEspHeaderOctets - kEspIvOctets - kEspIcvOctets;
}

inline void guess_item(const Line* policy, Stream<Line>& lines, Item& item, Guess& guess) {
  InboundTerms terms = {};
  fields_load(policy, terms);
  const InboundPolicy& known = terms.policy;
  const Line line = lines.read();
  Credit credit = {};
  fields_load(&line, credit);
  Line head[kStateHeads];
  head[0] = lines.read();
  StateHead state = {};
  fields_load(head, state);
  const Outcome found = spi_lookup({item.outer.spi, known.spi, known.flags});
  if (found.fate != Fate::kContinue) {
    item_end(item, found);
    return;
  }
  guess.replay = replay_guess(state.state, replay_check_in(known, credit, item.moment, item.outer.sequence));
  guess.word = ring_word(guess.replay.number, guess.replay.window);
  guess.update = replay_update_in(known, credit, item.moment, guess.replay.number, open_octets(item), item.outer.source,
                                  item.outer.source_port);
  guess.selector_count = known.selector_count;
  copy_octets(guess.key, known.key, 32);
  copy_octets(guess.salt, known.salt, 4);
}

// A step takes a line of a policy, or a packet, whose word of the window is asked for. II kOpenClocks.
inline void guess_stage(Stream<Item>& in, Stream<Line>& lines, std::uint32_t slots, Stream<Ask>& asks,
                        Stream<Item>& items, Stream<Guess>& guesses, std::uint32_t packets) {
  static Line policies[kPolicyRows][kSelectorLine];
#pragma HLS ARRAY_PARTITION variable = policies dim = 2 complete
  Item item = {};
  std::uint32_t left = 0;  // lines of its policy
  bool under_way = false;
guess_packets:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 4 style = flp
    model_step(kOpenClocks);
    if (!under_way) {
      item = in.read();
      left = item.step == Step::kOpen && item.policy_follows ? kSelectorLine : 0;
    }
    under_way = left != 0;
    if (under_way) {
      policies[policy_row(item.slot)][kSelectorLine - left] = lines.read();
      left -= 1;
    } else {
      Guess guess = {};
      if (item.step == Step::kOpen) {
        guess_item(policies[policy_row(item.slot)], lines, item, guess);
      }
      const std::uint32_t row =
          inbound_line(slots) + item.slot * kInboundLines + kInboundStateLine + kStateHeads + guess.word / kLineWords;
      asks.write(item.step == Step::kOpen ? ask_run(row, 1) : ask_none());
      items.write(item);
      guesses.write(guess);
      done += 1;
    }
  }
}

inline void open_request(const Guess& guess, const Item& item, GcmJob& job) {
  GcmRequestIn request = {};
  copy_octets(request.salt, guess.salt, 4);
  copy_octets(request.iv, item.iv, kEspIvOctets);
  request.number = guess.replay.number;
  request.spi = item.outer.spi;
  request.esn = (guess.update.flags & kSaEsn) != 0;
  gcm_request(request, job);
  job.octets = open_octets(item);
  job.key256 = (guess.update.flags & kSaKey256) != 0;
}

// Early replay check of a packet, and its task.
inline void open_packet(const Guess& guess, std::uint64_t word, Item& item, OpenPlan& open, Task& task) {
  const ReplayGuess& replay = guess.replay;
  if (replay_seen(word, replay.edge, replay.window, replay.number)) {
    open.opening = Opening::kReplay;
    item_end(item, drop(Counter::kDropReplay));
    return;
  }
  GcmJob job = {};
  open_request(guess, item, job);
  task = make_task(job, item.slot, guess.key, false);
  open.opening = Opening::kOpen;
  open.update = guess.update;
  open.selector_count = guess.selector_count;
}

// A packet of no SA, found out by spi_stage or guess_stage.
inline bool open_unknown(const Item& item) {
  return item.step == Step::kEnd && item.outcome.fate == Fate::kDrop &&
         item.outcome.counter == Counter::kDropUnknownSpi;
}

// II kOpenClocks. Carries when an unknown SPI was last told of.
inline void open_stage(Stream<Item>& in, Stream<Guess>& guesses, Stream<Line>& lines, Stream<Task>& tasks,
                       Stream<OpenPlan>& opens, Stream<Item>& out, std::uint32_t packets) {
  static UnknownSpi unknown;
open_packets:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 4 style = flp
    model_step(kOpenClocks);
    Item item = in.read();
    const Guess guess = guesses.read();
    OpenPlan open = {};
    Task task = {};
    if (item.step == Step::kOpen) {
      std::uint64_t words[kLineWords];
      line_get(lines.read(), words);
      open_packet(guess, words[guess.word % kLineWords], item, open, task);
    } else if (open_unknown(item)) {
      item.report.events =
          unknown_spi(unknown, {item.outer.spi, item.outer.source, item.outer.source_port, item.moment.now_ns});
    }
    open.words = item.words;
    open.outer_tos = item.outer.tos;
    open.esp_offset = item.skip + item.outer.esp_offset;
    open.esp_octets = item.outer.esp_octets;
    open.generation = item.generation;
    open.config_generation = item.config_generation;
    tasks.write(task);
    opens.write(open);
    out.write(item);
  }
}

// As leave_stage(), with what the SA's stage found. An ESP packet's ciphertext goes to the engine, and the frame as it
// came beside it: the ICV is in there, and a packet beyond the bound goes to the host so. II: the beats.
inline void open_leave_stage(Stream<Item>& in, Stream<OpenPlan>& opens, Stream<Line>& lines, Stream<Line>& plans,
                             Stream<Move>& moves, std::uint32_t packets) {
open_leave_packets:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 7 style = flp
    model_step(field_lines<OpenPlan>());
    const Item item = in.read();
    OpenPlan open = opens.read();
    Move move = {};
    leave_item(item, lines, open.plan, move);
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
}
static_assert(field_lines<OpenPlan>() == 7, "the II of open_leave_stage");

}  // namespace card
}  // namespace tandem
