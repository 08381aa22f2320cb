// SPDX-License-Identifier: Apache-2.0
// The kernels' tops wired up as on a card, over a Rig's memory: one packet, or one injected record, at a time.
#pragma once

#include "hw/kernel/engine.hpp"
#include "hw/kernel/host.hpp"
#include "hw/kernel/tops.hpp"
#include "rig.hpp"

namespace tandem::card::test {

// The streams of one path.
struct PathStreams {
  Stream<Word> in, inject, source, target, clear, wire, frame;
  Stream<ClockWord> clock;
  Stream<KeyWord> key;
  Stream<JobWord> job;
  Stream<TagWord> tag;
  Stream<Line> plan, report;

  bool idle() {
    return in.empty() && inject.empty() && source.empty() && target.empty() && clear.empty() && wire.empty() &&
           frame.empty() && clock.empty() && key.empty() && job.empty() && tag.empty() && plan.empty() &&
           report.empty();
  }
};

// A frame's words; `each` is called in front of each.
template <typename Each>
void feed(Stream<Word>& stream, const Octets& frame, Each each) {
  std::size_t at = 0;
  do {
    std::uint8_t octets[64] = {};
    const std::size_t count = std::min<std::size_t>(64, frame.size() - at);
    std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(at), count, octets);
    at += count;
    each();
    stream.write(make_word(octets, static_cast<std::uint32_t>(count), at == frame.size()));
  } while (at < frame.size());
}

inline void feed(Stream<Word>& stream, const Octets& frame) {
  feed(stream, frame, [] {});
}

inline Octets drain(Stream<Word>& stream) {
  Octets frame;
  bool last = stream.empty();
  while (!last) {
    const Word word = stream.read();
    const std::uint32_t count = word_octets(word);
    last = word_get(word, kWordLastBit, 1) != 0;
    if (count != 64 && !last) {
      std::abort();  // a word in the middle of a packet is full
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      frame.push_back(static_cast<std::uint8_t>(word_get(word, static_cast<int>(8 * i), 8)));
    }
  }
  return frame;
}

// Each path has its engine; the top is the encrypt path's, its stage with other keys the decrypt path's. A path
// remembers what it gave its engine, so there is one of each in a program.
inline EngineKeys& open_engine_keys() {
  static EngineKeys keys;
  return keys;
}

class TopCard {
 public:
  explicit TopCard(Rig& rig, std::uint32_t slots = kBenchSlots) : rig_(rig), slots_(slots) {}

  // One frame off the wire of `port`, in the native pipeline's terms.
  Result process(Port port, const Octets& frame) {
    feed(port == Port::kInner ? encrypt_.in : decrypt_.in, frame);
    run(port);
    return settle(port);
  }

  // What stands next in the inject ring.
  Result process_injected() {
    look();
    return settle(Port::kInner);
  }

  void look() {
    tick(clock_);
    host_stage(host_, encrypt_.report, encrypt_.frame, decrypt_.report, decrypt_.frame, encrypt_.inject,
               decrypt_.inject, clock_, words(), reinterpret_cast<std::uint32_t*>(&rig_.memory()), 1);
  }

  // The path of the port through its kernels, once, with so many packets.
  void run(Port port, std::uint32_t packets = 1) {
    PathStreams& path = port == Port::kInner ? encrypt_ : decrypt_;
    tick(path.clock, packets);
    Line* const memory = lines();
    if (port == Port::kInner) {
      tandem_encrypt(path.in, path.inject, path.clock, path.key, path.job, path.source, path.plan, path.clear, memory,
                     memory, memory, memory, memory, memory, memory, memory, slots_, packets);
    } else {
      tandem_decrypt(path.in, path.inject, path.clock, path.key, path.job, path.source, path.plan, path.clear, memory,
                     memory, memory, memory, memory, memory, memory, slots_, packets);
    }
    while (!path.job.empty()) {
      if (port == Port::kInner) {
        tandem_engine(path.key, path.job, path.source, path.target, path.tag);
      } else {
        engine_stage(open_engine_keys(), path.key, path.job, path.source, path.target, path.tag);
      }
    }
    if (port == Port::kInner) {
      tandem_encrypt_end(path.plan, path.target, path.tag, path.clear, path.wire, path.report, path.frame, packets);
    } else {
      tandem_decrypt_end(path.plan, path.target, path.tag, path.clear, path.wire, path.report, path.frame, memory,
                         memory, memory, memory, slots_, packets);
    }
  }

  PathStreams& encrypt() { return encrypt_; }
  PathStreams& decrypt() { return decrypt_; }
  HostState& host() { return host_; }

 private:
  // Until nothing is under way; the last frame that left is the result.
  Result settle(Port port) {
    Result result = {Verdict::kDrop, port, {}};
    const std::uint64_t punted = rig_.memory().punt_index.produced;
    const std::uint64_t consumed = rig_.memory().inject_index.consumed;
    while (!encrypt_.idle() || !decrypt_.idle()) {
      for (const Port side : {Port::kInner, Port::kOuter}) {
        PathStreams& path = side == Port::kInner ? encrypt_ : decrypt_;
        if (!path.inject.empty()) {
          run(side);
        }
        if (!path.wire.empty()) {
          result = {Verdict::kSend, side == Port::kInner ? Port::kOuter : Port::kInner, drain(path.wire)};
        }
      }
      if (!encrypt_.report.empty() || !decrypt_.report.empty()) {
        look();
      }
    }
    if (rig_.memory().inject_index.consumed > consumed + 1) {
      std::abort();  // one at a time, or the results cannot be told apart
    }
    take_tap(punted, result);
    return result;
  }

  // A card without a TAP puts frames for it into the punt ring; natively they are results.
  void take_tap(std::uint64_t punted, Result& result) {
    RingIndex& index = rig_.memory().punt_index;
    const PuntRecord& record = rig_.memory().punts[punted % kPuntRingSize];
    if (index.produced == punted + 1 && record.reason == static_cast<std::uint32_t>(PuntReason::kHostFrame)) {
      index.produced = punted;
      result = {Verdict::kPunt, static_cast<Port>(record.port), Octets(record.packet, record.packet + record.octets)};
    }
  }

  void tick(Stream<ClockWord>& clock, std::uint32_t packets = 1) {
    ClockWord now;
    for (std::uint32_t i = 0; i < kClockStale + packets; ++i) {  // the items that had waited are older
      word_set(now, 0, 64, i < kClockStale ? 0 : rig_.now_ns);
      clock.write(now);
    }
  }

  Line* lines() { return reinterpret_cast<Line*>(&rig_.memory()); }
  std::uint64_t* words() { return reinterpret_cast<std::uint64_t*>(&rig_.memory()); }

  Rig& rig_;
  std::uint32_t slots_;
  PathStreams encrypt_, decrypt_;
  Stream<ClockWord> clock_;
  HostState host_ = {};
};

}  // namespace tandem::card::test
