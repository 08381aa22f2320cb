// SPDX-License-Identifier: Apache-2.0
#include "host/base/ip_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "host/base/result.hpp"

namespace tandem {

IpAddress IpAddress::ipv4(std::uint32_t host_order) {
  IpAddress address;
  for (unsigned i = 0; i < 4; ++i) address.octets[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return address;
}

std::optional<IpAddress> IpAddress::from_octets(ByteView octets) {
  if (octets.size() != 4 && octets.size() != 16) return std::nullopt;
  IpAddress address;
  address.family = octets.size() == 4 ? Family::kIpv4 : Family::kIpv6;
  std::copy(octets.begin(), octets.end(), address.octets.begin());
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  // A NUL inside would end the text early for inet_pton.
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  IpAddress address;
  if (inet_pton(AF_INET, terminated.c_str(), address.octets.data()) == 1) return address;
  address = IpAddress{Family::kIpv6, {}};
  if (inet_pton(AF_INET6, terminated.c_str(), address.octets.data()) == 1) return address;
  return std::nullopt;
}

std::uint32_t IpAddress::ipv4_value() const {
  TANDEM_ASSERT(family == Family::kIpv4);
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) value = value << 8 | octets[i];
  return value;
}

std::string to_string(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN] = {};
  const int family = address.family == Family::kIpv4 ? AF_INET : AF_INET6;
  inet_ntop(family, address.octets.data(), text, sizeof text);
  return text;
}

std::string to_string(const Endpoint& endpoint) {
  const std::string address = to_string(endpoint.address);
  const std::string port = std::to_string(endpoint.port);
  return endpoint.address.family == Family::kIpv4 ? address + ":" + port : "[" + address + "]:" + port;
}

}  // namespace tandem
