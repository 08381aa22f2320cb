// SPDX-License-Identifier: Apache-2.0
#include "host/wire/traffic_selector.hpp"

#include <algorithm>

namespace tandem::wire {
namespace {

constexpr std::uint16_t kPortMax = 65535;

bool any_port(const TrafficSelector& selector) { return selector.start_port == 0 && selector.end_port == kPortMax; }

bool ports_contain(const TrafficSelector& outer, const TrafficSelector& inner) {
  if (any_port(outer)) return true;
  if (is_opaque(outer) || is_opaque(inner)) return is_opaque(outer) && is_opaque(inner);
  return outer.start_port <= inner.start_port && inner.end_port <= outer.end_port;
}

// Takes the cut into `result`, replacing what it swallows; false when the list is full.
bool insert(std::vector<TrafficSelector>& result, const TrafficSelector& cut) {
  const auto holds = [&cut](const TrafficSelector& other) { return contains(other, cut); };
  if (std::any_of(result.begin(), result.end(), holds)) return true;
  const auto swallowed = [&cut](const TrafficSelector& other) { return contains(cut, other); };
  const auto first = std::find_if(result.begin(), result.end(), swallowed);
  if (first != result.end()) {
    *first = cut;
    result.erase(std::remove_if(first + 1, result.end(), swallowed), result.end());
    return true;
  }
  if (result.size() == kTrafficSelectorsMax) return false;
  result.push_back(cut);
  return true;
}

// The prefix length of a range that is exactly one subnet.
std::optional<unsigned> prefix_of(const TrafficSelector& selector) {
  const auto bits = static_cast<unsigned>(selector.start.size() * 8);
  for (unsigned prefix = 0; prefix <= bits; ++prefix) {
    const auto subnet = subnet_selector(selector.start, prefix);
    if (subnet && subnet->start == selector.start && subnet->end == selector.end) return prefix;
  }
  return std::nullopt;
}

}  // namespace

bool is_opaque(const TrafficSelector& selector) { return selector.start_port == kPortMax && selector.end_port == 0; }

bool is_valid(const TrafficSelector& selector) {
  return selector.start.family == selector.end.family && selector.start <= selector.end &&
         (selector.start_port <= selector.end_port || is_opaque(selector));
}

bool contains(const TrafficSelector& outer, const TrafficSelector& inner) {
  return outer.start.family == inner.start.family && outer.start <= inner.start && inner.end <= outer.end &&
         (outer.protocol == kAnyProtocol || outer.protocol == inner.protocol) && ports_contain(outer, inner);
}

bool contains(const std::vector<TrafficSelector>& outer, const std::vector<TrafficSelector>& inner) {
  return !inner.empty() && std::all_of(inner.begin(), inner.end(), [&outer](const TrafficSelector& part) {
    return std::any_of(outer.begin(), outer.end(),
                       [&part](const TrafficSelector& whole) { return contains(whole, part); });
  });
}

bool matches(const TrafficSelector& selector, const IpAddress& address, std::uint8_t protocol, std::uint16_t port) {
  return address.family == selector.start.family && selector.start <= address && address <= selector.end &&
         (selector.protocol == kAnyProtocol || selector.protocol == protocol) && selector.start_port <= port &&
         port <= selector.end_port;
}

std::optional<TrafficSelector> intersect(const TrafficSelector& a, const TrafficSelector& b) {
  if (a.start.family != b.start.family) return std::nullopt;
  TrafficSelector both;
  if (a.protocol != kAnyProtocol && b.protocol != kAnyProtocol && a.protocol != b.protocol) return std::nullopt;
  both.protocol = a.protocol != kAnyProtocol ? a.protocol : b.protocol;
  if (is_opaque(a) || is_opaque(b)) {
    if (!ports_contain(a, b) && !ports_contain(b, a)) return std::nullopt;
    both.start_port = kPortMax;
    both.end_port = 0;
  } else {
    both.start_port = std::max(a.start_port, b.start_port);
    both.end_port = std::min(a.end_port, b.end_port);
    if (both.start_port > both.end_port) return std::nullopt;
  }
  both.start = std::max(a.start, b.start);
  both.end = std::min(a.end, b.end);
  if (both.start > both.end) return std::nullopt;
  return both;
}

Narrowed narrow(const std::vector<TrafficSelector>& proposed, const std::vector<TrafficSelector>& policy) {
  Narrowed result;
  for (const TrafficSelector& wanted : proposed) {
    for (const TrafficSelector& allowed : policy) {
      const auto cut = intersect(wanted, allowed);
      if (cut) insert(result.selectors, *cut);
    }
  }
  result.complete = contains(result.selectors, proposed);
  result.holds_first = !proposed.empty() && contains(result.selectors, {proposed.front()});
  return result;
}

std::optional<TrafficSelector> subnet_selector(const IpAddress& address, unsigned prefix) {
  if (prefix > address.size() * 8) return std::nullopt;
  TrafficSelector selector;
  selector.start = address;
  selector.end = address;
  for (std::size_t bit = prefix; bit < address.size() * 8; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
    selector.start.octets[bit / 8] &= static_cast<std::uint8_t>(~mask);
    selector.end.octets[bit / 8] |= mask;
  }
  return selector;
}

std::string to_string(const TrafficSelector& selector) {
  const auto prefix = prefix_of(selector);
  std::string text = to_string(selector.start);
  text += prefix ? "/" + std::to_string(*prefix) : "-" + to_string(selector.end);
  if (selector.protocol == kAnyProtocol && any_port(selector)) return text;
  text += "[" + (selector.protocol == kAnyProtocol ? "any" : std::to_string(selector.protocol));
  if (is_opaque(selector)) {
    text += "/opaque";
  } else if (!any_port(selector)) {
    text += "/" + std::to_string(selector.start_port) + "-" + std::to_string(selector.end_port);
  }
  return text + "]";
}

}  // namespace tandem::wire
