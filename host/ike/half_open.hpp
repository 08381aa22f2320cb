// SPDX-License-Identifier: Apache-2.0
// IKE SAs that a peer began and has not authenticated, by IKE_SA_INIT or by a ticket: bounded, short-lived, never
// replicated. RFC 7296 2.6; requirements IKE-011, IKE-014, STA-022.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <unordered_map>

#include "host/ike/message_window.hpp"
#include "host/ike/nat.hpp"
#include "host/ike/state.hpp"
#include "host/ike/ticket.hpp"

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
  std::optional<Ticket> ticket;  // begun by IKE_SESSION_RESUME
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

}  // namespace tandem::ike
