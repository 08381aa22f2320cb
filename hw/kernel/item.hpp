// SPDX-License-Identifier: Apache-2.0
// What the stages of a path's first kernel hand on, one of each a packet. They stay inside a kernel.
#pragma once

#include <cstdint>

#include "hw/kernel/plan.hpp"
#include "hw/stage/classify.hpp"
#include "hw/stage/credit_view.hpp"
#include "hw/stage/deliver.hpp"
#include "hw/stage/outer_header.hpp"
#include "hw/stage/trailer.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kHeadOctets = kEthernetOctets + kWindowOctets;

// The host kernel's own: passes every stage without a word of payload and comes back as a report.
constexpr InjectKind kInjectToken = static_cast<InjectKind>(255);

// Of a packet whose words wait.
struct Head {
  InjectKind kind;       // kNone: from the wire
  std::uint32_t route;   // of kSealRoute
  Address next_hop;      // of kIpPacket
  std::uint32_t octets;  // of the frame; kOversize when it was cut
  std::uint32_t words;   // that wait
  std::uint8_t at[2 * kWordDataOctets];
};

enum class Step : std::uint8_t {
  kEnd = 0,     // `outcome` says how
  kLookup = 1,  // the SPD cache is to be asked
  kSeal = 2,    // under `route`
  kOpen = 3,    // as `outer` shows
  kLeave = 4,   // by `out`, as it is or behind an Ethernet header to `hop`
};

struct Item {
  Step step;
  Outcome outcome;
  Moment moment;
  std::uint64_t sealed_total;  // of a call's first packet, as the memory has it
  std::uint32_t config_generation;
  InjectKind kind;
  Port side;  // where it came in
  Port out;
  std::uint32_t words;   // payload words that wait
  std::uint32_t skip;    // the part that counts: octets of the frame in front of it
  std::uint32_t octets;  // and its length
  std::uint8_t tos;
  bool dont_fragment;
  bool patched;  // TTL and checksum of the IP header change as `changed` says
  ForwardOut changed;
  std::uint8_t ip[kIpv4Octets];  // header
  FlowKey key;
  std::uint32_t out_mtu;
  std::uint8_t macs[kPorts][6];
  std::uint64_t route;
  std::uint32_t slot;
  std::uint32_t generation;  // of the slot
  bool policy_follows;       // its lines come with the slot's others
  bool state_follows;
  bool addressed;  // kLeave: wants an Ethernet header
  Address hop;
  Counter counter;  // when it leaves
  // Encrypt path.
  bool sealed;
  TrailerOut tail;
  std::uint32_t header_octets;
  std::uint8_t header[kOuterHeaderMax];
  // Decrypt path.
  OuterOut outer;
  std::uint8_t iv[kEspIvOctets];
  Report report;  // marks and events so far
};

inline void item_end(Item& item, const Outcome& outcome) {
  item.step = Step::kEnd;
  item.outcome = outcome;
}

}  // namespace card
}  // namespace tandem
