// SPDX-License-Identifier: Apache-2.0
#include "host/base/ip_prefix.hpp"

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
  const std::size_t bits = prefix.address.size() * 8;
  for (std::size_t bit = prefix.length; bit < bits; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80u >> bit % 8);
    auto& octet = result.octets[bit / 8];
    octet = static_cast<std::uint8_t>(ones ? octet | mask : octet & ~mask);
  }
  return result;
}

}  // namespace

bool IpPrefix::contains(const IpAddress& other) const {
  return other.family == address.family && first() <= other && other <= last();
}
IpAddress IpPrefix::first() const { return with_host_bits(*this, false); }
IpAddress IpPrefix::last() const { return with_host_bits(*this, true); }

std::optional<IpPrefix> parse_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const auto bits = static_cast<unsigned>(address->size() * 8);
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
  const auto address = IpAddress::parse(host);
  const auto port = parse_number(text.substr(colon + 1), 65535);
  if (!address || !port || bracketed == (address->family == Family::kIpv4)) return std::nullopt;
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

}  // namespace tandem
