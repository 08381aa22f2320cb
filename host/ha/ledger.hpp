// SPDX-License-Identifier: Apache-2.0
// The reservation ledger: how far each SA may count before the partner knows. Blocks follow each SA's rate, so
// that the channel carries one small entry a block and a round trip never stalls traffic. Serves N2, N3, N5.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "host/base/time.hpp"
#include "host/ha/records.hpp"
#include "hw/contract/sa_entry.hpp"

namespace tandem::ha {

struct LedgerConfig {
  Duration out_horizon = std::chrono::milliseconds(500);  // traffic that one outbound block covers
  Duration in_horizon = std::chrono::milliseconds(20);    // traffic that one inbound block covers
  std::uint64_t out_block_min = 256;
  std::uint64_t out_block_max = 1u << 22;
  std::uint64_t in_block_min = 1;  // a slow SA loses nothing at a takeover; the card holds what comes in a burst
  std::uint64_t in_block_max = 1u << 20;
  std::uint32_t grant = 64;  // G, the implicit grant of a handover; inbound it is lost if the next takeover is a crash
};

// The first credits of a new SA, by rule: known to both members without a message. Sequence numbers start at 1.
constexpr std::uint64_t first_out_limit(const LedgerConfig& config) { return 1 + config.out_block_min; }
constexpr std::uint64_t first_in_bound(const LedgerConfig& config) { return 1 + config.in_block_min; }

// Credits as they are written to a card, notify_at at half a block.
struct CardCredits {
  std::uint32_t spi_in = 0;
  card::Credit out{};
  card::Credit in{};
};

// Counters of an SA as read from the card.
struct CountersNow {
  std::uint64_t out_next = 1;  // next_sequence
  std::uint64_t in_edge = 0;   // right_edge
};

class Ledger {
 public:
  explicit Ledger(LedgerConfig config);
  ~Ledger();

  // A new SA in `epoch`; idempotent. Returns what its card entry starts with.
  CardCredits add(TimePoint now, std::uint32_t spi_in, std::uint32_t instance, std::uint32_t epoch);
  void remove(std::uint32_t spi_in);
  bool contains(std::uint32_t spi_in) const;

  // --- active
  // The card reached notify_at or the limit (value: as in the event). Adapts the block to the rate seen and
  // marks the SA for reservation. A bound_hit beyond the bound reserves from the packet's number on, at once.
  void on_outbound(TimePoint now, std::uint32_t spi_in, std::uint64_t next);
  void on_inbound(TimePoint now, std::uint32_t spi_in, std::uint64_t edge);
  // What on_outbound() and on_inbound() would have been told, had the card had room for its events.
  void catch_up(TimePoint now, std::uint32_t spi_in, const CountersNow& counters);
  // The outbound number is to rise to `to` at least (RFC 6311 5.2): reserves from there, and the card gets a floor.
  void raise_floor(TimePoint now, std::uint32_t spi_in, std::uint64_t to);
  // Reservations that are due, at most `max`; each is then in flight until acknowledged() or abandon().
  std::vector<CreditEntry> take_requests(std::uint32_t epoch, std::size_t max);
  bool has_requests() const;
  // The partner (or solo) acknowledged these: they are in force; returns what to write to the card.
  std::vector<CardCredits> acknowledged(const std::vector<CreditEntry>& entries);
  // The partner is gone: forget what is in flight; limits in force stay.
  void abandon();
  // Explicit limits for every SA before solo ends: reads the counters, reserves generously from them on.
  std::vector<CreditEntry> reserve_all(std::uint32_t epoch,
                                       const std::function<std::optional<CountersNow>(std::uint32_t)>& counters);
  // Handover: the exact counters as limits of `epoch` (the old one): the next epoch starts exactly there.
  std::vector<CreditEntry> exact(std::uint32_t epoch,
                                 const std::function<std::optional<CountersNow>(std::uint32_t)>& counters) const;
  // Handover: of the `exact` counters, one block of its own size for each SA whose block is above the implicit grant,
  // as explicit limits of the next epoch. Who sends them keeps them as the partner's: that is their acknowledgement.
  std::vector<CreditEntry> advance(const std::vector<CreditEntry>& exact) const;

  // --- standby
  // Stores what the active reserved (never lowers within an epoch); returns what to write to the card.
  std::vector<CardCredits> store(const std::vector<CreditEntry>& entries);
  // As store(), for the exact counters of a handover: they replace limits of the same epoch, downwards too.
  std::vector<CardCredits> store_exact(const std::vector<CreditEntry>& entries);

  // --- views
  std::optional<CreditEntry> in_force(std::uint32_t spi_in) const;
  std::vector<CreditEntry> all() const;
  // Where the newest epoch that we entered begins: numbers below are refused inbound and never sent; 0: no epoch was
  // entered with this SA.
  struct Floors {
    std::uint64_t out = 0, in = 0;
  };
  Floors floors(std::uint32_t spi_in) const;
  // Block sizes in force for an SA, or the largest over all SAs (what a takeover can cost).
  struct Blocks {
    std::uint64_t out = 0, in = 0;
  };
  Blocks blocks(std::uint32_t spi_in) const;
  Blocks largest_blocks() const;
  const LedgerConfig& config() const;
  // After a takeover into `epoch`: limits in force by the implicit grant are asked for explicitly.
  // `solo`: nothing binds us to the grant.
  void enter_epoch(TimePoint now, std::uint32_t epoch, bool solo);
  // The same for one SA that was added after that, of an older epoch than the running one; repeated, nothing happens.
  // Returns what its card entry starts with. Precondition: contains(spi_in).
  CardCredits enter_epoch(TimePoint now, std::uint32_t spi_in, std::uint32_t epoch, bool solo);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::ha
