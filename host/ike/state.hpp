// SPDX-License-Identifier: Apache-2.0
// The state of an IKE SA and its CHILD SAs that a partner must hold to go on in our place: plain values,
// replicated whole at every change (STA-005, 011..021, 030). Serves N4. What is not here is rebuilt.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/base/bytes.hpp"
#include "host/base/ip_address.hpp"
#include "host/base/time.hpp"
#include "host/crypto/algorithm.hpp"
#include "host/ike/identity.hpp"
#include "host/sad/use_limits.hpp"
#include "host/wire/traffic_selector.hpp"

namespace tandem::ike {

// Our own SPI of an IKE SA: the key under which members know it; never 0.
enum class LocalSpi : std::uint64_t {};

enum class ChildPhase : std::uint8_t {
  kInstalled = 0,
  kReplaced = 1,  // rekeyed; receives until the DELETE exchange is over
  kDeleting = 2,  // our DELETE is out
};

struct ChildSaState {
  std::uint32_t spi_in = 0;   // ours; names the slot of the card's table
  std::uint32_t spi_out = 0;  // the peer's
  std::uint32_t instance = 0;
  std::uint32_t route = 0;        // inherited over rekeys, so that flows need no change
  bool carries_outbound = false;  // this child is the one that its route names (REK-002)
  ChildPhase phase = ChildPhase::kInstalled;
  bool doubted = false;         // the peer may know another one instead: to be rekeyed (SYNC-026)
  bool rekey_given_up = false;  // for a sync: to be begun again (SYNC-024)
  std::string name;             // of the configured child
  bool we_initiated = false;
  bool esn = false;
  crypto::Encr encr = crypto::Encr::kAesGcm16;
  std::uint16_t key_bits = 0;
  SecretBytes key_in;  // key and salt
  SecretBytes key_out;
  std::vector<wire::TrafficSelector> local_ts;
  std::vector<wire::TrafficSelector> remote_ts;
  std::uint32_t born_epoch = 0;                     // the cluster's when it was asked for; the first credits are of it
  std::array<std::uint64_t, 2> born_activations{};  // member 1's and 2's activation numbers then (N1)
  TimePoint established = kNever;
  TimePoint soft_deadline = kNever;
  TimePoint hard_deadline = kNever;
  sad::UseLimits use;  // jitter taken off

  ChildSaState clone() const;
};

// A response kept for a repeated request (IKE-002).
struct StoredResponse {
  std::uint32_t message_id = 0;
  std::array<std::uint8_t, 32> request_hash{};  // SHA-256 of the request from the IKE header on
  Bytes response;

  friend bool operator==(const StoredResponse&, const StoredResponse&) = default;
};

enum class RequestKind : std::uint8_t {
  kLiveness = 0,
  kCreateChild = 1,
  kRekeyChild = 2,
  kRekeyIke = 3,
  kDeleteChild = 4,
  kDeleteIke = 5,
  kInitialAuth = 6,  // never replicated as established; here so that one type serves
};

// Our own request that waits for its answer (STA-017): the survivor resends these octets, never others.
struct PendingRequest {
  std::uint32_t message_id = 0;
  RequestKind kind = RequestKind::kLiveness;
  Bytes request;
  std::uint32_t child_spi_in = 0;        // the child it is about
  std::uint32_t new_child_spi_in = 0;    // kCreateChild, kRekeyChild: the SPI we offered
  std::uint32_t new_child_instance = 0;  // of its slot
  std::string child_name;
  Bytes nonce;                    // ours, for collisions (REK-006)
  std::uint64_t new_ike_spi = 0;  // kRekeyIke
  std::uint32_t epoch = 0;        // the cluster's when it was made; 0: a partner of an older version did not say

  friend bool operator==(const PendingRequest&, const PendingRequest&) = default;
};

// Both ends rekeyed one child (REK-006): what the peer's exchange made, while ours is out.
struct ChildCollision {
  std::uint32_t old_spi_in = 0;
  std::uint32_t their_spi_in = 0;
  Bytes lowest_nonce;

  friend bool operator==(const ChildCollision&, const ChildCollision&) = default;
};

struct IkeKeys {
  SecretBytes sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr;
  IkeKeys clone() const;
};

struct IkeSuite {
  crypto::Encr encr = crypto::Encr::kAesGcm16;
  std::uint16_t key_bits = 256;
  crypto::Integ integ = crypto::Integ::kNone;
  crypto::Prf prf = crypto::Prf::kHmacSha2_256;
  crypto::Group group = crypto::Group::kX25519;

  friend bool operator==(const IkeSuite&, const IkeSuite&) = default;
};

// What a client keeps to resume an IKE SA without authenticating anew (RFC 5723 4.2).
struct HeldTicket {
  Bytes ticket;
  SecretBytes sk_d;  // of the IKE SA that the ticket was given for, as the suite is
  IkeSuite suite;
  TimePoint expires = kNever;

  HeldTicket clone() const;
};

enum class IkePhase : std::uint8_t {
  kEstablished = 0,
  kReplaced = 1,  // rekeyed; waits for its DELETE
  kDeleting = 2,
};

constexpr std::size_t kStraysMax = 8;  // the oldest give way: such a child lives no longer than its lifetime

struct IkeSaState {
  std::uint64_t spi_i = 0;
  std::uint64_t spi_r = 0;
  bool original_initiator = false;  // we are
  IkePhase phase = IkePhase::kEstablished;
  std::string peer_name;  // of the configured peer
  std::string remote_id;  // printable form of the authenticated identity
  Endpoint local;
  Endpoint remote;
  bool nat_local = false;   // we are behind a NAT
  bool nat_remote = false;  // the peer is
  IkeSuite suite;
  IkeKeys keys;
  std::uint32_t next_send_id = 0;             // of our next request
  std::uint32_t next_recv_id = 0;             // of the peer's next request
  std::vector<std::uint32_t> received_ahead;  // requests of the peer beyond next_recv_id that were taken in already
  std::uint32_t own_window = 1;               // how many requests the peer may have out
  std::uint32_t peer_window = 1;              // and we
  bool message_id_sync = false;               // RFC 6311 negotiated: IKEV2_MESSAGE_ID_SYNC
  bool replay_counter_sync = false;           // RFC 6311 negotiated: IPSEC_REPLAY_COUNTER_SYNC
  std::uint32_t sync_attempts = 0;            // message-ID syncs begun so far (SYNC-013)
  std::uint32_t sync_m1_sent = 0;  // the highest M1 that a member stated: the next one is above it (SYNC-015)
  std::uint32_t sync_m1_seen = 0;  // the highest M1 that the peer stated: counts as an ID seen (SYNC-016)
  std::vector<StoredResponse> responses;
  std::optional<PendingRequest> pending;
  std::vector<ChildSaState> children;
  // Inbound SPIs of ours under which the peer may hold children that never came to be here: to be deleted (HA-013).
  std::vector<std::uint32_t> strays;
  std::vector<ChildCollision> collisions;
  std::optional<LocalSpi> successor;  // of an IKE rekey that the peer began and has not shown to be complete
  Bytes successor_nonce;              // the lower one of that exchange (REK-007)
  std::array<std::uint64_t, 2> born_activations{};  // as for children: SK_e's IVs obey N1 too (AEAD-003)
  TimePoint established = kNever;
  TimePoint rekey_deadline = kNever;
  TimePoint hard_deadline = kNever;

  // For the time after a crash (RFC 5723, RFC 6290).
  Identity remote_identity{0, {}};   // exactly; kind 0: not known, as a partner of an older version did not say
  TimePoint authenticated = kNever;  // when the peer proved more than a ticket; kNever: not known
  bool resume_client = false;        // the peer gives us tickets
  std::optional<HeldTicket> ticket;  // the newest that it gave
  Bytes crash_token;                 // what it will show when it has lost this IKE SA; empty: none

  LocalSpi local_spi() const { return LocalSpi{original_initiator ? spi_i : spi_r}; }
  IkeSaState clone() const;
};

}  // namespace tandem::ike
