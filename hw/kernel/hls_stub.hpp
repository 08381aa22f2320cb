// SPDX-License-Identifier: Apache-2.0
// What the kernel tops need of an HLS tool, for a compiler without one: wide words and a queue. What waits on a card (a
// read of an empty stream, a write to a full one) calls a hook, until it need not wait any more: where nobody set one,
// waiting is a fault of the testbench and ends the process.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "hw/contract/stream.hpp"

namespace tandem {
namespace card {

template <int kBits>
struct WideWord {
  std::uint64_t parts[(kBits + 63) / 64];
  WideWord() : parts() {}
};
using Word = WideWord<kWordBits>;

// Fields of at most 64 bits that do not cross a multiple of 64.
inline std::uint64_t word_mask(int bits) { return bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1; }
template <int kBits>
std::uint64_t word_get(const WideWord<kBits>& word, int low, int bits) {
  return word.parts[low / 64] >> (low % 64) & word_mask(bits);
}
template <int kBits>
void word_set(WideWord<kBits>& word, int low, int bits, std::uint64_t value) {
  std::uint64_t& part = word.parts[low / 64];
  part = (part & ~(word_mask(bits) << (low % 64))) | (value & word_mask(bits)) << (low % 64);
}

// `hook` lets others run, or does not return. One for the program.
template <typename Unused>
struct StreamStall {
  static void (*hook)();
};
template <typename Unused>
void (*StreamStall<Unused>::hook)() = &std::abort;
inline void stream_stalled() { StreamStall<void>::hook(); }

constexpr std::uint32_t kStreamDepth = 64;  // words: more than one packet

template <typename T>
class Stream {
 public:
  // `depth`: items that it holds, kStreamDepth at most.
  explicit Stream(std::uint32_t depth = kStreamDepth) : depth_(depth) {}
  T read() {
    while (empty()) {
      stream_stalled();
    }
    return items_[taken_++ % kStreamDepth];
  }
  void write(const T& item) {
    while (room() == 0) {
      stream_stalled();
    }
    items_[put_++ % kStreamDepth] = item;
  }
  // For testbenches.
  bool empty() const { return put_ == taken_; }
  std::uint32_t room() const { return depth_ - (put_ - taken_); }
  std::uint32_t written() const { return put_; }

 private:
  std::uint32_t depth_;
  T items_[kStreamDepth];
  std::uint32_t put_ = 0;
  std::uint32_t taken_ = 0;
};

// Whether a read would not wait: for the movers that take what is there.
template <typename T>
bool stream_ready(Stream<T>& stream) {
  return !stream.empty();
}

// Waits until one of the two has an item. True: `first`, which goes before.
template <typename T, typename U>
bool stream_choose(Stream<T>& first, Stream<U>& second) {
  while (first.empty() && second.empty()) {
    stream_stalled();
  }
  return !first.empty();
}

}  // namespace card
}  // namespace tandem
