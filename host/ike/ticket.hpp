// SPDX-License-Identifier: Apache-2.0
// Session tickets by value: all that a gateway must know of an IKE SA to resume it, sealed under a key that only the
// cluster has. RFC 5723 4.2, 5, 6; requirements RES-006..009. Serves N1 (the ticket key's nonces).
#pragma once

#include <map>
#include <optional>

#include "host/base/time.hpp"
#include "host/ike/cluster_secrets.hpp"
#include "host/ike/config.hpp"
#include "host/ike/sk_payload.hpp"
#include "host/ike/state.hpp"

namespace tandem::ike {

constexpr std::size_t kTicketIdentityOctetsMax = 512;  // longer identities get no ticket
constexpr std::uint32_t kTicketLifetimeMax = 3600;     // seconds
constexpr std::size_t kUsedTicketsMax = 65'536;        // beyond it nothing is resumed until entries expire

using TicketId = std::array<std::uint8_t, 16>;

struct Ticket {
  TicketId id{};
  UnixSeconds expires = 0;
  UnixSeconds authenticated = 0;  // when the client last proved who it is by more than a ticket
  std::uint64_t spi_i = 0;        // of the IKE SA that it was made for
  std::uint64_t spi_r = 0;
  std::string peer_name;  // of the configured peer: policy is looked up again
  Identity client;
  Identity gateway;
  IkeSuite suite;
  SecretBytes sk_d;
};

// key id(4) | IV(8) | AES-256-GCM(fields) | ICV(16), under the newest key. Nothing when there is no key, when it has
// seen too many activations (N1), or an identity is too long. The IV is incarnation | counter of `ivs`, as for IKE's
// own messages: members never meet in one, nor does a member with itself after a restart.
std::optional<Bytes> seal_ticket(const ClusterSecrets& secrets, const std::array<std::uint64_t, 2>& activations,
                                 const Ticket& ticket, IvSource& ivs);
// What one of the two keys opens; nothing for all else, expiry not looked at.
std::optional<Ticket> open_ticket(const ClusterSecrets& secrets, ByteView octets);
// The last second at which tickets of the newest key are still opened.
UnixSeconds ticket_key_end(const ClusterSecrets& secrets);

// One entry of the list of used tickets, as members tell it each other.
struct UsedTicket {
  TicketId id{};
  TimePoint expires = kNever;
  friend bool operator==(const UsedTicket&, const UsedTicket&) = default;
};

// Tickets that were used: each resumes once in the whole cluster (RES-008).
class UsedTickets {
 public:
  bool contains(const TicketId& id) const { return expiry_.contains(id); }
  bool full() const { return expiry_.size() >= kUsedTicketsMax; }
  // Kept until `expires`; beyond the bound nothing is added.
  void add(const TicketId& id, TimePoint expires);
  void expire(TimePoint now);
  const std::map<TicketId, TimePoint>& all() const { return expiry_; }

 private:
  std::map<TicketId, TimePoint> expiry_;
  std::multimap<TimePoint, TicketId> by_age_;
};

// SKEYSEED = prf(SK_d of the old SA, "Resumption" | Ni | Nr), then all keys as ever (RFC 5723 5.1; RES-004).
IkeKeys derive_resumed_ike_keys(const IkeSuite& suite, const SecretBytes& old_sk_d, ByteView nonce_i, ByteView nonce_r,
                                std::uint64_t spi_i, std::uint64_t spi_r);
// AUTH = prf(SK_px, RealMessage | nonce of the other side | prf(SK_px, RestOfID)) (RES-005); `real_message` is one's
// own IKE_SESSION_RESUME message from the header on.
Bytes resumed_auth(crypto::Prf prf, ByteView real_message, ByteView other_nonce, const SecretBytes& sk_p,
                   const wire::IdPayload& id);

}  // namespace tandem::ike
