// SPDX-License-Identifier: Apache-2.0
// Two ledgers with simulated cards under random traffic, lag, lost tails and takeovers of every kind. The checker sees
// every packet: outbound numbers of an SA only ever rise over the whole cluster (N2), and no inbound number is
// accepted twice (N3), replays of everything ever sent included.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/base/seeded_random.hpp"
#include "host/ha/ledger.hpp"
#include "hw/contract/sa_entry.hpp"

namespace tandem::ha {
namespace {

constexpr std::size_t kSas = 3;
constexpr std::uint32_t kFirstSpi = 0x80000000;

// What a card keeps of one SA, and what it does with a packet: the contract's rules and nothing else.
struct CardSa {
  CardCredits credits;
  std::uint64_t out_next = 1;
  std::uint32_t out_epoch = 0;
  std::uint64_t in_edge = 0;
  std::uint64_t in_below = 1;  // everything below counts as seen
  std::uint32_t in_epoch = 0;
  std::set<std::uint64_t> seen;
};

struct Machine {
  explicit Machine(const LedgerConfig& config) : ledger(config) {}
  Ledger ledger;
  std::array<CardSa, kSas> card;

  void write(const std::vector<CardCredits>& all) {
    for (const CardCredits& credits : all) card[credits.spi_in - kFirstSpi].credits = credits;
  }
  std::optional<CountersNow> counters(std::uint32_t spi) const {
    const CardSa& sa = card[spi - kFirstSpi];
    return CountersNow{sa.out_next, sa.in_edge};
  }
};

class Cluster {
 public:
  explicit Cluster(std::uint64_t seed) : random_(seed) {
    config_.out_block_min = 16;
    config_.in_block_min = 8;
    config_.grant = 1 + static_cast<std::uint32_t>(random_.below(64));
    for (std::size_t m = 0; m < 2; ++m) machines_.push_back(std::make_unique<Machine>(config_));
    for (std::uint32_t i = 0; i < kSas; ++i) {
      for (auto& m : machines_) m->write({m->ledger.add(now_, kFirstSpi + i, 1, epoch_)});
    }
  }

  void run(unsigned steps) {
    for (unsigned n = 0; n < steps && failure.empty(); ++n) {
      now_ += Duration(random_.below(200'000));
      const std::uint64_t what = random_.below(1000);
      if (what < 450) {
        seal(random_.below(kSas));
      } else if (what < 850) {
        open(random_.below(kSas));
      } else if (what < 920) {
        ask();
      } else if (what < 980) {
        deliver();
      } else if (what < 984) {
        planned(true);
      } else if (what < 988) {
        planned(false);
      } else if (what < 991) {
        unplanned();
      } else if (solo_) {
        rejoin();
      }
    }
  }

  std::string failure;
  std::uint64_t sent = 0, accepted = 0, replays_refused = 0, takeovers = 0;

 private:
  Machine& active() { return *machines_[active_]; }
  Machine& standby() { return *machines_[1 - active_]; }

  void seal(std::size_t i) {
    CardSa& sa = active().card[i];
    const card::Credit& credit = sa.credits.out;
    if (sa.out_epoch != epoch_) {
      sa.out_next = std::max(sa.out_next, card::credit_start(credit.limit, credit.epoch, epoch_, config_.grant));
    }
    sa.out_next = std::max(sa.out_next, credit.floor);
    if (sa.out_next >= card::credit_end(credit.limit, credit.epoch, epoch_, config_.grant, solo_)) {
      active().ledger.on_outbound(now_, kFirstSpi + static_cast<std::uint32_t>(i), sa.out_next);
      return;
    }
    sa.out_epoch = epoch_;
    const std::uint64_t number = sa.out_next++;
    if (number <= last_sent_[i]) failure = "outbound number went back to " + std::to_string(number);
    last_sent_[i] = number;
    ++sent;
    if (sa.out_next >= credit.notify_at) {
      active().ledger.on_outbound(now_, kFirstSpi + static_cast<std::uint32_t>(i), sa.out_next);
    }
  }

  // The peer's next number, a jump of the peer, or a replay of anything it ever sent.
  void open(std::size_t i) {
    const std::uint64_t kind = random_.below(100);
    std::uint64_t number = 0;
    if (kind < 60) {
      number = ++peer_sent_[i];
    } else if (kind < 62) {
      number = peer_sent_[i] += random_.below(500) + 1;
    } else {
      number = 1 + random_.below(std::max<std::uint64_t>(peer_sent_[i], 1));
    }
    CardSa& sa = active().card[i];
    const card::Credit& credit = sa.credits.in;
    std::uint64_t below = std::max(sa.in_below, credit.floor);
    if (sa.in_epoch != epoch_) {
      const std::uint64_t start = card::credit_start(credit.limit, credit.epoch, epoch_, config_.grant);
      if (start != 0) below = std::max({below, start, sa.in_edge + 1});
    }
    if (number < below || sa.seen.contains(number)) {
      ++replays_refused;
      return;
    }
    const std::uint32_t spi = kFirstSpi + static_cast<std::uint32_t>(i);
    if (number >= card::credit_end(credit.limit, credit.epoch, epoch_, config_.grant, solo_)) {
      active().ledger.on_inbound(now_, spi, number);
      return;
    }
    sa.in_epoch = epoch_;
    sa.in_below = below;
    sa.in_edge = std::max({sa.in_edge, number, below - 1});
    sa.seen.insert(number);
    if (!ever_accepted_[i].insert(number).second) failure = "accepted twice: " + std::to_string(number);
    ++accepted;
    if (sa.in_edge >= credit.notify_at) active().ledger.on_inbound(now_, spi, sa.in_edge);
  }

  void ask() {
    std::vector<CreditEntry> entries = active().ledger.take_requests(epoch_, 1 + random_.below(4));
    if (entries.empty()) return;
    if (solo_) {
      active().write(active().ledger.acknowledged(entries));
    } else {
      wire_.push_back(std::move(entries));
    }
  }

  // The oldest record reaches the partner; its acknowledgement may still be on the way when the next thing happens.
  void deliver() {
    if (!wire_.empty() && random_.below(3) != 0) {
      standby().write(standby().ledger.store(wire_.front()));
      stored_.push_back(std::move(wire_.front()));
      wire_.pop_front();
    } else if (!stored_.empty()) {
      active().write(active().ledger.acknowledged(stored_.front()));
      stored_.pop_front();
    }
  }

  void switch_over() {
    wire_.clear();
    stored_.clear();
    active().ledger.abandon();
    active_ = 1 - active_;
    ++epoch_;
    ++takeovers;
    // As in the card: an SA's jump comes with its first packet, perhaps after explicit limits.
    if (random_.below(2) == 0) now_ += Duration(1'000'000);
    active().ledger.enter_epoch(now_, epoch_, solo_);
  }

  void planned(bool exact) {
    if (solo_) return;
    // All records arrive before the handover does. Acknowledgements may be lost where the exact counters replace what
    // they were about; the implicit grant needs both members to know the same limits.
    for (auto& record : wire_) standby().write(standby().ledger.store(record));
    if (!exact) {
      for (auto* records : {&stored_, &wire_}) {
        for (auto& record : *records) active().write(active().ledger.acknowledged(record));
      }
    } else {
      const Machine& old = active();
      const auto entries = old.ledger.exact(epoch_, [&old](std::uint32_t spi) { return old.counters(spi); });
      standby().write(standby().ledger.store_exact(entries));
      active().write(active().ledger.store_exact(entries));
    }
    switch_over();
  }

  // The active dies with records on the wire; the new one is solo until the other has rejoined.
  void unplanned() {
    if (solo_) return;
    solo_ = true;
    switch_over();
  }

  void rejoin() {
    if (random_.below(2) == 0) {
      // The partner lost its memory and its card: it starts from the snapshot alone.
      machines_[1 - active_] = std::make_unique<Machine>(config_);
      for (std::uint32_t i = 0; i < kSas; ++i) {
        standby().write({standby().ledger.add(now_, kFirstSpi + i, 1, 1)});
      }
    }
    const auto entries =
        active().ledger.reserve_all(epoch_, [this](std::uint32_t spi) { return active().counters(spi); });
    active().write(active().ledger.acknowledged(entries));
    standby().write(standby().ledger.store(active().ledger.all()));
    solo_ = false;
  }

  SeededRandom random_;
  LedgerConfig config_;
  TimePoint now_ = from_ns(1'000'000'000);
  std::vector<std::unique_ptr<Machine>> machines_;
  std::size_t active_ = 0;
  std::uint32_t epoch_ = 1;
  bool solo_ = false;
  std::deque<std::vector<CreditEntry>> wire_;    // sent, not yet stored by the partner
  std::deque<std::vector<CreditEntry>> stored_;  // stored, acknowledgement under way
  std::array<std::uint64_t, kSas> last_sent_{};
  std::array<std::uint64_t, kSas> peer_sent_{};
  std::array<std::set<std::uint64_t>, kSas> ever_accepted_;
};

}  // namespace

TEST_CASE("numbers never go back and nothing is accepted twice, whatever dies or hands over", "[N2][N3]") {
  std::uint64_t sent = 0, accepted = 0, refused = 0, takeovers = 0;
  for (std::uint64_t seed = 1; seed <= 1'000; ++seed) {
    Cluster cluster(seed);
    cluster.run(3'000);
    if (!cluster.failure.empty()) FAIL("seed " << seed << ": " << cluster.failure);
    sent += cluster.sent;
    accepted += cluster.accepted;
    refused += cluster.replays_refused;
    takeovers += cluster.takeovers;
  }
  CHECK(sent > 500'000);
  CHECK(accepted > 50'000);
  CHECK(refused > 100'000);
  CHECK(takeovers > 10'000);
}

}  // namespace tandem::ha
