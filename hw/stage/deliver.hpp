// SPDX-License-Identifier: Apache-2.0
// Changes a packet suffers: TTL when it is forwarded, ECN after opening, with the checksum kept right.
// RFC 4301 5.1.2.1, RFC 6040 4.2, RFC 1624.
#pragma once

#include <cstdint>

#include "hw/leaf/checksum.hpp"
#include "hw/stage/outcome.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kEcnNot = 0;
constexpr std::uint32_t kEcnEct1 = 1;
constexpr std::uint32_t kEcnEct0 = 2;
constexpr std::uint32_t kEcnCe = 3;

struct ForwardOut {
  std::uint8_t tos;
  std::uint8_t ttl;
  std::uint16_t checksum;
};

// `head`: the first 12 octets of the IPv4 header.
inline ForwardOut change_head(const std::uint8_t* head, std::uint8_t tos, std::uint8_t ttl) {
  ForwardOut out;
  out.tos = tos;
  out.ttl = ttl;
  out.checksum = checksum_update(load_be16(head + 10), load_be16(head),
                                 static_cast<std::uint16_t>(std::uint32_t{head[0]} << 8 | tos));
  out.checksum = checksum_update(out.checksum, load_be16(head + 8),
                                 static_cast<std::uint16_t>(std::uint32_t{out.ttl} << 8 | head[9]));
  return out;
}

// Of a packet with a TTL of at least 2.
inline ForwardOut forward(const std::uint8_t* head, std::uint8_t tos) {
  return change_head(head, tos, static_cast<std::uint8_t>(head[8] - 1));
}

// Of a packet that ends here: congestion is told to its stack, the TTL is nobody's any more.
inline ForwardOut receive(const std::uint8_t* head, std::uint8_t tos) { return change_head(head, tos, head[8]); }

struct DecapsulateOut {
  Outcome outcome;
  std::uint8_t tos;  // the inner one with its new ECN
};

// RFC 6040 figure 4, from the outer and the inner TOS octet.
inline DecapsulateOut decapsulate_ecn(std::uint8_t outer_tos, std::uint8_t inner_tos) {
  const std::uint32_t outer = outer_tos & 3u;
  const std::uint32_t inner = inner_tos & 3u;
  DecapsulateOut out = {proceed(), inner_tos};
  std::uint32_t ecn = inner;
  if (inner == kEcnNot) {
    if (outer == kEcnCe) {
      out.outcome = drop(Counter::kDropEcn);
    }
  } else if (outer == kEcnCe) {
    ecn = kEcnCe;
  } else if (inner == kEcnEct0 && outer == kEcnEct1) {
    ecn = kEcnEct1;
  }
  out.tos = static_cast<std::uint8_t>((inner_tos & 0xfcu) | ecn);
  return out;
}

}  // namespace card
}  // namespace tandem
