// SPDX-License-Identifier: Apache-2.0
// The reservation ledger's rules one by one (N2, N3).
#include "host/ha/ledger.hpp"

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

namespace tandem::ha {
namespace {

using std::chrono::microseconds;
constexpr std::uint32_t kSpi = 0x80000001;
const TimePoint kStart = from_ns(1'000'000'000);

}  // namespace

TEST_CASE("a new SA starts with the credits that both members know by rule", "[N2][N3]") {
  Ledger a{{}}, b{{}};
  const CardCredits credits = a.add(kStart, kSpi, 7, 3);
  b.add(kStart, kSpi, 7, 3);
  CHECK(credits.out.limit == first_out_limit({}));
  CHECK(credits.in.limit == first_in_bound({}));
  CHECK(credits.out.notify_at == credits.out.limit - 128);
  CHECK(credits.out.epoch == 3);
  CHECK(a.in_force(kSpi) == b.in_force(kSpi));
  CHECK(a.take_requests(3, 100).empty());
}

TEST_CASE("a limit is raised only by its acknowledgement, one reservation at a time", "[N2]") {
  Ledger ledger{{}};
  ledger.add(kStart, kSpi, 7, 1);
  ledger.on_outbound(kStart + microseconds(100'000), kSpi, 129);
  const auto request = ledger.take_requests(1, 10);
  REQUIRE(request.size() == 1);
  CHECK(request[0].out_limit > first_out_limit({}));
  CHECK(request[0].in_bound == first_in_bound({}));
  CHECK(ledger.in_force(kSpi)->out_limit == first_out_limit({}));
  // Asked again while in flight: remembered, not doubled.
  ledger.on_outbound(kStart + microseconds(100'100), kSpi, 257);
  CHECK(ledger.take_requests(1, 10).empty());
  const auto credits = ledger.acknowledged(request);
  REQUIRE(credits.size() == 1);
  CHECK(credits[0].out.limit == request[0].out_limit);
  CHECK(ledger.in_force(kSpi)->out_limit == request[0].out_limit);
}

TEST_CASE("a packet beyond the inbound bound reserves from its number on", "[N3]") {
  Ledger ledger{{}};
  ledger.add(kStart, kSpi, 7, 1);
  ledger.on_inbound(kStart + microseconds(10), kSpi, 1'000'000);
  const auto request = ledger.take_requests(1, 10);
  REQUIRE(request.size() == 1);
  CHECK(request[0].in_bound > 1'000'000);
}

TEST_CASE("what a peer sent while nobody served does not count as its speed", "[N3]") {
  for (const bool solo : {true, false}) {
    Ledger ledger{{}};
    ledger.add(kStart, kSpi, 7, 1);
    ledger.enter_epoch(kStart, 2, solo);
    // 100,000 packets were lost; the first that comes, and the second, five milliseconds later.
    ledger.on_inbound(kStart + microseconds(2'000), kSpi, 100'000);
    ledger.on_inbound(kStart + microseconds(7'000), kSpi, 100'001);
    CHECK(ledger.blocks(kSpi).in <= 8);
    const auto request = ledger.take_requests(2, 10);
    REQUIRE(request.size() == 1);
    CHECK(request[0].in_bound > 100'001);
    CHECK(request[0].in_bound <= 100'010);
    // From there on it does.
    ledger.on_inbound(kStart + microseconds(12'000), kSpi, 100'501);
    CHECK(ledger.blocks(kSpi).in > 100);
  }
}

TEST_CASE("a number far beyond the bound tells where the peer stands, not how fast it is", "[N3]") {
  // 400 packets a second, then our lease lapses for two seconds, or the peer is a cluster that takes over.
  Ledger active{{}}, standby{{}};
  active.add(kStart, kSpi, 7, 1);
  standby.add(kStart, kSpi, 7, 1);
  TimePoint now = kStart;
  std::uint64_t number = 0;
  const auto arrives = [&](microseconds later, std::uint64_t packets) {
    now += later;
    number += packets;
    if (number < active.in_force(kSpi)->in_bound) return;
    active.on_inbound(now, kSpi, number);
    const auto request = active.take_requests(1, 10);
    standby.store(request);
    active.acknowledged(request);
  };
  for (int i = 0; i < 400; ++i) arrives(microseconds(2500), 1);
  const bool soon = GENERATE(true, false);
  INFO((soon ? "right behind what waited from before" : "after a while"));
  REQUIRE(active.blocks(kSpi).in <= 20);
  SECTION("once") {
    arrives(microseconds(soon ? 1'200 : 2'000'000), 800);
    for (int i = 0; i < 3; ++i) arrives(microseconds(200), 1);
    CHECK(active.blocks(kSpi).in <= 40);
    CHECK(standby.blocks(kSpi).in <= 40);
    CHECK(active.in_force(kSpi)->in_bound <= number + 40);
    for (int i = 0; i < 100; ++i) arrives(microseconds(2500), 1);
    CHECK(active.blocks(kSpi).in <= 20);
    CHECK(standby.blocks(kSpi).in <= 20);
  }
  SECTION("where it goes on it is speed: the card keeps up with no more") {
    for (int i = 0; i < 20; ++i) arrives(microseconds(1'000), 1000);
    CHECK(active.blocks(kSpi).in >= 5'000);
    CHECK(standby.blocks(kSpi).in >= 5'000);
  }
}

TEST_CASE("what was in flight when the partner went is asked for again, from the limit in force", "[N2]") {
  Ledger ledger{{}};
  ledger.add(kStart, kSpi, 7, 1);
  ledger.on_outbound(kStart + microseconds(1000), kSpi, 200);
  REQUIRE(ledger.take_requests(1, 10).size() == 1);
  CHECK_FALSE(ledger.has_requests());
  ledger.abandon();
  CHECK(ledger.in_force(kSpi)->out_limit == first_out_limit({}));
  CHECK(ledger.take_requests(1, 10).size() == 1);
}

TEST_CASE("the standby never lowers a limit within an epoch and ignores older ones and other instances", "[N2]") {
  Ledger ledger{{}};
  ledger.add(kStart, kSpi, 7, 2);
  CHECK(ledger.store({{kSpi, 7, 2, 5000, 400}}).size() == 1);
  ledger.store({{kSpi, 7, 2, 4000, 300}});
  CHECK(ledger.in_force(kSpi) == CreditEntry{kSpi, 7, 2, 5000, 400});
  CHECK(ledger.store({{kSpi, 7, 1, 9000, 900}}).empty());
  CHECK(ledger.store({{kSpi, 8, 2, 9000, 900}}).empty());
  CHECK(ledger.store({{kSpi + 1, 7, 2, 9000, 900}}).empty());
  CHECK(ledger.in_force(kSpi) == CreditEntry{kSpi, 7, 2, 5000, 400});
  // The exact counters of a handover do lower.
  ledger.store_exact({{kSpi, 7, 2, 4321, 321}});
  CHECK(ledger.in_force(kSpi) == CreditEntry{kSpi, 7, 2, 4321, 321});
}

TEST_CASE("where an SA stands when its standby joins is no block: that one reserves no further ahead for it", "[N3]") {
  const LedgerConfig config;
  Ledger ledger{config};
  ledger.add(kStart, kSpi, 7, 1);
  ledger.store({{kSpi, 7, 1, 1'000'000, 900'000}});
  CHECK(ledger.blocks(kSpi).out == config.out_block_min);
  CHECK(ledger.blocks(kSpi).in == config.in_block_min);
  // What follows tells how fast it is.
  ledger.store({{kSpi, 7, 1, 1'000'000 + 2 * config.out_block_min, 900'000 + 2 * config.in_block_min}});
  CHECK(ledger.blocks(kSpi).out == 2 * config.out_block_min);
  CHECK(ledger.blocks(kSpi).in == 2 * config.in_block_min);
}

TEST_CASE("the first reservation of a later epoch starts at the end of the implicit grant", "[N2][N3]") {
  Ledger ledger{{}};
  ledger.add(kStart, kSpi, 7, 1);
  ledger.store({{kSpi, 7, 1, 5000, 400}});
  ledger.enter_epoch(kStart, 4, false);
  const auto request = ledger.take_requests(4, 10);
  REQUIRE(request.size() == 1);
  CHECK(request[0].epoch == 4);
  CHECK(request[0].out_limit > 5000 + 3 * ledger.config().grant);
  CHECK(request[0].in_bound > 400 + 3 * ledger.config().grant);
  const auto credits = ledger.acknowledged(request);
  CHECK(credits[0].out.floor == 5000 + 2 * ledger.config().grant);
  CHECK(credits[0].in.floor == 400 + 2 * ledger.config().grant);
}

TEST_CASE("an SA of an older epoch that is added after the takeover begins where its first credits ended", "[N2][N3]") {
  for (const bool solo : {true, false}) {
    Ledger ledger{{}};
    ledger.enter_epoch(kStart, 4, solo);
    ledger.add(kStart, kSpi, 7, 2);
    const auto first = ledger.enter_epoch(kStart, kSpi, 4, solo);
    const std::uint64_t out = first_out_limit(ledger.config()) + ledger.config().grant;
    const std::uint64_t in = first_in_bound(ledger.config()) + ledger.config().grant;
    CHECK(first.out.floor == out);
    CHECK(first.in.floor == in);
    const auto request = ledger.take_requests(4, 10);
    REQUIRE(request.size() == 1);
    CHECK(request[0].out_limit > out);
    CHECK(request[0].in_bound > in);
    ledger.acknowledged(request);
    // Said again, it changes nothing.
    CHECK(ledger.enter_epoch(kStart, kSpi, 4, solo).out.limit == request[0].out_limit);
    CHECK_FALSE(ledger.has_requests());
  }
}

TEST_CASE("an SA that sent nothing since the takeover hands over where it would have started", "[N2][N3]") {
  Ledger ledger{{}};
  ledger.add(kStart, kSpi, 7, 1);
  ledger.store({{kSpi, 7, 1, 5000, 400}});
  ledger.enter_epoch(kStart, 2, false);
  const auto exact = ledger.exact(2, [](std::uint32_t) { return CountersNow{1, 0}; });
  REQUIRE(exact.size() == 1);
  CHECK(exact[0].out_limit == 5000);
  CHECK(exact[0].in_bound == 400);
}

TEST_CASE("reserve_all covers the counters of every SA and leaves ample limits alone", "[N2][N3]") {
  Ledger ledger{{}};
  ledger.add(kStart, kSpi, 7, 1);
  ledger.add(kStart, kSpi + 1, 7, 1);
  ledger.enter_epoch(kStart, 2, false);
  const auto counters = [](std::uint32_t spi) {
    return spi == kSpi ? CountersNow{1'000'000, 2'000'000} : CountersNow{1, 0};
  };
  const auto entries = ledger.reserve_all(2, counters);
  REQUIRE(entries.size() == 2);
  for (const CreditEntry& entry : entries) {
    CHECK(entry.epoch == 2);
    CHECK(entry.out_limit > counters(entry.spi_in).out_next);
    CHECK(entry.in_bound > counters(entry.spi_in).in_edge + 1);
  }
  ledger.acknowledged(entries);
  CHECK(ledger.reserve_all(2, counters) == entries);
}

TEST_CASE("a fast SA costs at most a hundred entries in a million packets", "[N2][N3]") {
  Ledger ledger{{}};
  CardCredits credits = ledger.add(kStart, kSpi, 7, 1);
  // A million packets a second both ways; the partner answers after 200 us.
  std::uint64_t entries = 0, stalls = 0, out_next = 1, edge = 0;
  std::uint64_t out_told = 0, in_told = 0;
  std::vector<CreditEntry> flying;
  TimePoint lands = kNever;
  constexpr std::uint64_t kPackets = 4'000'000;
  std::uint64_t entries_at_first_million = 0;
  for (std::uint64_t us = 1; us <= kPackets; ++us) {
    const TimePoint now = kStart + microseconds(us);
    if (now >= lands) {
      for (const CardCredits& c : ledger.acknowledged(flying)) credits = c;
      lands = kNever;
    }
    if (out_next < credits.out.limit) {
      ++out_next;
    } else {
      ++stalls;
    }
    if (edge + 1 < credits.in.limit) {
      ++edge;
    } else if (lands == kNever) {
      // Beyond the bound: held by the host, which asks for more on its behalf.
      ledger.on_inbound(now, kSpi, edge + 1);
    }
    if (out_next >= credits.out.notify_at && std::exchange(out_told, credits.out.notify_at) != credits.out.notify_at) {
      ledger.on_outbound(now, kSpi, out_next);
    }
    if (edge >= credits.in.notify_at && std::exchange(in_told, credits.in.notify_at) != credits.in.notify_at) {
      ledger.on_inbound(now, kSpi, edge);
    }
    if (lands == kNever && ledger.has_requests()) {
      flying = ledger.take_requests(1, 10);
      entries += flying.size();
      lands = now + microseconds(200);
    }
    if (us == 1'000'000) entries_at_first_million = entries;
  }
  CHECK(entries_at_first_million <= 100);
  CHECK((entries - entries_at_first_million) / 3 <= 100);
  CHECK(entries > 10);
  CHECK(stalls < kPackets / 1000);
  CHECK(ledger.largest_blocks().out == ledger.blocks(kSpi).out);
  CHECK(ledger.blocks(kSpi).in <= 40'000);
}

}  // namespace tandem::ha
