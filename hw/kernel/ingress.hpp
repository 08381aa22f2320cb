// SPDX-License-Identifier: Apache-2.0
// Where a path begins: frames from the wire and from the host kernel, their first octets split off for the decisions,
// and the time and the host's command asked for each of them. Serves N7.
#pragma once

#include <cstdint>

#include "hw/kernel/item.hpp"
#include "hw/kernel/reader.hpp"
#include "hw/kernel/words.hpp"

namespace tandem {
namespace card {

// The card's clock, in ns: whoever sends it always has the time ready. Up to this many items may have waited on the way
// when a kernel is started; later it is read at every clock.
constexpr std::uint32_t kClockStale = 8;
using ClockWord = WideWord<64>;

// Passes over what had waited: the next item is new.
inline void clock_refresh(Stream<ClockWord>& clock) {
clock_stale:
  for (std::uint32_t i = 0; i < kClockStale; ++i) {
    clock.read();
  }
}

// The time of each packet whose last word has just come in. II some 3: the look for the next one.
inline void clock_stage(Stream<bool>& stamps, Stream<ClockWord>& clock, Stream<std::uint64_t>& times,
                        std::uint32_t packets) {
  clock_refresh(clock);
clock_packets:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
    model_step(3);
    const ClockWord now = stream_latest(clock, stamps);
    stamps.read();
    times.write(word_get(now, 0, 64));
  }
}

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

// A frame that is coming in.
struct Arrival {
  Head head;
  bool under_way;
  bool injected;
  bool ragged;  // a word that is not full in front of the last one
};

// One word of a frame; true: `payload` gets it.
inline bool arrival_word(const Word& word, bool last, Arrival& arrival) {
  Head& head = arrival.head;
  const std::uint32_t count = word_octets(word);
  arrival.ragged = arrival.ragged || (!last && count != kWordDataOctets);
  head.octets = head.octets + count > kFrameMax ? kOversize : head.octets + count;
  if (head.words < 2) {
    word_octets_get(word, kWordDataLow, head.at + kWordDataOctets * head.words, kWordDataOctets);
  }
  const bool kept = head.words < kFrameWords;
  head.words += kept ? 1 : 0;
  return kept;
}

// Whole packets, injected ones first. A frame longer than kFrameMax is swallowed to its last word. While a standby is
// being handed the service the wire's frames wait where they are (`holds_wires` in gate.hpp): the host kernel, which
// has the clock and the register at hand, says so by its tokens. `kSide`: each path has its own. One word a step, II 1;
// a packet's head behind its last word.
template <Port kSide>
void ingress_stage(Stream<Word>& inject, Stream<Word>& wire, Stream<Head>& heads, Stream<Word>& payload,
                   Stream<bool>& stamps, Stream<Ask>& asks, std::uint32_t packets) {
  static bool held;
  Arrival arrival = {};
ingress_words:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 1 style = flp
    model_step(1);
    const Chosen chosen =
        arrival.under_way ? (arrival.injected ? Chosen::kFirst : Chosen::kSecond) : stream_look(inject, wire, !held);
    if (chosen != Chosen::kNone) {
      const bool control = !arrival.under_way && chosen == Chosen::kFirst;
      const Word word = chosen == Chosen::kFirst ? inject.read() : wire.read();
      const bool last = word_get(word, kWordLastBit, 1) != 0;
      arrival.under_way = true;
      arrival.injected = chosen == Chosen::kFirst;
      if (control) {
        head_injected(word, arrival.head);
        held = arrival.head.kind == kInjectToken ? arrival.head.route == kTokenHold : held;
      } else if (arrival_word(word, last, arrival)) {
        payload.write(word);
      }
      if (last) {
        if (arrival.ragged && arrival.head.octets <= kFrameMax) {
          arrival.head.octets = 0;  // malformed
        }
        heads.write(arrival.head);
        stamps.write(true);
        // Of a call's first packet the count of sealed packets too.
        asks.write(done == 0 ? ask_run(kSealedTotalLine, 2) : ask_run(kCommandLine, 1));
        arrival = Arrival{};
        done += 1;
      }
    }
  }
}

}  // namespace card
}  // namespace tandem
