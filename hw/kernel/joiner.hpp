// SPDX-License-Identifier: Apache-2.0
// The movers: pieces of packets put together into words, one word a round. A packet ends with the word that has `last`
// set; `keep` is contiguous from octet 0.
#pragma once

#include <cstdint>

#include "hw/kernel/words.hpp"

namespace tandem {
namespace card {

// The 64 octets of a piece, moved up by `count` <= 64 octets in a row of 128 zeros: six steps of a shifter.
inline void octets_up(const std::uint8_t* from, std::uint32_t count, std::uint8_t* to) {
up_load:
  for (std::uint32_t i = 0; i < 2 * kWordDataOctets; ++i) {
#pragma HLS UNROLL
    to[i] = i < kWordDataOctets ? from[i] : std::uint8_t{0};
  }
up_levels:
  for (std::uint32_t level = 0; level < 7; ++level) {
#pragma HLS UNROLL
    const std::uint32_t step = 1u << level;
  up_octets:
    for (std::uint32_t i = 2 * kWordDataOctets; i > 0; --i) {
#pragma HLS UNROLL
      if ((count >> level & 1u) != 0) {
        to[i - 1] = i - 1 >= step ? to[i - 1 - step] : std::uint8_t{0};
      }
    }
  }
}

// The octets of a word from `count` on, `kept` of them, then zeros.
inline void octets_down(const std::uint8_t* from, std::uint32_t count, std::uint32_t kept, std::uint8_t* to) {
down_load:
  for (std::uint32_t i = 0; i < kWordDataOctets; ++i) {
#pragma HLS UNROLL
    to[i] = from[i];
  }
down_levels:
  for (std::uint32_t level = 0; level < 6; ++level) {
#pragma HLS UNROLL
    const std::uint32_t step = 1u << level;
  down_octets:
    for (std::uint32_t i = 0; i < kWordDataOctets; ++i) {
#pragma HLS UNROLL
      if ((count >> level & 1u) != 0) {
        to[i] = i + step < kWordDataOctets ? to[i + step] : std::uint8_t{0};
      }
    }
  }
down_keep:
  for (std::uint32_t i = 0; i < kWordDataOctets; ++i) {
#pragma HLS UNROLL
    if (i >= kept) {
      to[i] = 0;
    }
  }
}

// The end of a packet under way: at least one octet is held back until it is known whether more follow.
struct Joiner {
  std::uint8_t octets[2 * kWordDataOctets];
  std::uint32_t count;
};

// Appends the first `count` <= 64 octets of `piece`; the others are zero. True: `word` is full and goes out.
inline bool joiner_put(Joiner& joiner, const std::uint8_t* piece, std::uint32_t count, Word& word) {
  std::uint8_t moved[2 * kWordDataOctets];
  octets_up(piece, joiner.count, moved);
join_octets:
  for (std::uint32_t i = 0; i < 2 * kWordDataOctets; ++i) {
#pragma HLS UNROLL
    joiner.octets[i] = static_cast<std::uint8_t>(joiner.octets[i] | moved[i]);
  }
  joiner.count += count;
  const bool full = joiner.count > kWordDataOctets;
  if (full) {
    word = make_word(joiner.octets, kWordDataOctets, false);
  join_move:
    for (std::uint32_t i = 0; i < kWordDataOctets; ++i) {
#pragma HLS UNROLL
      joiner.octets[i] = joiner.octets[i + kWordDataOctets];
      joiner.octets[i + kWordDataOctets] = 0;
    }
    joiner.count -= kWordDataOctets;
  }
  return full;
}

// The packet's last word. False: it has not one octet.
inline bool joiner_end(const Joiner& joiner, Word& word) {
  word = make_word(joiner.octets, joiner.count, true);
  return joiner.count != 0;
}

// Appends what of word `index` of a packet lies in its octets [skip, skip + octets). True: as joiner_put.
inline bool joiner_slice(Joiner& joiner, const std::uint8_t* octets_in, std::uint32_t index, std::uint32_t skip,
                         std::uint32_t octets, Word& word) {
  const std::uint32_t at = index * kWordDataOctets;
  const std::uint32_t from = skip > at ? skip - at : 0;
  const std::uint32_t left = skip + octets > at ? skip + octets - at : 0;
  const std::uint32_t to = left < kWordDataOctets ? left : kWordDataOctets;
  if (from >= to) {
    return false;
  }
  std::uint8_t piece[kWordDataOctets];
  octets_down(octets_in, from, to - from, piece);
  return joiner_put(joiner, piece, to - from, word);
}

// A packet in a mover: its words one after the other, then its tail.
struct Mover {
  Joiner joiner;
  std::uint32_t index;  // words that it has taken
  bool tailed;
};

// A mover that begins with `prefix`, 64 octets of which the first `count` <= 64 count; the others are zero.
inline Mover mover_begin(const std::uint8_t* prefix, std::uint32_t count) {
  Mover mover = {};
begin_octets:
  for (std::uint32_t i = 0; i < kWordDataOctets; ++i) {
#pragma HLS UNROLL
    mover.joiner.octets[i] = prefix[i];
  }
  mover.joiner.count = count;
  return mover;
}

// The packet's next word, of which what lies in the packet's octets [skip, skip + octets) counts. True: `out` is full.
inline bool mover_word(Mover& mover, const std::uint8_t* word, std::uint32_t skip, std::uint32_t octets, Word& out) {
  const bool full = joiner_slice(mover.joiner, word, mover.index, skip, octets, out);
  mover.index += 1;
  return full;
}

// After the words: `tail`, as joiner_put() takes a piece, then what is left, in one step or two. `full`: `out` goes
// out. True: that was all.
inline bool mover_finish(Mover& mover, const std::uint8_t* tail, std::uint32_t count, Word& out, bool& full) {
  full = !mover.tailed && joiner_put(mover.joiner, tail, count, out);
  mover.tailed = true;
  if (full) {
    return false;
  }
  full = joiner_end(mover.joiner, out);
  return true;
}

// A word to one of two streams.
inline void word_route(const Word& word, bool first, Stream<Word>& to_first, Stream<Word>& to_second) {
  if (first) {
    to_first.write(word);
  } else {
    to_second.write(word);
  }
}

}  // namespace card
}  // namespace tandem
