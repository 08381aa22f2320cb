// SPDX-License-Identifier: Apache-2.0
// Does an opened packet fit the SA it came by? RFC 4301 5.2 step 4, 7 (fragments without ports).
#pragma once

#include <cstdint>

#include "hw/contract/sa_entry.hpp"
#include "hw/stage/parse_ip.hpp"

namespace tandem {
namespace card {

inline bool address_in_range(const Address& address, const Address& first, const Address& last) {
  bool at_least = true;  // decided by the first octet that differs: run from the last one up
  bool at_most = true;
selector_octets:
  for (std::uint32_t i = 16; i > 0; --i) {
    const std::uint8_t octet = address.octets[i - 1];
    at_least = octet > first.octets[i - 1] || (octet == first.octets[i - 1] && at_least);
    at_most = octet < last.octets[i - 1] || (octet == last.octets[i - 1] && at_most);
  }
  return at_least && at_most;
}

inline bool any_port(const Selector& selector) {
  return selector.source_port_first == 0 && selector.source_port_last == 0xffffu && selector.target_port_first == 0 &&
         selector.target_port_last == 0xffffu;
}

inline bool selector_matches(const Selector& selector, const FlowKeyOut& flow) {
  const FlowKey& key = flow.key;
  if (selector.family != key.family || (selector.protocol != 0 && selector.protocol != key.protocol) ||
      !address_in_range(key.source, selector.source_first, selector.source_last) ||
      !address_in_range(key.target, selector.target_first, selector.target_last)) {
    return false;
  }
  if (any_port(selector)) {
    return true;
  }
  // Ports that this packet does not show match only "any" (RFC 4301 7.1).
  if (flow.ports_missing || (!has_ports(key.protocol) && key.protocol != kProtocolIcmp)) {
    return false;
  }
  // ICMP has one value, type and code, for both sides (RFC 4301 4.4.1.1).
  const std::uint16_t target_port = key.protocol == kProtocolIcmp ? key.source_port : key.target_port;
  return key.source_port >= selector.source_port_first && key.source_port <= selector.source_port_last &&
         target_port >= selector.target_port_first && target_port <= selector.target_port_last;
}

struct SelectorCheckIn {
  FlowKeyOut flow;
  const Selector* selectors;  // kSelectorsMax of them
  std::uint32_t count;
};

inline Outcome selector_check(const SelectorCheckIn& in) {
  bool match = false;
selectors:
  for (std::uint32_t i = 0; i < kSelectorsMax; ++i) {
    match = match || (i < in.count && selector_matches(in.selectors[i], in.flow));
  }
  return match ? proceed() : drop(Counter::kDropSelector);
}

}  // namespace card
}  // namespace tandem
