// SPDX-License-Identifier: Apache-2.0
// The edge to the tool: streams and wide words under our own names. With Vitis (TANDEM_VITIS) they are
// hls::stream and ap_uint; natively a small stub. Only blocking read() and write() exist.
#pragma once

#include <cstdint>

#include "hw/contract/stream.hpp"

#ifdef TANDEM_VITIS
#include <ap_int.h>
#include <hls_stream.h>

namespace tandem {
namespace card {

template <int kBits>
using WideWord = ap_uint<kBits>;
using Word = WideWord<kWordBits>;
template <typename T>
using Stream = hls::stream<T>;

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
