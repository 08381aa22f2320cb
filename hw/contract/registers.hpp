// SPDX-License-Identifier: Apache-2.0
// The register map. Serves N1 (incarnation), N5 (activation is one write), N7 (lease).
#pragma once

#include <cstddef>
#include <cstdint>

#include "hw/contract/address.hpp"
#include "hw/contract/counters.hpp"
#include "hw/contract/version.hpp"

namespace tandem {
namespace card {

// The activation word: epoch(32) | incarnation(16) | reserved(14) | solo | armed. One 64-bit store is the
// whole takeover on the data path; on a 32-bit bus the low half is written first and the epoch commits.
constexpr std::uint64_t kArmed = 1u << 0;
constexpr std::uint64_t kSolo = 1u << 1;
constexpr std::uint64_t make_activation(std::uint32_t epoch, std::uint16_t incarnation, bool armed, bool solo) {
  return std::uint64_t{epoch} << 32 | std::uint64_t{incarnation} << 16 | (solo ? kSolo : 0) | (armed ? kArmed : 0);
}
constexpr std::uint32_t activation_epoch(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }
constexpr std::uint16_t activation_incarnation(std::uint64_t word) {
  return static_cast<std::uint16_t>(word >> 16 & 0xffffu);
}
constexpr bool activation_armed(std::uint64_t word) { return (word & kArmed) != 0; }
constexpr bool activation_solo(std::uint64_t word) { return (word & kSolo) != 0; }

// The explicit IV of AES-GCM: incarnation(16) | counter(48) (N1).
constexpr std::uint64_t kIvCounterMax = (std::uint64_t{1} << 48) - 1;
constexpr std::uint64_t make_iv(std::uint16_t incarnation, std::uint64_t counter) {
  return std::uint64_t{incarnation} << 48 | (counter & kIvCounterMax);
}

// A hold that lies further ahead is none: a card must not go deaf because a host erred or died.
constexpr std::uint64_t kHoldMaxNs = 1000000000;

constexpr std::uint32_t kPortAddressesMax = 16;

// Host-owned, double-buffered like a policy (config_generation selects the copy).
struct PortConfig {
  std::uint8_t mac[6];
  std::uint16_t address_count;
  std::uint16_t mtu;           // largest IP packet on the wire
  std::uint16_t virtual_mask;  // bit n: addresses[n] is virtual: nothing leaves in its name unless may_speak (HA-014)
  std::uint16_t reserved[2];
  Address addresses[kPortAddressesMax];  // IPv4 or IPv6 addresses that are ours: virtual and member addresses
  std::uint8_t families[kPortAddressesMax];
};
static_assert(sizeof(PortConfig) == 288, "layout");

struct CardConfig {
  PortConfig ports[kPorts];
};

// How often batch_count must move until no packet reads what was live when it was first read. The first move may end a
// round that was half through by then.
constexpr std::uint64_t kBatchMoves = 2;
constexpr bool batches_over(std::uint64_t since, std::uint64_t batch_count) {
  return batch_count - since >= kBatchMoves;
}

enum class DriverKind : std::uint32_t { kSoft = 1, kInproc = 2, kXrt = 3 };

struct Registers {
  // Card to host.
  std::uint64_t magic;
  std::uint32_t contract_version;
  std::uint32_t slots;  // SA pairs the table holds, <= kSaSlotsMax
  std::uint8_t build_id[kBuildIdOctets];
  std::uint32_t simulated;    // 1: not real hardware
  std::uint64_t now_ns;       // card clock when last read; kinds that share a clock with the host say so
  std::uint64_t batch_count;  // moves on whenever a batch ends, or a round through all paths (batches_over)
  std::uint32_t idle;         // 1: no batch in work, table copies may be rewritten; a card with paths never says so
  std::uint32_t boot_count;
  std::uint64_t sealed_total;  // start value of the IV counter of a void SA state
  std::uint8_t reserved0[56];
  // Host to card.
  std::uint64_t activation;
  std::uint64_t lease_deadline_ns;  // in card time; no ESP is sealed or opened at or after it
  std::uint32_t grant;              // the implicit grant G, numbers (credit_start)
  std::uint32_t config_generation;
  std::uint64_t hold_deadline_ns;  // in card time; before it an unarmed card leaves its wires unread
  std::uint8_t reserved1[96];
  CardConfig config[2];
  // Card to host.
  std::uint64_t counters[kCountersMax];
};
static_assert(offsetof(Registers, activation) == 128, "layout");
static_assert(offsetof(Registers, hold_deadline_ns) == 152, "layout");
static_assert(offsetof(Registers, config) == 256, "layout");
static_assert(offsetof(Registers, counters) == 1408, "layout");
static_assert(sizeof(Registers) == 1920, "layout");

}  // namespace card
}  // namespace tandem
