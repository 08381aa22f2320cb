// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/nat.hpp"

#include "sim/cluster/environment.hpp"

namespace tandem::sim {
namespace {

constexpr unsigned kMappings = 4;
constexpr std::uint16_t kFirstPort = 20'000;
constexpr std::size_t kSourceAt = kEthernet + 12;
constexpr std::size_t kTargetAt = kEthernet + 16;
constexpr std::size_t kUdpAt = kEthernet + wire::kIpv4HeaderOctets;

bool is_udp(const Bytes& frame) {
  return frame.size() >= kUdpAt + wire::kUdpHeaderOctets && frame[kEthernet + 9] == wire::kProtocolUdp;
}
void put16(Bytes& frame, std::size_t at, std::uint16_t value) {
  frame[at] = static_cast<std::uint8_t>(value >> 8);
  frame[at + 1] = static_cast<std::uint8_t>(value);
}
std::uint16_t get16(const Bytes& frame, std::size_t at) {
  return static_cast<std::uint16_t>(frame[at] << 8 | frame[at + 1]);
}

// ESP in UDP carries no checksum (RFC 3948 2.1), so only that of the IP header is to be mended.
Bytes readdressed(Bytes frame, std::size_t address_at, std::size_t port_at, const Endpoint& endpoint) {
  const std::uint32_t address = endpoint.address.ipv4_value();
  put16(frame, address_at, static_cast<std::uint16_t>(address >> 16));
  put16(frame, address_at + 2, static_cast<std::uint16_t>(address));
  if (is_udp(frame)) put16(frame, port_at, endpoint.port);
  put16(frame, kEthernet + 10, 0);
  put16(frame, kEthernet + 10, wire::internet_checksum(ByteView(frame).subspan(kEthernet, wire::kIpv4HeaderOctets)));
  return frame;
}

}  // namespace

void Nat::move(std::uint64_t pick) {
  mapping_ = (mapping_ + 1 + static_cast<unsigned>(pick % (kMappings - 1))) % kMappings;
}

std::string Nat::mapping() const { return to_string(outward(Endpoint{IpAddress::ipv4(peer_address(peer_)), 4500})); }

Endpoint Nat::outward(const Endpoint& inside) const {
  const auto port = static_cast<std::uint16_t>(kFirstPort + 2 * mapping_ + (inside.port == 4500 ? 1 : 0));
  return {IpAddress::ipv4(nat_address(peer_, mapping_ / 2)), port};
}

std::optional<Endpoint> Nat::inward(const Endpoint& outside) const {
  for (const std::uint16_t port : {std::uint16_t{500}, std::uint16_t{4500}}) {
    const Endpoint inside{IpAddress::ipv4(peer_address(peer_)), port};
    if (outward(inside) == outside) return inside;
  }
  return std::nullopt;
}

Bytes Nat::outward(Bytes frame) const {
  const std::uint16_t port = is_udp(frame) ? get16(frame, kUdpAt) : std::uint16_t{0};
  return with_source(std::move(frame), outward(Endpoint{IpAddress::ipv4(peer_address(peer_)), port}));
}

std::optional<Bytes> Nat::inward(Bytes frame) const {
  if (!is_udp(frame)) return std::nullopt;
  const auto inside = inward(Endpoint{IpAddress::ipv4(be32(frame.data() + kTargetAt)), get16(frame, kUdpAt + 2)});
  if (!inside) return std::nullopt;
  return readdressed(std::move(frame), kTargetAt, kUdpAt + 2, *inside);
}

Bytes with_source(Bytes frame, const Endpoint& source) {
  return readdressed(std::move(frame), kSourceAt, kUdpAt, source);
}

}  // namespace tandem::sim
