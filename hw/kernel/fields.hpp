// SPDX-License-Identifier: Apache-2.0
// Structs to and from wide words. Fields<T>::walk lists a struct's fields in order, kOctets is the room they take; a
// reader or a writer goes through the list, and all of it is inlined, so that every place is a constant. Fields lie as
// in C, little-endian, each at a multiple of its size: a list of a contract's struct is its layout.
#pragma once

#include <cstdint>

#include "hw/kernel/stream.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kLineOctets = 64;
constexpr std::uint32_t kLineWords = 8;
using Line = WideWord<512>;  // of the card's memory, or one beat of a plan

template <typename T>
struct Fields;

class FieldReader {
 public:
  explicit FieldReader(const std::uint64_t* words) : words_(words), at_(0) {}
  template <typename T>
  void value(T& out) {
#pragma HLS INLINE
    const std::uint32_t size = sizeof(T);
    at_ = (at_ + size - 1) / size * size;
    const std::uint64_t mask = size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * (size & 7u))) - 1;
    out = static_cast<T>(words_[at_ / 8] >> (8 * (at_ % 8)) & mask);
    at_ += size;
  }
  void octets(std::uint8_t* out, std::uint32_t count) {
#pragma HLS INLINE
  read_octets:
    for (std::uint32_t i = 0; i < count; ++i) {
#pragma HLS LOOP_TRIPCOUNT max = 64
#pragma HLS UNROLL
      value(out[i]);
    }
  }
  void skip(std::uint32_t count) { at_ += count; }

 private:
  const std::uint64_t* words_;
  std::uint32_t at_;
};

// Into words that were zero.
class FieldWriter {
 public:
  explicit FieldWriter(std::uint64_t* words) : words_(words), at_(0) {}
  template <typename T>
  void value(const T& in) {
#pragma HLS INLINE
    const std::uint32_t size = sizeof(T);
    at_ = (at_ + size - 1) / size * size;
    const std::uint64_t mask = size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * (size & 7u))) - 1;
    words_[at_ / 8] |= (static_cast<std::uint64_t>(in) & mask) << (8 * (at_ % 8));
    at_ += size;
  }
  void octets(const std::uint8_t* in, std::uint32_t count) {
#pragma HLS INLINE
  write_octets:
    for (std::uint32_t i = 0; i < count; ++i) {
#pragma HLS LOOP_TRIPCOUNT max = 64
#pragma HLS UNROLL
      value(in[i]);
    }
  }
  void skip(std::uint32_t count) { at_ += count; }

 private:
  std::uint64_t* words_;
  std::uint32_t at_;
};

template <typename T>
constexpr std::uint32_t field_lines() {
  return (Fields<T>::kOctets + kLineOctets - 1) / kLineOctets;
}

inline void line_get(const Line& line, std::uint64_t* words) {
line_words_get:
  for (std::uint32_t i = 0; i < kLineWords; ++i) {
#pragma HLS UNROLL
    words[i] = word_get(line, static_cast<int>(64 * i), 64);
  }
}

inline void line_set(Line& line, const std::uint64_t* words) {
line_words_set:
  for (std::uint32_t i = 0; i < kLineWords; ++i) {
#pragma HLS UNROLL
    word_set(line, static_cast<int>(64 * i), 64, words[i]);
  }
}

// The struct in the lines from `from` on.
template <typename T>
void fields_load(const Line* from, T& out) {
#pragma HLS INLINE recursive
  constexpr std::uint32_t kLines = field_lines<T>();
  std::uint64_t words[kLines * kLineWords];
load_lines:
  for (std::uint32_t i = 0; i < kLines; ++i) {
    line_get(from[i], words + kLineWords * i);
  }
  FieldReader reader(words);
  Fields<T>::walk(reader, out);
}

// From the last line up: who reads the first line meanwhile finds in the others nothing older than it.
template <typename T>
void fields_store(Line* to, T& in) {
#pragma HLS INLINE recursive
  constexpr std::uint32_t kLines = field_lines<T>();
  std::uint64_t words[kLines * kLineWords] = {};
  FieldWriter writer(words);
  Fields<T>::walk(writer, in);
store_lines:
  for (std::uint32_t i = 0; i < kLines; ++i) {
    const std::uint32_t at = kLines - 1 - i;
    Line line = zero_word<Line>();
    line_set(line, words + kLineWords * at);
    to[at] = line;
  }
}

// The struct as field_lines<T>() beats of a stream.
template <typename T>
void fields_read(Stream<Line>& in, T& out) {
#pragma HLS INLINE recursive
  constexpr std::uint32_t kLines = field_lines<T>();
  std::uint64_t words[kLines * kLineWords];
read_beats:
  for (std::uint32_t i = 0; i < kLines; ++i) {
    line_get(in.read(), words + kLineWords * i);
  }
  FieldReader reader(words);
  Fields<T>::walk(reader, out);
}

template <typename T>
void fields_write(Stream<Line>& out, T& in) {
#pragma HLS INLINE recursive
  constexpr std::uint32_t kLines = field_lines<T>();
  std::uint64_t words[kLines * kLineWords] = {};
  FieldWriter writer(words);
  Fields<T>::walk(writer, in);
write_beats:
  for (std::uint32_t i = 0; i < kLines; ++i) {
    Line line = zero_word<Line>();
    line_set(line, words + kLineWords * i);
    out.write(line);
  }
}

}  // namespace card
}  // namespace tandem
