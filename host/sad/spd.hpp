// SPDX-License-Identifier: Apache-2.0
// The SPD as the host searches it when the card's cache misses: ordered rules first, then the selectors of
// the installed SAs, then what PROTECT demands, else DISCARD. RFC 4301 4.4.1, 5.1, 5.2; SPD-001..006.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "host/base/bytes.hpp"
#include "host/wire/traffic_selector.hpp"
#include "hw/contract/flow.hpp"

namespace tandem::sad {

// An inner packet's selectors, as the card computes them for its flow key.
struct PacketKey {
  IpAddress source;
  IpAddress target;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;  // ICMP: type * 256 + code
  std::uint16_t target_port = 0;
  bool later_fragment = false;
  card::FlowKey flow() const;
};
// Nothing when the octets are no IPv4 packet with the headers its protocol needs.
std::optional<PacketKey> packet_key(ByteView ip_packet);

struct SpdRule {
  card::FlowAction action = card::FlowAction::kDiscard;  // kBypass or kDiscard; PROTECT comes from the children
  wire::TrafficSelector local;
  wire::TrafficSelector remote;
};

// What a configured child wants protected, whether or not an SA stands.
struct ProtectRule {
  std::vector<wire::TrafficSelector> local;
  std::vector<wire::TrafficSelector> remote;
  std::uint32_t tag = 0;  // for the owner: which child
};

struct SpdVerdict {
  card::FlowAction action = card::FlowAction::kDiscard;
  std::uint32_t route = 0;               // kProtect
  std::optional<std::uint32_t> acquire;  // PROTECT is demanded but no SA stands: tag of the rule
};

class Spd {
 public:
  Spd(std::vector<SpdRule> rules, std::vector<ProtectRule> protect);

  // A route and the selectors of the SA it leads to; replaces what the route had. False: it had just these.
  bool set_route(std::uint32_t route, std::vector<wire::TrafficSelector> local,
                 std::vector<wire::TrafficSelector> remote);
  void remove_route(std::uint32_t route);
  void clear_routes();
  // Routes that lead to some of these addresses, whatever the ports.
  std::set<std::uint32_t> routes_towards(const std::vector<wire::TrafficSelector>& remote) const;

  // A packet from the protected side.
  SpdVerdict outbound(const PacketKey& key) const;
  // Clear text from outside: BYPASS by rule, else DISCARD (SPD-004).
  SpdVerdict inbound_clear(const PacketKey& key) const;

 private:
  struct Route {
    std::vector<wire::TrafficSelector> local;
    std::vector<wire::TrafficSelector> remote;
  };
  void index_route(std::uint32_t route, const Route& entry, bool add);

  std::vector<SpdRule> rules_;
  std::vector<ProtectRule> protect_;
  std::unordered_map<std::uint32_t, Route> routes_;
  // Routes by the remote /24 that a selector lies in, and those with wider selectors: keeps the search short with
  // tens of thousands of SAs.
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> narrow_;
  std::vector<std::uint32_t> wide_;
};

}  // namespace tandem::sad
