// SPDX-License-Identifier: Apache-2.0
// The host kernel: the only writer of counters, rings and `used` marks, and the way of the inject ring into the paths.
// A mover that waits on a choice of inputs. Serves N5: nothing here loops over SAs.
//
// It never waits for a path that may wait for it: a path is given one injected packet at a time, and its stream has
// room for a whole one.
//
// Most reports only count and mark: a look takes a run of them at one in two clocks, counts on chip and writes what
// changed at its end, without waiting for the memory. Everything else is done one by one. A look waits for one read, of
// the inject ring's index: some 150 clocks.
//
// The memory is `volatile`: the host writes it too, so each read is one, and a record's words are written before the
// index that shows them.
#pragma once

#include <cstdint>

#include "hw/kernel/ingress.hpp"
#include "hw/kernel/joiner.hpp"
#include "hw/stage/gate.hpp"

namespace tandem {
namespace card {

// A token goes round each path this often: when both came back, every packet that had been in a path before is done.
constexpr std::uint64_t kTokenEveryNs = 50000;

constexpr std::uint32_t ring_produced(std::size_t ring) { return static_cast<std::uint32_t>(ring / 8); }
constexpr std::uint32_t ring_consumed(std::size_t ring) {
  return static_cast<std::uint32_t>((ring + offsetof(RingIndex, consumed)) / 8);
}
constexpr std::uint32_t kEventWord = offsetof(CardMemory, events) / 8;
constexpr std::uint32_t kPuntWord = offsetof(CardMemory, punts) / 8;
constexpr std::uint32_t kInjectWord = offsetof(CardMemory, injects) / 8;
constexpr std::uint32_t kCounterWord = offsetof(Registers, counters) / 8;
constexpr std::uint32_t kNowWord = offsetof(Registers, now_ns) / 8;
constexpr std::uint32_t kBatchWord = offsetof(Registers, batch_count) / 8;
constexpr std::uint32_t kActivationWord = offsetof(Registers, activation) / 8;
constexpr std::uint32_t kHoldWord = offsetof(Registers, hold_deadline_ns) / 8;
constexpr std::uint32_t kIdleMark = offsetof(Registers, idle) / 4;
constexpr std::uint32_t kRecordHeadWords = offsetof(PuntRecord, packet) / 8;
static_assert(offsetof(InjectRecord, packet) == offsetof(PuntRecord, packet), "heads of one size");

struct PuntHead {
  std::uint32_t reason;
  std::uint32_t port;
  std::uint32_t index;
  std::uint32_t octets;
  std::uint64_t when_ns;
};

template <>
struct Fields<PuntHead> {
  static constexpr std::uint32_t kOctets = 24;
  template <typename Walk>
  static void walk(Walk& walk, PuntHead& head) {
    walk.value(head.reason);
    walk.value(head.port);
    walk.value(head.index);
    walk.value(head.octets);
    walk.value(head.when_ns);
  }
};

struct InjectHead {
  std::uint32_t kind;
  std::uint32_t port;
  std::uint32_t octets;
  std::uint32_t route;
  Address next_hop;
};

template <>
struct Fields<InjectHead> {
  static constexpr std::uint32_t kOctets = 32;
  template <typename Walk>
  static void walk(Walk& walk, InjectHead& head) {
    walk.value(head.kind);
    walk.value(head.port);
    walk.value(head.octets);
    walk.value(head.route);
    Fields<Address>::walk(walk, head.next_hop);
  }
};

template <>
struct Fields<Event> {
  static constexpr std::uint32_t kOctets = sizeof(Event);
  template <typename Walk>
  static void walk(Walk& walk, Event& event) {
    walk.value(event.kind);
    walk.value(event.direction);
    walk.value(event.index);
    walk.value(event.instance);
    walk.value(event.value);
    walk.value(event.when_ns);
    walk.octets(event.address, 16);
    walk.value(event.port);
    walk.value(event.family);
    walk.skip(13);
  }
};

constexpr std::uint32_t kReportsALook = 64;  // of each path
constexpr std::uint32_t kLookClocks = 150;
constexpr std::uint32_t kSlowReportClocks = 400;

// What the kernel keeps from call to call.
struct HostState {
  std::uint64_t token_at_ns;  // when the next token is due
  bool token_out[2];          // on its way, for each path (0: encrypt, 1: decrypt)
  bool inject_out[2];         // likewise, an injected packet
  // Of this call, from the memory.
  std::uint64_t counts[kCounters];
  std::uint64_t counted;   // bit n: counts[n] is newer than the memory's
  std::uint64_t consumed;  // of the inject ring
};

inline void host_count(HostState& state, std::uint32_t counter) {
  if (counter < kCounters) {
    state.counts[counter] += 1;
    state.counted |= std::uint64_t{1} << counter;
  }
}
static_assert(kCounters <= 64, "bits");

// A call begins with what memory says.
inline void host_begin(HostState& state, const volatile std::uint64_t* memory) {
begin_counts:
  for (std::uint32_t i = 0; i < kCounters; ++i) {
#pragma HLS PIPELINE II = 1
    state.counts[i] = memory[kCounterWord + i];
  }
  state.counted = 0;
  state.consumed = memory[ring_consumed(offsetof(CardMemory, inject_index))];
}

inline void host_publish(HostState& state, volatile std::uint64_t* memory) {
publish_counts:
  for (std::uint32_t i = 0; i < kCounters; ++i) {
#pragma HLS PIPELINE II = 1
    if ((state.counted >> i & 1u) != 0) {
      memory[kCounterWord + i] = state.counts[i];
    }
  }
  state.counted = 0;
}

// Room in a ring of `size` whose index lies at octet `ring`; `produced`: where.
inline bool ring_room(const volatile std::uint64_t* memory, std::size_t ring, std::uint32_t size,
                      std::uint64_t& produced) {
  produced = memory[ring_produced(ring)];
  return produced - memory[ring_consumed(ring)] < size;
}

inline void host_event(HostState& state, volatile std::uint64_t* memory, Event& event) {
  const std::size_t ring = offsetof(CardMemory, event_index);
  std::uint64_t produced = 0;
  if (!ring_room(memory, ring, kEventRingSize, produced)) {
    host_count(state, static_cast<std::uint32_t>(Counter::kEventsLost));
    return;
  }
  std::uint64_t words[kLineWords] = {};
  FieldWriter writer(words);
  Fields<Event>::walk(writer, event);
event_words:
  for (std::uint32_t i = 0; i < kLineWords; ++i) {
    memory[kEventWord + produced % kEventRingSize * kLineWords + i] = words[i];
  }
  memory[ring_produced(ring)] = produced + 1;
}

// A frame for the host: into the punt ring, or swallowed and counted when that is full or the frame too long.
inline void host_frame(HostState& state, volatile std::uint64_t* memory, const Report& report, Stream<Word>& frames) {
  const std::size_t ring = offsetof(CardMemory, punt_index);
  const bool fits = report.octets <= kFrameMax;
  std::uint64_t produced = 0;
  const bool room = ring_room(memory, ring, kPuntRingSize, produced);
  const std::uint64_t at = kPuntWord + produced % kPuntRingSize * (sizeof(PuntRecord) / 8);
  const bool tap = report.exit == Exit::kTap;
  bool last = report.octets == 0;
frame_words:
  for (std::uint32_t index = 0; !last; ++index) {  // ends with the packet: the path sets `last`
#pragma HLS LOOP_TRIPCOUNT max = 34
    const Word word = frames.read();
    last = word_get(word, kWordLastBit, 1) != 0;
  frame_parts:
    for (std::uint32_t i = 0; i < kLineWords; ++i) {
      if (fits && room && index < kFrameWords) {
        memory[at + kRecordHeadWords + index * kLineWords + i] = word_get(word, static_cast<int>(64 * i), 64);
      }
    }
  }
  if (!fits || !room) {
    host_count(state, static_cast<std::uint32_t>(fits ? Counter::kDropRingFull : Counter::kDropTooBig));
    return;
  }
  PuntHead head = {tap ? static_cast<std::uint32_t>(PuntReason::kHostFrame) : report.reason,
                   static_cast<std::uint32_t>(report.port), report.slot, report.octets, report.now_ns};
  std::uint64_t words[kLineWords] = {};
  FieldWriter writer(words);
  Fields<PuntHead>::walk(writer, head);
punt_words:
  for (std::uint32_t i = 0; i < kRecordHeadWords; ++i) {
    memory[at + i] = words[i];
  }
  memory[ring_produced(ring)] = produced + 1;
  host_count(state, static_cast<std::uint32_t>(tap ? Counter::kPuntedHost : Counter::kPuntedSlow));
}

// The octets of a mark's word in memory, of entry `mark` - 1.
constexpr std::uint32_t flow_mark_at(std::uint32_t mark) {
  return static_cast<std::uint32_t>(
      (offsetof(CardMemory, flows) + (mark - 1) * sizeof(FlowEntry) + offsetof(FlowEntry, used)) / 4);
}
constexpr std::uint32_t hop_mark_at(std::uint32_t mark) {
  return static_cast<std::uint32_t>(
      (offsetof(CardMemory, next_hops) + (mark - 1) * sizeof(NextHop) + offsetof(NextHop, used)) / 4);
}

inline void host_marks(const Report& report, volatile std::uint32_t* marks) {
  if (report.flow_mark != 0) {
    marks[flow_mark_at(report.flow_mark)] = 1;
  }
  if (report.hop_mark != 0) {
    marks[hop_mark_at(report.hop_mark)] = 1;
  }
}

// Whether a report is more than a count and marks.
inline bool report_slow(const Report& report) {
  return report.exit == Exit::kToken || report.exit == Exit::kPunt || report.exit == Exit::kTap || report.injected ||
         report.events.events != 0;
}

// One packet's report: events in their order, marks, and exactly one counter.
inline void host_report(HostState& state, std::uint32_t path, const Report& report, Stream<Word>& frames,
                        volatile std::uint64_t* memory, volatile std::uint32_t* marks) {
  model_step(kSlowReportClocks);
  if (report.exit == Exit::kToken) {
    state.token_out[path] = false;
    return;
  }
  if (report.injected) {
    state.inject_out[path] = false;
  }
report_kinds:
  for (std::uint32_t kind = 1; kind < kEventKinds; ++kind) {
    if (event_wanted(report.events, kind)) {
      Event event = event_record(report.events, kind);
      host_event(state, memory, event);
    }
  }
  host_marks(report, marks);
  if (report.exit == Exit::kPunt || report.exit == Exit::kTap) {
    host_frame(state, memory, report, frames);
  } else {
    host_count(state, report.counter);
  }
}

// The reports of a path that are there, until one is slow: that one is then done with. II 2, the beats of a report.
inline void host_reports(HostState& state, std::uint32_t path, Stream<Line>& reports, Stream<Word>& frames,
                         volatile std::uint64_t* memory, volatile std::uint32_t* marks) {
  Report report = {};
  bool slow = false;
take_reports:
  for (std::uint32_t i = 0; i < kReportsALook; ++i) {
#pragma HLS PIPELINE II = 2
    if (!slow && stream_ready(reports)) {
      model_step(field_lines<Report>());
      fields_read(reports, report);
      slow = report_slow(report);
      if (!slow) {
        host_marks(report, marks);
        host_count(state, report.counter);
      }
    }
  }
  if (slow) {
    host_report(state, path, report, frames, memory, marks);
  }
}

// ---- The inject ring.

inline Word control_word(Injection& injection, bool last) {
  std::uint64_t words[kLineWords] = {};
  FieldWriter writer(words);
  Fields<Injection>::walk(writer, injection);
  Word word = zero_word<Word>();
control_parts:
  for (std::uint32_t i = 0; i < kLineWords; ++i) {
    word_set(word, static_cast<int>(64 * i), 64, words[i]);
  }
  word_set(word, kWordLastBit, 1, last ? 1 : 0);
  return word;
}

// The record's octets as a frame: IP packets get room for an Ethernet header in front.
inline void inject_frame(const volatile std::uint64_t* record, const InjectHead& head, bool decrypt,
                         Stream<Word>& to_encrypt, Stream<Word>& to_decrypt) {
  const bool whole = static_cast<InjectKind>(head.kind) == InjectKind::kFrame;
  Injection injection = {static_cast<InjectKind>(head.kind), head.route, head.next_hop};
  word_route(control_word(injection, false), decrypt, to_decrypt, to_encrypt);
  Joiner joiner = {};
  Word word = zero_word<Word>();
  const std::uint8_t zeros[kWordDataOctets] = {};
  joiner_put(joiner, zeros, whole ? 0 : kEthernetOctets, word);
inject_words:
  for (std::uint32_t index = 0; index < kFrameWords; ++index) {
    if (index * kWordDataOctets < head.octets) {
      std::uint8_t octets[kWordDataOctets];
    inject_parts:
      for (std::uint32_t i = 0; i < kWordDataOctets; ++i) {
        octets[i] = static_cast<std::uint8_t>(record[kRecordHeadWords + index * kLineWords + i / 8] >> (8 * (i % 8)));
      }
      if (joiner_slice(joiner, octets, index, 0, head.octets, word)) {
        word_route(word, decrypt, to_decrypt, to_encrypt);
      }
    }
  }
  joiner_end(joiner, word);  // an empty frame is one word that keeps nothing
  word_route(word, decrypt, to_decrypt, to_encrypt);
}

// Takes one record off the inject ring, unless its path still has the one before.
inline void host_inject(HostState& state, volatile std::uint64_t* memory, Stream<Word>& to_encrypt,
                        Stream<Word>& to_decrypt) {
  const std::size_t ring = offsetof(CardMemory, inject_index);
  const std::uint64_t consumed = state.consumed;
  const std::uint64_t ready = memory[ring_produced(ring)] - consumed;
  if (ready == 0 || ready > kInjectRingSize) {
    return;
  }
  const volatile std::uint64_t* const record =
      memory + kInjectWord + consumed % kInjectRingSize * (sizeof(InjectRecord) / 8);
  std::uint64_t words[kLineWords];
inject_head:
  for (std::uint32_t i = 0; i < kLineWords; ++i) {
    words[i] = record[i];
  }
  InjectHead head = {};
  FieldReader reader(words);
  Fields<InjectHead>::walk(reader, head);
  const InjectKind kind = static_cast<InjectKind>(head.kind);
  const bool known = head.kind >= static_cast<std::uint32_t>(InjectKind::kFrame) &&
                     head.kind <= static_cast<std::uint32_t>(InjectKind::kSealRoute) && head.port < kPorts;
  const bool by_port = kind == InjectKind::kFrame || kind == InjectKind::kIpPacket;
  // The path that ends at the frame's port; kOpen goes in at the outer one.
  const bool decrypt = by_port ? head.port == static_cast<std::uint32_t>(Port::kInner) : kind == InjectKind::kOpen;
  if (!known || head.octets > kFrameMax) {
    host_count(state,
               static_cast<std::uint32_t>(head.octets > kFrameMax ? Counter::kDropTooBig : Counter::kDropMalformed));
  } else if (state.inject_out[decrypt ? 1 : 0]) {
    return;
  } else {
    state.inject_out[decrypt ? 1 : 0] = true;
    inject_frame(record, head, decrypt, to_encrypt, to_decrypt);
  }
  state.consumed = consumed + 1;
  memory[ring_consumed(ring)] = state.consumed;
}

// A round of tokens has ended, and the next is due: `batch_count` moves on. The tokens say whether the wires are held.
inline void host_tokens(HostState& state, std::uint64_t now_ns, volatile std::uint64_t* memory,
                        Stream<Word>& to_encrypt, Stream<Word>& to_decrypt) {
  if (now_ns < state.token_at_ns || state.token_out[0] || state.token_out[1]) {
    return;
  }
  state.token_at_ns = now_ns + kTokenEveryNs;
  state.token_out[0] = true;
  state.token_out[1] = true;
  memory[kBatchWord] = memory[kBatchWord] + 1;
  const bool held = holds_wires({memory[kActivationWord], memory[kHoldWord], now_ns});
  Injection token = {kInjectToken, held ? kTokenHold : 0, {}};
  const Word word = control_word(token, true);
  to_encrypt.write(word);
  to_decrypt.write(word);
}

// One look at everything: the clock, the tokens, each path's reports, the inject ring.
inline void host_look(HostState& state, Stream<Line>& encrypt_report, Stream<Word>& encrypt_frame,
                      Stream<Line>& decrypt_report, Stream<Word>& decrypt_frame, Stream<Word>& to_encrypt,
                      Stream<Word>& to_decrypt, Stream<ClockWord>& clock, volatile std::uint64_t* memory,
                      volatile std::uint32_t* marks) {
  model_step(kLookClocks);
  clock_refresh(clock);
  const std::uint64_t now_ns = word_get(clock.read(), 0, 64);
  memory[kNowWord] = now_ns;
  marks[kIdleMark] = 0;  // packets may be anywhere in the paths: only tokens tell
  host_tokens(state, now_ns, memory, to_encrypt, to_decrypt);
  host_reports(state, 0, encrypt_report, encrypt_frame, memory, marks);
  host_reports(state, 1, decrypt_report, decrypt_frame, memory, marks);
  host_inject(state, memory, to_encrypt, to_decrypt);
  host_publish(state, memory);
}

inline void host_stage(HostState& state, Stream<Line>& encrypt_report, Stream<Word>& encrypt_frame,
                       Stream<Line>& decrypt_report, Stream<Word>& decrypt_frame, Stream<Word>& to_encrypt,
                       Stream<Word>& to_decrypt, Stream<ClockWord>& clock, volatile std::uint64_t* memory,
                       volatile std::uint32_t* marks, std::uint32_t looks) {
  host_begin(state, memory);
host_looks:
  for (std::uint32_t n = 0; n < looks; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
    host_look(state, encrypt_report, encrypt_frame, decrypt_report, decrypt_frame, to_encrypt, to_decrypt, clock,
              memory, marks);
  }
}

}  // namespace card
}  // namespace tandem
