// SPDX-License-Identifier: Apache-2.0
// What members tell each other on the sync channel, as plain values; host/ha/sync.capnp is the wire form.
// Times are local to a member: on the wire they are durations from "now". Serves N2, N3, N4, N6.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "host/base/bytes.hpp"
#include "host/base/ip_address.hpp"
#include "host/ike/cluster_secrets.hpp"
#include "host/ike/state.hpp"
#include "host/ike/ticket.hpp"

namespace tandem::ha {

// How the schema's meaning is versioned; fields are added by Cap'n Proto's rules, so two neighbours work together.
// 2: Usage, Flows, SecretsUpdate, TicketsUsed.
constexpr std::uint32_t kSchemaVersion = 2;

// No cluster lives to see these. Members count on from a partner's number, which must not run over.
constexpr std::uint32_t kEpochMax = std::uint32_t{1} << 31;
constexpr std::uint64_t kActivationMax = std::uint64_t{1} << 48;

enum class Role : std::uint8_t { kStandby = 0, kActive = 1 };

// First message of both sides on a new session.
struct Hello {
  std::uint32_t schema_version = kSchemaVersion;
  std::uint32_t contract_version = 0;
  std::uint32_t state_version = 0;  // of hw/contract: what both cards must understand alike; 0: not told
  std::string cluster;
  std::uint8_t member = 0;
  std::array<std::uint8_t, 32> config_hash{};                     // of what must be equal (N6)
  std::vector<std::pair<std::string, std::string>> config_items;  // name, hash: to show what differs
  Role role = Role::kStandby;
  bool solo = false;
  std::uint32_t epoch = 0;
  std::array<std::uint64_t, 2> activations{};  // highest activation number known of member 1 and 2 (N1)
  std::uint32_t slots = 0;                     // of the card
  std::uint8_t priority = 0;
  bool may_lead = true;          // not in maintenance, nor told by a manager to stand by
  std::uint64_t life = 0;        // names this run of the process; 0: not told
  std::uint64_t activation = 0;  // of this member's present or last time of activity
  // A standby that handed over and cannot know whether the order arrived: the partner's life and activation then.
  std::uint64_t handed_life = 0;  // 0: nothing open
  std::uint64_t handed_to = 0;
};

// How far one SA may count (N2, N3): limits are exclusive, of `epoch`.
struct CreditEntry {
  std::uint32_t spi_in = 0;  // names the pair
  std::uint32_t instance = 0;
  std::uint32_t epoch = 0;
  std::uint64_t out_limit = 0;
  std::uint64_t in_bound = 0;
  friend bool operator==(const CreditEntry&, const CreditEntry&) = default;
};

struct IkeUpsert {
  ike::IkeSaState state;
};
struct IkeRemove {
  ike::LocalSpi spi{};
};
struct Credits {
  std::vector<CreditEntry> entries;
};
struct NextHopUpdate {
  std::uint8_t port = 0;  // card::Port
  IpAddress address;
  std::array<std::uint8_t, 6> mac{};
};
// The highest activation number a member has made durable (N1).
struct ActivationNotice {
  std::uint8_t member = 0;
  std::uint64_t activation = 0;
};
// What an SA pair has carried in all and how far it counted, as of a moment ago (STA-011).
struct UsageEntry {
  std::uint32_t spi_in = 0;
  std::uint32_t instance = 0;
  std::uint64_t in_edge = 0;
  std::uint64_t in_packets = 0;
  std::uint64_t in_octets = 0;
  std::uint64_t out_next = 0;
  std::uint64_t out_packets = 0;
  std::uint64_t out_octets = 0;
  friend bool operator==(const UsageEntry&, const UsageEntry&) = default;
};
struct Usage {
  std::vector<UsageEntry> entries;
};
// A PROTECT flow of the active's SPD cache, by the selectors of its packets (design: told lazily, a miss only punts).
struct FlowEntry {
  IpAddress source;
  IpAddress target;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;
  std::uint16_t target_port = 0;
  friend bool operator==(const FlowEntry&, const FlowEntry&) = default;
};
struct Flows {
  std::vector<FlowEntry> entries;
};
struct SnapshotBegin {};
struct SnapshotEnd {};
// The active says: from here on you may take over (N2). Follows all records that this rests on.
struct InSync {
  std::uint32_t epoch = 0;
};
// Planned takeover, standby to active: please hand over.
struct HandoverRequest {};
// Active to standby: a handover follows. Leave the wires unread, so that what arrives meanwhile waits for the new
// active. To partners of schema version 2.
struct HandoverPrepare {};
// Its answer: the wires are held; neighbours may send to these from now on.
struct HandoverReady {
  std::array<std::uint8_t, 6> outer_mac{}, inner_mac{};
};
// Active to standby, after it has stopped speaking: the exact counters; speak from `epoch` on. `advance`: explicit
// limits of `epoch`, of SAs so fast that the implicit grant would not last until the first acknowledgement.
struct Handover {
  std::uint32_t epoch = 0;
  std::vector<CreditEntry> exact;
  std::vector<CreditEntry> advance;
};
// A member leaves in good order: the other need not wait for silence.
struct Leaving {};
// Secrets that the cluster shares, before the active uses them (STA-024). To partners of schema version 2.
struct SecretsUpdate {
  ike::ClusterSecrets secrets;
};
// Tickets that resumed an IKE SA, before the peer hears of it (RES-008). To partners of schema version 2.
struct TicketsUsed {
  std::vector<ike::UsedTicket> tickets;
};

using Record = std::variant<SnapshotBegin, IkeUpsert, IkeRemove, Credits, NextHopUpdate, ActivationNotice, SnapshotEnd,
                            InSync, HandoverRequest, Handover, Leaving, Usage, Flows, SecretsUpdate, TicketsUsed,
                            HandoverPrepare, HandoverReady>;

}  // namespace tandem::ha
