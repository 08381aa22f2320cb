// SPDX-License-Identifier: Apache-2.0
// What every body of the AES-GCM engine takes: one job a packet. RFC 4106, NIST SP 800-38D.
#pragma once

#include <cstdint>

namespace tandem {
namespace card {

constexpr std::uint32_t kGcmTagOctets = 16;
constexpr std::uint32_t kGcmNonceOctets = 12;
constexpr std::uint32_t kGcmAadMax = 12;

// The bodies of the engine.
enum class Crypto : std::uint8_t {
  kNative = 0,  // Intel IPsec-MB
  kHls = 1,     // the synthesisable C++ body
  kRtl = 2,     // hw/rtl/gcm_word.v, simulated; only where Verilator was found
};

// What the RTL body counted so far; zeros with another. `clocks`: while it had jobs.
struct EngineFigures {
  std::uint64_t packets;
  std::uint64_t words;
  std::uint64_t clocks;
  std::uint64_t packet_clocks_sum;  // of each packet: from its job's acceptance to its tag
  std::uint64_t packet_clocks_max;
  std::uint64_t keys_loaded;
};

// `data` is worked in place. `tag` receives the computed tag; an open compares it (tags_equal) before
// anything of the plaintext is used.
struct GcmJob {
  const void* key;  // expanded by the same body
  std::uint8_t* data;
  std::uint8_t* tag;
  std::uint32_t octets;
  std::uint32_t aad_octets;
  bool key256;
  std::uint8_t nonce[kGcmNonceOctets];
  std::uint8_t aad[kGcmAadMax];
};

// Compare in constant time (RFC 4106, 6: the full length).
inline bool tags_equal(const std::uint8_t* a, const std::uint8_t* b) {
  std::uint32_t difference = 0;
tag_octets:
  for (std::uint32_t i = 0; i < kGcmTagOctets; ++i) {
    difference |= static_cast<std::uint32_t>(a[i] ^ b[i]);
  }
  return difference == 0;
}

}  // namespace card
}  // namespace tandem
