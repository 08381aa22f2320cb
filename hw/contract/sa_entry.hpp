// SPDX-License-Identifier: Apache-2.0
// The SA table: what the host writes (policy, credit) and what the card owns (state), in separate
// words, so that neither side ever read-modify-writes the other's. RFC 4301 4.4.2.1, N1-N3, N5.
//
// A slot holds one outbound and one inbound SA (a pair shares the index). Each policy has two copies:
// the host writes copy (generation + 1) & 1 and then stores generation + 1; the card reads the
// generation first and then only that copy. Before the host reuses the copy that was live until the
// last commit it waits until the card's `batch_count` register has moved on (or reads "idle").
#pragma once

#include <cstddef>
#include <cstdint>

#include "hw/contract/address.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kSaSlotsMax = 65536;
constexpr std::uint32_t kReplayWindowMin = 64;
constexpr std::uint32_t kReplayWindowMax = 4096;
constexpr std::uint32_t kReplayWindowDefault = 1024;
// One word more than the window, so that moving the edge clears whole words only (RFC 6479).
constexpr std::uint32_t kReplayWords = kReplayWindowMax / 64 + 1;
constexpr std::uint32_t kSelectorsMax = 4;  // selector pairs an inbound SA is checked against

// Inbound SPI, chosen by us: top bit set | segment(6) | generation(9) | slot index(16).
// The top bit keeps it clear of the reserved 0..255 (RFC 4303 2.1).
constexpr std::uint32_t kSpiTopBit = 0x80000000u;
constexpr std::uint32_t make_spi(std::uint32_t segment, std::uint32_t generation, std::uint32_t index) {
  return kSpiTopBit | (segment & 0x3fu) << 25 | (generation & 0x1ffu) << 16 | (index & 0xffffu);
}
constexpr std::uint32_t spi_index(std::uint32_t spi) { return spi & 0xffffu; }
constexpr std::uint32_t spi_generation(std::uint32_t spi) { return spi >> 16 & 0x1ffu; }
constexpr std::uint32_t spi_segment(std::uint32_t spi) { return spi >> 25 & 0x3fu; }

// Flags of a policy.
constexpr std::uint16_t kSaValid = 1u << 0;
constexpr std::uint16_t kSaEsn = 1u << 1;         // 64-bit sequence numbers (RFC 4303 2.2.1)
constexpr std::uint16_t kSaUdp = 1u << 2;         // ESP in UDP (RFC 3948); outbound: send so
constexpr std::uint16_t kSaKey256 = 1u << 3;      // AES-256, else AES-128
constexpr std::uint16_t kSaOuterIpv6 = 1u << 4;   // outer header is IPv6
constexpr std::uint16_t kSaDfSet = 1u << 5;       // outer DF: set; neither bit: copy from the inner header
constexpr std::uint16_t kSaDfClear = 1u << 6;     // outer DF: clear
constexpr std::uint16_t kSaDscpFixed = 1u << 7;   // outer DSCP is `dscp`, else copied from the inner header
constexpr std::uint16_t kSaTransport = 1u << 8;   // reserved: transport mode; refused by this contract version
constexpr std::uint16_t kSaFollowPeer = 1u << 9;  // inbound: report a changed peer address (RFC 7296 2.23)

// Host-owned half of an outbound SA.
struct OutboundPolicy {
  std::uint8_t key[32];  // AES-128 uses the first 16
  std::uint8_t salt[4];
  std::uint32_t spi;       // the peer's inbound SPI
  std::uint32_t instance;  // differs for every SA ever put in this slot; state with another one is void
  std::uint16_t flags;
  std::uint16_t inner_mtu;  // largest inner packet, octets (PMTU-002)
  Address outer_source;     // our virtual address
  Address outer_target;     // the peer
  std::uint16_t udp_source_port;
  std::uint16_t udp_target_port;
  std::uint8_t outer_ttl;
  std::uint8_t dscp;
  std::uint16_t reserved0;
  std::uint64_t sequence_max;  // last number that may ever be sent: 2^32 - 1, or 2^64 - 1 with ESN
  std::uint64_t soft_packets;  // lifetimes; 0: none (SPD-008)
  std::uint64_t hard_packets;
  std::uint64_t soft_octets;
  std::uint64_t hard_octets;
  std::uint8_t reserved1[64];
};
static_assert(sizeof(OutboundPolicy) == 192, "layout");
static_assert(offsetof(OutboundPolicy, spi) == 36, "layout");
static_assert(offsetof(OutboundPolicy, outer_source) == 48, "layout");
static_assert(offsetof(OutboundPolicy, sequence_max) == 88, "layout");

// One traffic selector pair as seen by an inbound packet: source = the peer's side. Ranges inclusive.
struct Selector {
  Address source_first;
  Address source_last;
  Address target_first;
  Address target_last;
  std::uint16_t source_port_first;
  std::uint16_t source_port_last;
  std::uint16_t target_port_first;
  std::uint16_t target_port_last;
  std::uint8_t protocol;  // 0: any
  std::uint8_t family;    // kFamilyIpv4 or kFamilyIpv6
  std::uint8_t reserved[6];
};
static_assert(sizeof(Selector) == 80, "layout");

// Host-owned half of an inbound SA.
struct InboundPolicy {
  std::uint8_t key[32];
  std::uint8_t salt[4];
  std::uint32_t spi;
  std::uint32_t instance;
  std::uint16_t flags;
  std::uint16_t window;  // replay window, power of two, kReplayWindowMin..kReplayWindowMax
  Address outer_source;  // the peer, as last authenticated
  Address outer_target;
  std::uint16_t udp_source_port;  // of the peer, as last authenticated; 0: native ESP
  std::uint16_t udp_target_port;
  std::uint32_t selector_count;
  std::uint64_t soft_packets;
  std::uint64_t hard_packets;
  std::uint64_t soft_octets;
  std::uint64_t hard_octets;
  std::uint8_t reserved[72];
  Selector selectors[kSelectorsMax];
};
static_assert(sizeof(InboundPolicy) == 512, "layout");
static_assert(offsetof(InboundPolicy, selectors) == 192, "layout");

// Host-owned, written live: how far the SA may count. `limit` is exclusive: outbound numbers are used
// only below it (N2), inbound numbers accepted only below it (N3). `epoch` is the epoch for which the
// partner acknowledged that limit. The host writes `notify_at`, then `epoch`, then `limit` (release); the
// card reads `limit` (acquire), then `epoch`: a torn read then only ever shortens the credit.
// An authenticated inbound packet at or above the limit is not accepted: it is punted as it came (kBeyondBound)
// and reported by bound_hit; the host puts it in again once the partner knows a higher limit.
// `floor` (written before `epoch`) is needed where an SA gets a limit of the running epoch before its first
// packet there: credit_start() then no longer tells the jump. Numbers below it are never sent, and count as
// seen; 0: none.
struct Credit {
  std::uint64_t limit;
  std::uint64_t notify_at;  // low_credit is raised, once per value, when the counter reaches it
  std::uint32_t epoch;
  std::uint32_t reserved0;
  std::uint64_t floor;
  std::uint32_t reserved[8];
};
static_assert(sizeof(Credit) == 64, "layout");

// The implicit grant (design N2): both members compute, without a message, where an SA starts and how
// far it may go in a later epoch than the one its limit was acknowledged for.

// First number of `epoch` for a card whose state is of an older one; 0: no jump (the limit is of this epoch).
constexpr std::uint64_t credit_start(std::uint64_t limit, std::uint32_t credit_epoch, std::uint32_t epoch,
                                     std::uint32_t grant) {
  return epoch > credit_epoch ? limit + std::uint64_t{grant} * (epoch - credit_epoch - 1) : 0;
}
// First number that may not be used in `epoch`. Solo lifts the limit unless it was given for this very epoch.
constexpr std::uint64_t credit_end(std::uint64_t limit, std::uint32_t credit_epoch, std::uint32_t epoch,
                                   std::uint32_t grant, bool solo) {
  return epoch > credit_epoch ? (solo ? ~std::uint64_t{0} : limit + std::uint64_t{grant} * (epoch - credit_epoch))
                              : limit;
}

// Card-owned half of an outbound SA. Void (all zero, next_sequence 1) until `instance` matches the policy's.
// `iv_counter` of a void state starts at the card's count of all packets it ever sealed, so that even a key
// that was put in twice cannot meet its own counters within one incarnation (N1).
struct OutboundState {
  std::uint64_t next_sequence;  // number of the next packet
  std::uint64_t iv_counter;     // low 48 bits of the next explicit IV
  std::uint32_t epoch;          // the epoch of the last packet
  std::uint32_t instance;
  std::uint64_t packets;
  std::uint64_t octets;
  std::uint64_t notified_at;  // the notify_at last reported
  std::uint32_t raised;       // kRaised* bits already reported
  std::uint32_t reserved;
  std::uint64_t last_used_ns;  // card time
};
static_assert(sizeof(OutboundState) == 64, "layout");

constexpr std::uint32_t kRaisedSoft = 1u << 0;
constexpr std::uint32_t kRaisedHard = 1u << 1;
constexpr std::uint32_t kRaisedLimit = 1u << 2;  // cleared when a packet passes again
constexpr std::uint32_t kRaisedExhausted = 1u << 3;

// Card-owned half of an inbound SA. Number n has bit n % 64 of seen[(n / 64) % (window / 64 + 1)].
struct InboundState {
  std::uint64_t right_edge;  // highest accepted number; 0: none yet
  std::uint32_t epoch;
  std::uint32_t instance;
  std::uint64_t packets;
  std::uint64_t octets;
  std::uint64_t notified_at;
  std::uint32_t raised;
  std::uint32_t peer_changes;  // count of address changes reported
  Address peer;                // outer source of the newest accepted packet
  std::uint16_t peer_port;
  std::uint16_t reserved0;
  std::uint32_t auth_failures;
  std::uint64_t last_used_ns;
  std::uint32_t replays;
  std::uint32_t selector_mismatches;
  std::uint8_t reserved1[40];
  std::uint64_t seen[kReplayWords];
  std::uint8_t reserved2[56];
};
static_assert(offsetof(InboundState, seen) == 128, "layout");
static_assert(sizeof(InboundState) == 704, "layout");

struct OutboundSlot {
  std::uint32_t generation;  // selects policy[generation & 1]
  std::uint32_t reserved[15];
  OutboundPolicy policy[2];
  Credit credit;
  OutboundState state;
};
static_assert(sizeof(OutboundSlot) == 576, "layout");

struct InboundSlot {
  std::uint32_t generation;
  std::uint32_t reserved[15];
  InboundPolicy policy[2];
  Credit credit;
  InboundState state;
};
static_assert(sizeof(InboundSlot) == 1856, "layout");

}  // namespace card
}  // namespace tandem
