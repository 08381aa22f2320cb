// SPDX-License-Identifier: Apache-2.0
// What comes out of the engine and beside it: words that wait for the verdict about their packet, and the few facts
// about them that the verdict needs. RFC 4303 2.4, 2.8.
#pragma once

#include <cstdint>

#include "hw/kernel/open_plan.hpp"
#include "hw/kernel/reader.hpp"
#include "hw/kernel/words.hpp"
#include "hw/leaf/gcm.hpp"
#include "hw/stage/parse_outer.hpp"

namespace tandem {
namespace card {

// Words of a packet on one of the two ways.
struct Take {
  std::uint32_t words;
  std::uint32_t octets;  // plaintext; on the clear way: where the ICV ends in the frame, or 0
};

// Of a plaintext.
struct Facts {
  Window window;
  std::uint8_t pad_octets;
  std::uint8_t next_header;
  bool padding_good;
};

// How many octets up to here rise by one each. Octets less their place in the packet are equal then.
struct Rise {
  std::uint8_t base;    // of the last octet
  std::uint32_t count;  // kRiseMax at most
};
constexpr std::uint32_t kRiseMax = 255;

// Goes on through the first `last` + 1 octets of word `index`.
inline Rise rise_word(const Rise& before, const std::uint8_t* octets, std::uint32_t index, std::uint32_t last) {
  std::uint8_t bases[kWordDataOctets];
  std::uint32_t start = 0;
  bool broken = false;
rise_octets:
  for (std::uint32_t i = 0; i < kWordDataOctets; ++i) {
#pragma HLS UNROLL
    bases[i] = static_cast<std::uint8_t>(octets[i] - (index * kWordDataOctets + i));
    const std::uint8_t previous = i == 0 ? before.base : bases[i == 0 ? 0 : i - 1];
    if (i <= last && bases[i] != previous) {
      broken = true;
      start = i;
    }
  }
  const std::uint32_t count = last + 1 - start + (broken ? 0 : before.count);
  return Rise{bases[last], count < kRiseMax ? count : kRiseMax};
}

// The trailer in the last word, of which `count` octets count, 4 at least. As padding_good() says of octets in memory.
inline void facts_end(const Rise& before, const std::uint8_t* octets, std::uint32_t index, std::uint32_t count,
                      Facts& facts) {
  facts.pad_octets = octets[count - 2];
  facts.next_header = octets[count - 1];
  const Rise rise = rise_word(before, octets, index, count - 3);
  facts.padding_good =
      facts.pad_octets == 0 || (octets[count - 3] == facts.pad_octets && rise.count >= facts.pad_octets);
}

// A word a step, II 1; the facts behind the last one. A packet without a plaintext has none.
inline void plain_stage(Stream<Take>& takes, Stream<Word>& target, Stream<Word>& words, Stream<Facts>& facts_out,
                        std::uint32_t packets) {
  Take take = {};
  Facts facts = {};
  Rise rise = {};
  std::uint32_t index = 0;
plain_words:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 1 style = flp
    model_step(1);
    if (index == 0) {
      take = takes.read();
      rise = Rise{};
    }
    if (take.words != 0) {
      const Word word = target.read();
      std::uint8_t octets[kWordDataOctets];
      word_octets_get(word, kWordDataLow, octets, kWordDataOctets);
      if (index == 0) {
        copy_octets(facts.window.octets, octets, kWindowOctets);
      }
      if (index + 1 == take.words) {
        facts_end(rise, octets, index, take.octets - index * kWordDataOctets, facts);
        facts_out.write(facts);
      }
      rise = rise_word(rise, octets, index, kWordDataOctets - 1);
      words.write(word);
    }
    index += 1;
    if (index >= take.words) {
      index = 0;
      done += 1;
    }
  }
}

struct Icv {
  std::uint8_t octets[kGcmTagOctets];
};

// The 16 octets in front of octet `end` <= 64 of a word, behind the last ones of the word before it.
inline Icv icv_before(const std::uint8_t* previous, const std::uint8_t* octets, std::uint32_t end) {
  std::uint8_t both[kGcmTagOctets + kWordDataOctets];
  copy_octets(both, previous, kGcmTagOctets);
  copy_octets(both + kGcmTagOctets, octets, kWordDataOctets);
  Icv icv;
icv_octets:
  for (std::uint32_t i = 0; i < kGcmTagOctets; ++i) {
#pragma HLS UNROLL
    icv.octets[i] = both[end + i];
  }
  return icv;
}

// The frame as it came: a word a step, II 1; an ESP packet's ICV behind the last one.
inline void raw_stage(Stream<Take>& takes, Stream<Word>& clear, Stream<Word>& words, Stream<Icv>& icvs,
                      std::uint32_t packets) {
  Take take = {};
  Icv icv = {};
  std::uint8_t previous[kGcmTagOctets] = {};
  std::uint32_t index = 0;
raw_words:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 1 style = flp
    model_step(1);
    if (index == 0) {
      take = takes.read();
    }
    if (take.words != 0) {
      const Word word = clear.read();
      std::uint8_t octets[kWordDataOctets];
      word_octets_get(word, kWordDataLow, octets, kWordDataOctets);
      if (take.octets != 0 && index == (take.octets - 1) / kWordDataOctets) {
        icv = icv_before(previous, octets, take.octets - index * kWordDataOctets);
      }
      copy_octets(previous, octets + kWordDataOctets - kGcmTagOctets, kGcmTagOctets);
      if (take.octets != 0 && index + 1 == take.words) {
        icvs.write(icv);
      }
      words.write(word);
    }
    index += 1;
    if (index >= take.words) {
      index = 0;
      done += 1;
    }
  }
}

}  // namespace card
}  // namespace tandem
