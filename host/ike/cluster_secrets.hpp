// SPDX-License-Identifier: Apache-2.0
// Secrets that all members of a cluster share, so that what one member gave to a peer still counts at the others:
// cookies (RFC 7296 2.6), crash tokens (RFC 6290 5), session tickets (RFC 5723). Replicated before first use.
// STA-024, QCD-003, RES-007, IKE-011.
#pragma once

#include <array>
#include <cstdint>

#include "host/base/bytes.hpp"
#include "host/base/ip_address.hpp"
#include "host/base/random.hpp"

namespace tandem::ike {

// Seconds of the wall clock since 1970: tickets outlive a machine's own clock.
using UnixSeconds = std::uint64_t;

constexpr std::size_t kQcdSecretOctets = 32;
constexpr std::size_t kCookieSecretOctets = 32;
constexpr std::size_t kTicketKeyOctets = 36;           // AES-256-GCM key and salt
constexpr UnixSeconds kTicketKeyLife = 3600;           // makes tickets so long, and opens them as long again
constexpr std::uint64_t kTicketKeyActivations = 1000;  // of a member: then the key is replaced (N1)

struct CookieSecret {
  std::uint8_t version = 0;
  SecretBytes secret;  // empty: none
};

struct TicketKey {
  std::uint32_t id = 0;
  UnixSeconds made = 0;
  std::array<std::uint64_t, 2> born_activations{};  // of member 1 and 2 when it was made (N1)
  SecretBytes key;                                  // empty: none
};

struct ClusterSecrets {
  SecretBytes qcd;
  std::array<CookieSecret, 2> cookies;  // the one in use, then the one before
  std::array<TicketKey, 2> tickets;     // as above

  bool empty() const { return qcd.empty(); }
  ClusterSecrets clone() const;
};

// A whole new set.
ClusterSecrets make_cluster_secrets(Random& random, UnixSeconds now, const std::array<std::uint64_t, 2>& activations);
// The same set with a new cookie secret, or a new ticket key; the one in use becomes the one before.
ClusterSecrets with_new_cookie(const ClusterSecrets& secrets, Random& random);
ClusterSecrets with_new_ticket_key(const ClusterSecrets& secrets, Random& random, UnixSeconds now,
                                   const std::array<std::uint64_t, 2>& activations);
// The newest ticket key is due to be replaced: too old, from the future (the clock went back), or seen by too many
// activations.
bool ticket_key_due(const ClusterSecrets& secrets, UnixSeconds now, const std::array<std::uint64_t, 2>& activations);
// How many activations of one member the key has seen at most.
std::uint64_t activations_of(const TicketKey& key, const std::array<std::uint64_t, 2>& activations);

// Cookie = version(1) | HMAC-SHA-256(secret of that version, Ni | IPi | SPIi). Empty without a secret.
Bytes make_cookie(const ClusterSecrets& secrets, ByteView nonce_i, const IpAddress& address, std::uint64_t spi_i);
// The cookie is of one of the two versions, and of this request. Constant time.
bool verify_cookie(const ClusterSecrets& secrets, ByteView cookie, ByteView nonce_i, const IpAddress& address,
                   std::uint64_t spi_i);

// HMAC-SHA-256(QCD_SECRET, SPI-I | SPI-R), 32 octets (RFC 6290 5.1). Precondition: not empty.
Bytes crash_token(const ClusterSecrets& secrets, std::uint64_t spi_i, std::uint64_t spi_r);

}  // namespace tandem::ike
