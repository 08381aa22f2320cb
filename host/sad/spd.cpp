// SPDX-License-Identifier: Apache-2.0
#include "host/sad/spd.hpp"

#include <algorithm>

#include "host/sad/card_address.hpp"
#include "host/wire/ip_header.hpp"

namespace tandem::sad {
namespace {

// The packet's port that a selector for its source or its target side is compared with; both sides of ICMP mean
// type and code (RFC 4301 4.4.1.1).
std::uint16_t port_of(const PacketKey& key, bool source) {
  return source || key.protocol == wire::kProtocolIcmp ? key.source_port : key.target_port;
}

bool shows_ports(const PacketKey& key) {
  return !key.later_fragment && (card::has_ports(key.protocol) || key.protocol == card::kProtocolIcmp);
}

// `source`: the selector speaks of the packet's source. A packet without ports, as a later fragment, is taken only by a
// selector that takes any port (RFC 4301 4.4.1.1, 7).
bool selects(const wire::TrafficSelector& selector, const PacketKey& key, bool source) {
  if (!shows_ports(key) && (selector.start_port != 0 || selector.end_port != 0xffff)) return false;
  return wire::matches(selector, source ? key.source : key.target, key.protocol, port_of(key, source));
}

bool any_selects(const std::vector<wire::TrafficSelector>& selectors, const PacketKey& key, bool source) {
  return std::any_of(selectors.begin(), selectors.end(),
                     [&](const wire::TrafficSelector& selector) { return selects(selector, key, source); });
}

std::optional<std::uint32_t> slash24(const wire::TrafficSelector& selector) {
  if (selector.start.family != Family::kIpv4) return std::nullopt;
  const std::uint32_t first = selector.start.ipv4_value() >> 8;
  return first == selector.end.ipv4_value() >> 8 ? std::optional(first) : std::nullopt;
}

}  // namespace

card::FlowKey PacketKey::flow() const {
  card::FlowKey key{};
  key.source = to_card(source);
  key.target = to_card(target);
  key.source_port = source_port;
  key.target_port = target_port;
  key.protocol = protocol;
  key.family = source.family == Family::kIpv4 ? card::kFamilyIpv4 : card::kFamilyIpv6;
  return key;
}

std::optional<PacketKey> packet_key(ByteView ip_packet) {
  const auto packet = wire::parse_ipv4(ip_packet);
  if (!packet) return std::nullopt;
  PacketKey key;
  key.source = packet->header.source;
  key.target = packet->header.target;
  key.protocol = packet->header.protocol;
  key.later_fragment = packet->header.fragment_offset != 0;
  if (key.later_fragment) return key;
  const ByteView payload = packet->payload;
  if (card::has_ports(key.protocol)) {
    if (payload.size() < 4) return std::nullopt;
    key.source_port = static_cast<std::uint16_t>(payload[0] << 8 | payload[1]);
    key.target_port = static_cast<std::uint16_t>(payload[2] << 8 | payload[3]);
  } else if (key.protocol == wire::kProtocolIcmp) {
    if (payload.size() < 2) return std::nullopt;
    key.source_port = static_cast<std::uint16_t>(payload[0] << 8 | payload[1]);
  }
  return key;
}

Spd::Spd(std::vector<SpdRule> rules, std::vector<ProtectRule> protect)
    : rules_(std::move(rules)), protect_(std::move(protect)) {}

void Spd::index_route(std::uint32_t route, const Route& entry, bool add) {
  const auto update = [&](std::vector<std::uint32_t>& list) {
    std::erase(list, route);
    if (add) list.push_back(route);
  };
  for (const auto& selector : entry.remote) {
    if (const auto block = slash24(selector)) {
      update(narrow_[*block]);
      if (narrow_[*block].empty()) narrow_.erase(*block);
    } else {
      update(wide_);
    }
  }
}

bool Spd::set_route(std::uint32_t route, std::vector<wire::TrafficSelector> local,
                    std::vector<wire::TrafficSelector> remote) {
  const auto found = routes_.find(route);
  if (found != routes_.end() && found->second.local == local && found->second.remote == remote) return false;
  remove_route(route);
  const auto& entry = routes_[route] = Route{std::move(local), std::move(remote)};
  index_route(route, entry, true);
  return true;
}

void Spd::remove_route(std::uint32_t route) {
  const auto found = routes_.find(route);
  if (found == routes_.end()) return;
  index_route(route, found->second, false);
  routes_.erase(found);
}

void Spd::clear_routes() {
  routes_.clear();
  narrow_.clear();
  wide_.clear();
}

std::set<std::uint32_t> Spd::routes_towards(const std::vector<wire::TrafficSelector>& remote) const {
  std::set<std::uint32_t> result;
  for (const wire::TrafficSelector& wanted : remote) {
    const auto meets = [&wanted](const wire::TrafficSelector& selector) {
      return selector.start.family == wanted.start.family && selector.start <= wanted.end &&
             wanted.start <= selector.end;
    };
    const auto look = [&](std::uint32_t route) {
      const auto& selectors = routes_.at(route).remote;
      if (std::any_of(selectors.begin(), selectors.end(), meets)) result.insert(route);
    };
    const auto block = slash24(wanted);
    if (!block) {
      for (const auto& [route, entry] : routes_) look(route);
      continue;
    }
    std::for_each(wide_.begin(), wide_.end(), look);
    const auto narrow = narrow_.find(*block);
    if (narrow != narrow_.end()) std::for_each(narrow->second.begin(), narrow->second.end(), look);
  }
  return result;
}

SpdVerdict Spd::outbound(const PacketKey& key) const {
  for (const SpdRule& rule : rules_) {
    if (selects(rule.local, key, true) && selects(rule.remote, key, false)) {
      return {rule.action, 0, std::nullopt};
    }
  }
  const auto matches = [&key](const auto& entry) {
    return any_selects(entry.local, key, true) && any_selects(entry.remote, key, false);
  };
  const auto first_match = [&](const std::vector<std::uint32_t>& list) -> std::optional<std::uint32_t> {
    for (const std::uint32_t route : list) {
      if (matches(routes_.at(route))) return route;
    }
    return std::nullopt;
  };
  std::optional<std::uint32_t> route;
  if (key.target.family == Family::kIpv4) {
    const auto found = narrow_.find(key.target.ipv4_value() >> 8);
    if (found != narrow_.end()) route = first_match(found->second);
  }
  if (!route) route = first_match(wide_);
  if (route) return {card::FlowAction::kProtect, *route, std::nullopt};
  for (const ProtectRule& rule : protect_) {
    if (matches(rule)) return {card::FlowAction::kDiscard, 0, rule.tag};
  }
  return {};
}

SpdVerdict Spd::inbound_clear(const PacketKey& key) const {
  for (const SpdRule& rule : rules_) {
    if (selects(rule.local, key, false) && selects(rule.remote, key, true)) {
      return {rule.action, 0, std::nullopt};
    }
  }
  return {};
}

}  // namespace tandem::sad
