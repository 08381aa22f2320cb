// SPDX-License-Identifier: Apache-2.0
// ESP for an SPI that no SA here has: the host is told, so that it can ask a peer it knows (RFC 4301 5.2, RFC
// 7296 1.5). Anybody can send such packets: one event an interval, whatever comes.
#pragma once

#include <cstdint>

#include "hw/stage/outcome.hpp"
#include "hw/stage/report.hpp"

namespace tandem {
namespace card {

constexpr std::uint64_t kUnknownSpiIntervalNs = 100000000;

// Kept by the path.
struct UnknownSpi {
  std::uint64_t quiet_until_ns;
};

struct UnknownSpiIn {
  std::uint32_t spi;
  Address source;
  std::uint16_t source_port;  // 0: native ESP
  std::uint64_t now_ns;
};

// The event, if one is due: `events` is 0 else.
inline EventsIn unknown_spi(UnknownSpi& state, const UnknownSpiIn& in) {
  EventsIn out = {};
  if (in.now_ns < state.quiet_until_ns) {
    return out;
  }
  state.quiet_until_ns = in.now_ns + kUnknownSpiIntervalNs;
  out.events = event_bit(EventKind::kUnknownSpi);
  out.direction = kDirectionInbound;
  out.value = in.spi;
  out.now_ns = in.now_ns;
  out.source = in.source;
  out.source_port = in.source_port;
  return out;
}

}  // namespace card
}  // namespace tandem
