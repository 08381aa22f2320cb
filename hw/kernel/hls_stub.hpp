// SPDX-License-Identifier: Apache-2.0
// What the kernel tops need of an HLS tool, for a compiler without one: a word of 640 bits and a queue. Host
// code only: it may allocate, and a read of an empty stream is a fault of the testbench.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <deque>

#include "hw/contract/stream.hpp"

namespace tandem {
namespace card {

struct Word {
  std::uint64_t parts[kWordBits / 64];
  Word() : parts() {}
};

// Fields of at most 64 bits that do not cross a multiple of 64.
inline std::uint64_t word_mask(int bits) { return bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1; }
inline std::uint64_t word_get(const Word& word, int low, int bits) {
  return word.parts[low / 64] >> (low % 64) & word_mask(bits);
}
inline void word_set(Word& word, int low, int bits, std::uint64_t value) {
  std::uint64_t& part = word.parts[low / 64];
  part = (part & ~(word_mask(bits) << (low % 64))) | (value & word_mask(bits)) << (low % 64);
}

template <typename T>
class Stream {
 public:
  T read() {
    if (items_.empty()) {
      std::abort();  // on the card this waits for ever
    }
    const T item = items_.front();
    items_.pop_front();
    return item;
  }
  void write(const T& item) { items_.push_back(item); }
  bool empty() const { return items_.empty(); }  // for testbenches

 private:
  std::deque<T> items_;
};

}  // namespace card
}  // namespace tandem
