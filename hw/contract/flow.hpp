// SPDX-License-Identifier: Apache-2.0
// The SPD cache (exact-match flows), the routes they point to, and the next-hop table. RFC 4301 4.4.1.
//
// Flows name a route, a route names the newest usable outbound SA: a rekey is one 64-bit store however
// many flows use the SA. The host owns every entry; the card only sets `used` marks. An entry is written
// with `valid` 0, then made valid by a release store; it is taken out by `valid` = 0.
#pragma once

#include <cstdint>

#include "hw/contract/address.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kFlowBuckets = 16384;
constexpr std::uint32_t kFlowWays = 4;
constexpr std::uint32_t kRoutes = 65536;
constexpr std::uint32_t kNextHopBuckets = 4096;
constexpr std::uint32_t kNextHopWays = 4;

enum class FlowAction : std::uint8_t { kDiscard = 0, kBypass = 1, kProtect = 2 };

constexpr std::uint8_t kProtocolIcmp = 1;
constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::uint8_t kProtocolDccp = 33;
constexpr std::uint8_t kProtocolSctp = 132;
constexpr std::uint8_t kProtocolUdpLite = 136;

// Protocols that begin with a source and a target port of 16 bits each.
constexpr bool has_ports(std::uint8_t protocol) {
  return protocol == kProtocolTcp || protocol == kProtocolUdp || protocol == kProtocolDccp ||
         protocol == kProtocolSctp || protocol == kProtocolUdpLite;
}

// Key of a flow as the inner packet shows it. Ports are 0 for protocols without them; for ICMP the source
// port holds type * 256 + code. Non-initial fragments are never cached: they are punted.
struct FlowKey {
  Address source;
  Address target;
  std::uint16_t source_port;
  std::uint16_t target_port;
  std::uint8_t protocol;
  std::uint8_t family;
  std::uint8_t reserved[2];
};
static_assert(sizeof(FlowKey) == 40, "layout");

struct FlowEntry {
  FlowKey key;
  std::uint32_t valid;
  std::uint32_t route;
  std::uint8_t action;  // FlowAction
  std::uint8_t reserved[11];
  std::uint32_t used;  // card: set to 1 at a hit; host: cleared when it looks for the idle
};
static_assert(sizeof(FlowEntry) == 64, "layout");

// A route: instance(32) | slot index(24) | reserved(7) | valid(1).
constexpr std::uint64_t kRouteValid = 1;
constexpr std::uint64_t make_route(std::uint32_t index, std::uint32_t instance) {
  return std::uint64_t{instance} << 32 | std::uint64_t{index & 0xffffffu} << 8 | kRouteValid;
}
constexpr bool route_valid(std::uint64_t route) { return (route & kRouteValid) != 0; }
constexpr std::uint32_t route_index(std::uint64_t route) { return static_cast<std::uint32_t>(route >> 8 & 0xffffffu); }
constexpr std::uint32_t route_instance(std::uint64_t route) { return static_cast<std::uint32_t>(route >> 32); }

struct NextHop {
  Address address;
  std::uint32_t valid;
  std::uint8_t family;
  std::uint8_t port;  // Port
  std::uint8_t mac[6];
  std::uint32_t used;
};
static_assert(sizeof(NextHop) == 32, "layout");

// The hash both sides use to find a bucket. Not keyed: a full bucket only costs punts, and the host replaces
// entries of a bucket in turn.

// A step of the bucket hashes: folds 64 bits in. Multiply and shift, one step a word instead of one an octet.
constexpr std::uint64_t hash_step(std::uint64_t hash, std::uint64_t word) {
  return ((hash ^ word) * 0x9e3779b97f4a7c15u) ^ (((hash ^ word) * 0x9e3779b97f4a7c15u) >> 32);
}

inline std::uint64_t hash_address(std::uint64_t hash, const Address& address) {
  std::uint64_t words[2] = {0, 0};
  for (std::uint32_t i = 0; i < 16; ++i) {
    words[i / 8] |= std::uint64_t{address.octets[i]} << (8 * (i % 8));
  }
  return hash_step(hash_step(hash, words[0]), words[1]);
}

// Bucket of a flow: entries flows[bucket * kFlowWays .. + kFlowWays - 1]. The reserved octets do not count.
inline std::uint32_t flow_bucket(const FlowKey& key) {
  const std::uint64_t rest = std::uint64_t{key.source_port} | std::uint64_t{key.target_port} << 16 |
                             std::uint64_t{key.protocol} << 32 | std::uint64_t{key.family} << 40;
  const std::uint64_t hash = hash_step(hash_address(hash_address(0, key.source), key.target), rest);
  return static_cast<std::uint32_t>(hash) % kFlowBuckets;
}

inline bool flow_key_equal(const FlowKey& a, const FlowKey& b) {
  std::uint32_t difference = 0;
  for (std::uint32_t i = 0; i < 16; ++i) {
    difference |= static_cast<std::uint32_t>(a.source.octets[i] ^ b.source.octets[i]);
    difference |= static_cast<std::uint32_t>(a.target.octets[i] ^ b.target.octets[i]);
  }
  difference |= static_cast<std::uint32_t>((a.source_port ^ b.source_port) | (a.target_port ^ b.target_port));
  difference |= static_cast<std::uint32_t>((a.protocol ^ b.protocol) | (a.family ^ b.family));
  return difference == 0;
}

// Bucket of a next hop: entries next_hops[bucket * kNextHopWays .. + kNextHopWays - 1].
inline std::uint32_t next_hop_bucket(Port port, std::uint8_t family, const Address& address) {
  const std::uint64_t rest = std::uint64_t{family} | std::uint64_t{static_cast<std::uint8_t>(port)} << 8;
  return static_cast<std::uint32_t>(hash_step(hash_address(0, address), rest)) % kNextHopBuckets;
}

inline bool next_hop_matches(const NextHop& entry, Port port, std::uint8_t family, const Address& address) {
  std::uint32_t difference = static_cast<std::uint32_t>(entry.family ^ family) |
                             static_cast<std::uint32_t>(entry.port ^ static_cast<std::uint8_t>(port));
  for (std::uint32_t i = 0; i < 16; ++i) {
    difference |= static_cast<std::uint32_t>(entry.address.octets[i] ^ address.octets[i]);
  }
  return difference == 0;
}

}  // namespace card
}  // namespace tandem
