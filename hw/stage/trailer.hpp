// SPDX-License-Identifier: Apache-2.0
// The ESP trailer: how long it is, what it holds, and what to make of a received one. RFC 4303 2.4-2.7, 3.4.4.1.
#pragma once

#include <cstdint>

#include "hw/stage/outcome.hpp"
#include "hw/stage/parse_ip.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kTrailerMax = 5;  // three octets of padding, pad length, next header

struct TrailerOut {
  std::uint8_t octets[kTrailerMax];
  std::uint32_t count;
};

// Pads to four octets with 1, 2, 3; AES-GCM needs no more (RFC 4106 8.2).
inline TrailerOut trailer(std::uint32_t inner_octets) {
  TrailerOut out = {};
  const std::uint32_t padding = (4 - (inner_octets + 2) % 4) % 4;
pad:
  for (std::uint32_t i = 0; i < kTrailerMax; ++i) {
    const std::uint32_t last = i == padding + 1 ? kProtocolIpv4 : 0;
    out.octets[i] = static_cast<std::uint8_t>(i < padding ? i + 1 : i == padding ? padding : last);
  }
  out.count = padding + 2;
  return out;
}

struct TrailerCheckIn {
  std::uint32_t plain_octets;  // of the opened payload, trailer included
  std::uint8_t pad_octets;     // its last octet but one
  std::uint8_t next_header;    // its last octet
  bool padding_good;           // padding reads 1, 2, 3, ...
};

struct TrailerCheckOut {
  Outcome outcome;
  std::uint32_t inner_octets;
};

inline TrailerCheckOut trailer_check(const TrailerCheckIn& in) {
  TrailerCheckOut out = {proceed(), 0};
  if (in.pad_octets + 2u > in.plain_octets || !in.padding_good) {
    out.outcome = drop(Counter::kDropPadding);
  } else if (in.next_header == kProtocolNone) {
    out.outcome = drop(Counter::kDummy);
  } else if (in.next_header != kProtocolIpv4) {
    // IPv6 in the tunnel is not offered by this card, so 41 is as wrong as a transport protocol.
    out.outcome = drop(Counter::kDropPadding);
  } else {
    out.inner_octets = in.plain_octets - 2 - in.pad_octets;
  }
  return out;
}

// Does the padding in front of the trailer's two octets read 1, 2, 3, ...? `end`: the octet behind the trailer.
inline bool padding_good(const std::uint8_t* end, std::uint32_t plain_octets) {
  const std::uint32_t padding = end[-2];
  if (padding + 2 > plain_octets) {
    return false;
  }
  std::uint32_t difference = 0;
padding_octets:
  for (std::uint32_t i = 1; i <= padding; ++i) {
#pragma HLS LOOP_TRIPCOUNT max = 255
    difference |= static_cast<std::uint32_t>(*(end - 2 - padding - 1 + i)) ^ i;
  }
  return difference == 0;
}

}  // namespace card
}  // namespace tandem
