// SPDX-License-Identifier: Apache-2.0
// What the kernel tops need of an HLS tool, for a compiler without one: wide words and a queue. What waits on a card (a
// read of an empty stream, a write to a full one) calls a hook, until it need not wait any more: where nobody set one,
// waiting is a fault of the testbench and ends the process.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <deque>

#include "hw/contract/stream.hpp"

namespace tandem {
namespace card {

template <int kBits>
struct WideWord {
  std::uint64_t parts[(kBits + 63) / 64];
  WideWord() : parts() {}
};
using Word = WideWord<kWordBits>;

template <typename W>
W zero_word() {
  return W();
}

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

// Reads and writes of all streams so far: whether anything moves.
template <typename Unused>
struct StreamMoves {
  static std::uint64_t count;
};
template <typename Unused>
std::uint64_t StreamMoves<Unused>::count = 0;

// What a model of the card's time needs (tests/unit/hw/parallel.hpp): the clock that the process under way has come to,
// and after how many clocks what it writes now can be read. Nothing else looks at them.
template <typename Unused>
struct ModelClock {
  static std::uint64_t now;
  static std::uint64_t write_delay;
  static std::uint64_t lines;  // of the card's memory that were read or written
};
template <typename Unused>
std::uint64_t ModelClock<Unused>::now = 0;
template <typename Unused>
std::uint64_t ModelClock<Unused>::write_delay = 0;
template <typename Unused>
std::uint64_t ModelClock<Unused>::lines = 0;

constexpr std::uint64_t kModelPipelineClocks = 12;  // from a step's inputs to its outputs
constexpr std::uint64_t kModelMemoryClocks = 100;   // from a read's address to its data

// A step of a process that starts one in `clocks` clocks, its pragma's II.
inline void model_step(std::uint32_t clocks) {
  ModelClock<void>::now += clocks;
  ModelClock<void>::write_delay = kModelPipelineClocks;
}
// A line read: what is written behind it in this step has waited for it.
inline void model_read() {
  ModelClock<void>::lines += 1;
  ModelClock<void>::write_delay = kModelMemoryClocks;
}
// A line written: nobody waits for it.
inline void model_write() { ModelClock<void>::lines += 1; }

constexpr std::uint32_t kStreamDepth = 4096;  // items: what a call of a whole test's packets leaves in one stream

template <typename T>
class Stream {
 public:
  // `depth`: items that it holds.
  explicit Stream(std::uint32_t depth = kStreamDepth) : depth_(depth) {}
  T read() {
    while (empty()) {
      stream_stalled();
    }
    std::uint64_t& now = ModelClock<void>::now;
    now = items_.front().ready > now ? items_.front().ready : now;
    const T item = items_.front().item;
    items_.pop_front();
    left_.push_back(now);
    StreamMoves<void>::count += 1;
    return item;
  }
  void write(const T& item) {
    while (room() == 0) {
      stream_stalled();
    }
    std::uint64_t& now = ModelClock<void>::now;
    if (put_ >= depth_) {  // its room is that of the item `depth_` before
      now = left_.front() > now ? left_.front() : now;
      left_.pop_front();
    }
    items_.push_back({item, now + ModelClock<void>::write_delay});
    put_ += 1;
    StreamMoves<void>::count += 1;
  }
  // For testbenches.
  bool empty() const { return items_.empty(); }
  std::uint32_t room() const { return depth_ - static_cast<std::uint32_t>(items_.size()); }
  std::uint32_t written() const { return put_; }

 private:
  struct Entry {
    T item;
    std::uint64_t ready;
  };
  std::uint32_t depth_;
  std::deque<Entry> items_;
  std::deque<std::uint64_t> left_;  // when items left whose room no other has taken yet
  std::uint32_t put_ = 0;
};

// Whether a read would not wait: for the movers that take what is there.
template <typename T>
bool stream_ready(Stream<T>& stream) {
  return !stream.empty();
}

enum class Chosen : std::uint8_t { kNone = 0, kFirst = 1, kSecond = 2 };

// One look at which of two has an item, `first` before `second`, which only counts when it is `wanted`. A card looks
// again at its next step; here the look itself waits.
template <typename T, typename U>
Chosen stream_look(Stream<T>& first, Stream<U>& second, bool wanted) {
  while (first.empty() && (!wanted || second.empty())) {
    stream_stalled();
  }
  return first.empty() ? Chosen::kSecond : Chosen::kFirst;
}

// Passes over what `stream` brings until `until` has an item; then what it brings now.
template <typename T, typename U>
T stream_latest(Stream<T>& stream, Stream<U>& until) {
  while (until.empty()) {
    stream_stalled();
  }
  return stream.read();
}

}  // namespace card
}  // namespace tandem
