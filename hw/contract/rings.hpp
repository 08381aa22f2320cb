// SPDX-License-Identifier: Apache-2.0
// Rings between card and host: events, punted packets, injected packets. Single producer, single
// consumer; indices count for ever, slot = index % size; the producer stores its index with release.
// A full event or punt ring never blocks the data path: it counts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem {
namespace card {

constexpr std::uint32_t kEventRingSize = 8192;
constexpr std::uint32_t kPuntRingSize = 1024;
constexpr std::uint32_t kInjectRingSize = 1024;
constexpr std::uint32_t kFrameMax = 2048;  // octets of a frame the card can hold, headroom excluded

enum class EventKind : std::uint32_t {
  kNone = 0,
  kLowCredit = 1,           // outbound: next number reached notify_at; value = next number
  kLimitHit = 2,            // outbound: packet dropped for want of credit; value = next number
  kLowBound = 3,            // inbound: right edge reached notify_at; value = right edge
  kBoundHit = 4,            // inbound: authenticated packet at or above the bound punted; value = its number
  kSoftLifetime = 5,        // value: packets
  kHardLifetime = 6,        // value: packets
  kFirstInEpoch = 7,        // first packet of the SA in this epoch; value = its number
  kSequenceExhausted = 8,   // outbound: sequence_max passed
  kPeerAddressChanged = 9,  // inbound: newest authentic packet came from `address`, `port`
  kIvExhausted = 10,        // outbound: 2^48 IVs of this incarnation used
  kUnknownSpi = 11,  // ESP for an SPI of no SA came from `address`, `port` (0: native); value = SPI; index is void
};
constexpr std::uint32_t kDirectionOutbound = 0;
constexpr std::uint32_t kDirectionInbound = 1;

struct Event {
  std::uint32_t kind;  // EventKind
  std::uint32_t direction;
  std::uint32_t index;     // SA slot
  std::uint32_t instance;  // of that SA
  std::uint64_t value;
  std::uint64_t when_ns;  // card time
  std::uint8_t address[16];
  std::uint16_t port;
  std::uint8_t family;
  std::uint8_t reserved[13];
};
static_assert(sizeof(Event) == 64, "layout");

// Why a packet was handed to the daemon's slow path.
enum class PuntReason : std::uint32_t {
  kNone = 0,
  kSpdMiss = 1,        // inner IP packet without a flow
  kNoNextHop = 2,      // sealed or opened packet whose next hop has no MAC; frame starts at its IP header
  kTooBig = 3,         // inner IP packet above the SA's inner MTU
  kOuterFragment = 4,  // outer fragment that needs reassembly before ESP
  kInnerOptions = 5,   // IPv4 options or IPv6 extension chain, non-initial fragment: host decides
  kTtl = 6,            // inner TTL ran out: ICMP time exceeded is due
  kNoSa = 7,           // flow whose route has no usable SA: acquire
  kBeyondBound = 8,    // authentic ESP at or above the inbound bound: whole outer packet, to be put in again (kOpen)
  kHostFrame = 9,      // whole Ethernet frame for the port's TAP: from cards that have no TAP themselves
};

struct PuntRecord {
  std::uint32_t reason;  // PuntReason
  std::uint32_t port;    // Port the packet came in by (kNoNextHop: the one it wants to leave by)
  std::uint32_t index;   // SA slot, where one is known
  std::uint32_t octets;
  std::uint64_t when_ns;
  std::uint8_t reserved[40];
  std::uint8_t packet[kFrameMax];  // from the IP header on, without the Ethernet header
};
static_assert(offsetof(PuntRecord, packet) == 64, "layout");

enum class InjectKind : std::uint32_t {
  kNone = 0,
  kFrame = 1,      // whole Ethernet frame out of `port`
  kIpPacket = 2,   // IP packet out of `port`; the card adds the Ethernet header from the next-hop table
  kSeal = 3,       // inner IP packet through the encrypt path, from the SPD cache on
  kOpen = 4,       // reassembled outer IP packet through the decrypt path
  kSealRoute = 5,  // inner IP packet sealed under the SA of `route`: no cache, options and fragments allowed
};

struct InjectRecord {
  std::uint32_t kind;  // InjectKind
  std::uint32_t port;  // Port
  std::uint32_t octets;
  std::uint32_t route;        // kSealRoute
  std::uint8_t next_hop[16];  // kIpPacket: next-hop address; all zero: the packet's destination
  std::uint8_t reserved1[32];
  std::uint8_t packet[kFrameMax];
};
static_assert(offsetof(InjectRecord, packet) == 64, "layout");

// One ring's indices, a cache line each.
struct RingIndex {
  std::uint64_t produced;
  std::uint8_t reserved0[56];
  std::uint64_t consumed;
  std::uint8_t reserved1[56];
};
static_assert(sizeof(RingIndex) == 128, "layout");

}  // namespace card
}  // namespace tandem
