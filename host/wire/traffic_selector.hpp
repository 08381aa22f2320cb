// SPDX-License-Identifier: Apache-2.0
// Set arithmetic on traffic selectors, and the responder's narrowing. RFC 7296 2.9, 3.13.1; RFC 4301 4.4.1;
// requirements IKE-019, WIRE-016.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/wire/payload.hpp"

namespace tandem::wire {

// Ports 65535..0: packets whose ports are not visible. It meets itself, and is inside "any port".
bool is_opaque(const TrafficSelector& selector);
// Families agree, start <= end, ports in order or OPAQUE.
bool is_valid(const TrafficSelector& selector);

// All packets of `inner` are packets of `outer`.
bool contains(const TrafficSelector& outer, const TrafficSelector& inner);
// Every selector of `inner` lies inside one selector of `outer`; false for an empty `inner`.
bool contains(const std::vector<TrafficSelector>& outer, const std::vector<TrafficSelector>& inner);
// A packet by its address, protocol and port (0 for a protocol without ports). An OPAQUE selector matches none.
bool matches(const TrafficSelector& selector, const IpAddress& address, std::uint8_t protocol, std::uint16_t port);

// The packets of both; nothing when there are none.
std::optional<TrafficSelector> intersect(const TrafficSelector& a, const TrafficSelector& b);

// The responder's choice for one side: `proposed` cut to `policy`, in the order of `proposed`, what lies inside another
// left out, so that the first selector (from the triggering packet) comes first whenever the policy has it.
// At most kTrafficSelectorsMax. Empty: TS_UNACCEPTABLE.
struct Narrowed {
  std::vector<TrafficSelector> selectors{};
  bool complete = false;     // each proposed selector lies inside one selector of the result
  bool holds_first = false;  // the first proposed selector is inside as a whole
};
Narrowed narrow(const std::vector<TrafficSelector>& proposed, const std::vector<TrafficSelector>& policy);

// A subnet as one selector, all protocols and ports; nothing when `prefix` exceeds the address. Host bits are cleared.
std::optional<TrafficSelector> subnet_selector(const IpAddress& address, unsigned prefix);

// "10.0.0.0/24", "10.0.0.1-10.0.0.9[17/500-500]".
std::string to_string(const TrafficSelector& selector);

}  // namespace tandem::wire
