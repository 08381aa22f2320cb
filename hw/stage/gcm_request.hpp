// SPDX-License-Identifier: Apache-2.0
// Nonce and AAD of an ESP packet, for both directions. RFC 4106 4 and 5.
#pragma once

#include <cstdint>

#include "hw/leaf/gcm.hpp"
#include "hw/leaf/octets.hpp"

namespace tandem {
namespace card {

struct GcmRequestIn {
  std::uint8_t salt[4];
  std::uint8_t iv[8];
  std::uint64_t number;
  std::uint32_t spi;
  bool esn;
};

// Fills nonce and AAD of `job`.
inline void gcm_request(const GcmRequestIn& in, GcmJob& job) {
  copy_octets(job.nonce, in.salt, 4);
  copy_octets(job.nonce + 4, in.iv, 8);
  store_be32(job.aad, in.spi);
  const std::uint32_t low = static_cast<std::uint32_t>(in.number);
  const std::uint32_t high = static_cast<std::uint32_t>(in.number >> 32);
  store_be32(job.aad + 4, in.esn ? high : low);
  store_be32(job.aad + 8, in.esn ? low : 0);
  job.aad_octets = in.esn ? 12 : 8;
}

}  // namespace card
}  // namespace tandem
