// SPDX-License-Identifier: Apache-2.0
// A NAT in front of a peer: its addresses and ports outside, which may become others at any moment. What still goes to
// those before is lost. RFC 7296 2.23, RFC 3948.
#pragma once

#include <optional>

#include "host/base/bytes.hpp"
#include "host/base/ip_address.hpp"

namespace tandem::sim {

class Nat {
 public:
  explicit Nat(std::size_t peer) : peer_(peer) {}

  // Another mapping of the few that it has: of another port, and of another address half the time.
  void move(std::uint64_t pick);
  std::string mapping() const;
  // Where a packet from the peer's port `inside` seems to come from.
  Endpoint outward(const Endpoint& inside) const;
  // Whom a packet to `outside` is for; nobody when the mapping is another one by now.
  std::optional<Endpoint> inward(const Endpoint& outside) const;
  // The same for whole frames of ESP in UDP.
  Bytes outward(Bytes frame) const;
  std::optional<Bytes> inward(Bytes frame) const;

 private:
  std::size_t peer_;
  unsigned mapping_ = 0;
};

// Changes the source of a frame of ESP, or of ESP in UDP. The attacker's tool as well.
Bytes with_source(Bytes frame, const Endpoint& source);

}  // namespace tandem::sim
