// SPDX-License-Identifier: Apache-2.0
#include "host/base/endpoint.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace tandem {
namespace {

std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

// The address with all bits right of the prefix set to `ones`.
IpAddress with_host_bits(const IpPrefix& prefix, bool ones) {
  IpAddress result = prefix.address;
  const std::size_t bits = prefix.address.view().size() * 8;
  for (std::size_t bit = prefix.length; bit < bits; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80u >> bit % 8);
    auto& octet = result.octets[bit / 8];
    octet = static_cast<std::uint8_t>(ones ? octet | mask : octet & ~mask);
  }
  return result;
}

}  // namespace

std::optional<IpAddress> parse_ip(std::string_view text) {
  const std::string copy(text);
  if (copy.size() != text.size() || copy.find('\0') != std::string::npos) return std::nullopt;
  IpAddress address;
  if (inet_pton(AF_INET, copy.c_str(), address.octets.data()) == 1) {
    address.family = 4;
    return address;
  }
  address.octets.fill(0);
  if (inet_pton(AF_INET6, copy.c_str(), address.octets.data()) == 1) {
    address.family = 6;
    return address;
  }
  return std::nullopt;
}

std::string to_string(const IpAddress& address) {
  if (address.is_none()) return "none";
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(address.is_v4() ? AF_INET : AF_INET6, address.octets.data(), text, sizeof text);
  return text;
}

IpAddress make_ip(std::span<const std::uint8_t> octets) {
  IpAddress address;
  if (octets.size() != 4 && octets.size() != 16) return address;
  address.family = octets.size() == 4 ? 4 : 6;
  std::copy(octets.begin(), octets.end(), address.octets.begin());
  return address;
}

bool IpPrefix::contains(const IpAddress& other) const {
  return other.family == address.family && first() <= other && other <= last();
}
IpAddress IpPrefix::first() const { return with_host_bits(*this, false); }
IpAddress IpPrefix::last() const { return with_host_bits(*this, true); }

std::optional<IpPrefix> parse_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_ip(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned bits = address->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) return IpPrefix{*address, static_cast<std::uint8_t>(bits)};
  const auto length = parse_number(text.substr(slash + 1), bits);
  if (!length) return std::nullopt;
  return IpPrefix{*address, static_cast<std::uint8_t>(*length)};
}

std::string to_string(const IpPrefix& prefix) {
  return to_string(prefix.address) + "/" + std::to_string(prefix.length);
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = parse_ip(host);
  const auto port = parse_number(text.substr(colon + 1), 65535);
  if (!address || !port || bracketed == address->is_v4()) return std::nullopt;
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::string to_string(const Endpoint& endpoint) {
  const std::string host = to_string(endpoint.address);
  const std::string port = ":" + std::to_string(endpoint.port);
  return endpoint.address.family == 6 ? "[" + host + "]" + port : host + port;
}

}  // namespace tandem
