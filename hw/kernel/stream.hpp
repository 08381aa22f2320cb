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

// Whether a read would not wait: for the movers that take what is there.
template <typename T>
bool stream_ready(Stream<T>& stream) {
  return !stream.empty();
}

// Waits until one of the two has an item. True: `first`, which goes before.
template <typename T, typename U>
bool stream_choose(Stream<T>& first, Stream<U>& second) {
  bool chosen = !first.empty();
wait_for_either:
  while (!chosen && second.empty()) {  // as long as nothing comes
#pragma HLS LOOP_TRIPCOUNT max = 1
    chosen = !first.empty();
  }
  return chosen;
}

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
