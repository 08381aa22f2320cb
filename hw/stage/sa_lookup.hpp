// SPDX-License-Identifier: Apache-2.0
// Which SA: outbound by route, inbound by SPI (index and generation inside it: no hash). RFC 4301 4.1,
// RFC 4303 3.3.1, 3.4.2.
#pragma once

#include <cstdint>

#include "hw/contract/flow.hpp"
#include "hw/contract/sa_entry.hpp"
#include "hw/stage/outcome.hpp"

namespace tandem {
namespace card {

constexpr std::uint16_t kSaUnsupported = kSaTransport | kSaOuterIpv6;

// Slot that a route names, or `slots` when it names none.
inline std::uint32_t route_slot(std::uint64_t route, std::uint32_t slots) {
  return route_valid(route) && route_index(route) < slots ? route_index(route) : slots;
}

struct SaLookupIn {
  std::uint64_t route;
  std::uint32_t instance;  // of the slot's policy
  std::uint16_t flags;
  std::uint16_t inner_mtu;
  std::uint32_t inner_octets;
};

inline Outcome sa_lookup(const SaLookupIn& in) {
  if (in.instance != route_instance(in.route) || (in.flags & kSaValid) == 0 || (in.flags & kSaUnsupported) != 0) {
    return punt_slow(PuntReason::kNoSa);
  }
  return in.inner_octets > in.inner_mtu ? punt_slow(PuntReason::kTooBig) : proceed();
}

struct SpiLookupIn {
  std::uint32_t spi;         // of the packet
  std::uint32_t policy_spi;  // of the slot it names
  std::uint16_t flags;
};

// Slot that an SPI names, or `slots` when it names none.
inline std::uint32_t spi_slot(std::uint32_t spi, std::uint32_t slots) {
  return (spi & kSpiTopBit) != 0 && spi_index(spi) < slots ? spi_index(spi) : slots;
}

// The whole SPI is compared, so that an SPI of an earlier generation is unknown.
inline Outcome spi_lookup(const SpiLookupIn& in) {
  const bool good = in.spi == in.policy_spi && (in.flags & kSaValid) != 0 && (in.flags & kSaUnsupported) == 0;
  return good ? proceed() : drop(Counter::kDropUnknownSpi);
}

}  // namespace card
}  // namespace tandem
