// SPDX-License-Identifier: Apache-2.0
// IKE SAs that a peer began and has not authenticated: bounded, short-lived, never replicated; and the cookies that
// keep state away under load. RFC 7296 2.6; requirements IKE-011, IKE-012, IKE-014, STA-022, STA-024.
#pragma once

#include <deque>
#include <map>
#include <unordered_map>

#include "host/base/random.hpp"
#include "host/ike/message_window.hpp"
#include "host/ike/nat.hpp"
#include "host/ike/state.hpp"

namespace tandem::ike {

struct HalfOpen {
  std::uint64_t spi_i = 0;
  std::uint64_t spi_r = 0;
  Endpoint local;
  Endpoint remote;
  RequestHash hash{};
  Bytes request;   // RealMessage1
  Bytes response;  // RealMessage2
  Bytes nonce_i;
  Bytes nonce_r;
  IkeSuite suite;
  IkeKeys keys;
  NatView nat;
  TimePoint expires = kNever;
};

class HalfOpenTable {
 public:
  std::size_t size() const { return by_spi_.size(); }
  HalfOpen* find(std::uint64_t spi_r);
  // The half-open SA that this very request made: a repeated request makes no second one.
  HalfOpen* find_request(const RequestHash& hash, const Endpoint& remote);
  void add(HalfOpen half_open);
  void erase(std::uint64_t spi_r);
  // Drops what is too old; how many.
  std::size_t expire(TimePoint now);
  TimePoint next_deadline() const;
  void clear();

 private:
  std::unordered_map<std::uint64_t, HalfOpen> by_spi_;
  std::map<RequestHash, std::uint64_t> by_hash_;
  std::deque<std::pair<TimePoint, std::uint64_t>> by_age_;
};

// Cookie = version(1) | HMAC-SHA-256(secret of that version, Ni | IPi | SPIi). The last two versions are valid.
class CookieJar {
 public:
  explicit CookieJar(Random& random) : random_(random) {}
  Bytes make(TimePoint now, ByteView nonce_i, const IpAddress& address, std::uint64_t spi_i);
  bool verify(ByteView cookie, ByteView nonce_i, const IpAddress& address, std::uint64_t spi_i) const;

 private:
  static constexpr Duration kRotateAfter = std::chrono::seconds(60);
  Bytes compute(std::uint8_t version, ByteView nonce_i, const IpAddress& address, std::uint64_t spi_i) const;

  Random& random_;
  std::array<SecretBytes, 2> secrets_;
  std::uint8_t version_ = 0;
  TimePoint rotate_at_ = TimePoint::min();
};

}  // namespace tandem::ike
