// SPDX-License-Identifier: Apache-2.0
// The edge to the tool: streams and wide words under our own names. With Vitis (TANDEM_VITIS) they are
// hls::stream and ap_uint; natively a small stub. Only blocking read() and write() exist, and one choice of inputs.
#pragma once

#include <cstdint>

#include "hw/contract/stream.hpp"

#ifdef TANDEM_VITIS
#define AP_INT_MAX_W 4096  // the widest word here has 1,920 bits
#include <ap_int.h>
#include <hls_stream.h>

namespace tandem {
namespace card {

template <int kBits>
using WideWord = ap_uint<kBits>;
using Word = WideWord<kWordBits>;
template <typename T>
using Stream = hls::stream<T>;

// A word that begins as zeros: ap_uint's own constructor leaves it undefined.
template <typename W>
W zero_word() {
  return W(0);
}

// Whether a read would not wait: for the movers that take what is there.
template <typename T>
bool stream_ready(Stream<T>& stream) {
  return !stream.empty();
}

enum class Chosen : std::uint8_t { kNone = 0, kFirst = 1, kSecond = 2 };

// One look at which of two has an item, `first` before `second`, which only counts when it is `wanted`.
template <typename T, typename U>
Chosen stream_look(Stream<T>& first, Stream<U>& second, bool wanted) {
  return !first.empty() ? Chosen::kFirst : wanted && !second.empty() ? Chosen::kSecond : Chosen::kNone;
}

// Passes over what `stream` brings until `until` has an item; then what it brings now.
template <typename T, typename U>
T stream_latest(Stream<T>& stream, Stream<U>& until) {
  T latest = stream.read();
pass_over:
  while (until.empty()) {  // as long as nothing comes
#pragma HLS LOOP_TRIPCOUNT max = 1
#pragma HLS PIPELINE II = 1
    latest = stream.read();
  }
  return latest;
}

// For the model of the card's time alone (hls_stub.hpp).
inline void model_step(std::uint32_t) {}
inline void model_read() {}
inline void model_write() {}

template <int kBits>
std::uint64_t word_get(const ap_uint<kBits>& word, int low, int bits) {
  return static_cast<std::uint64_t>(ap_uint<64>(word.range(low + bits - 1, low)));
}
template <int kBits>
void word_set(ap_uint<kBits>& word, int low, int bits, std::uint64_t value) {
  word.range(low + bits - 1, low) = ap_uint<64>(value);
}

}  // namespace card
}  // namespace tandem
#else
#include "hw/kernel/hls_stub.hpp"
#endif
