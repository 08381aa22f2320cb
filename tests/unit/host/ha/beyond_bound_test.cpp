// SPDX-License-Identifier: Apache-2.0
// Packets beyond the inbound bound: none given too early, none lost for want of room, bounded. N3.
#include "host/ha/beyond_bound.hpp"

#include <catch2/catch.hpp>
#include <vector>

namespace tandem::ha {
namespace {

constexpr std::uint32_t kSpi = 7, kOther = 8;

Bytes packet(std::uint8_t mark) { return Bytes{mark, 0}; }

struct Card {
  std::vector<int> taken;
  std::size_t room = 1u << 20;
  BeyondBound::Give give() {
    return [this](ByteView octets) {
      if (taken.size() >= room) return false;
      taken.push_back(octets[0]);
      return true;
    };
  }
};

}  // namespace

TEST_CASE("held packets are given once their SA's bound is above them, in order", "[N3]") {
  BeyondBound held;
  Card card;
  for (std::uint8_t i = 0; i < 4; ++i) REQUIRE(held.hold(kSpi, 10u + i, packet(i)));
  REQUIRE(held.hold(kOther, 1, packet(9)));
  held.release(kSpi, 10, card.give());
  CHECK(card.taken.empty());
  held.release(kSpi, 12, card.give());
  CHECK(card.taken == std::vector<int>{0, 1});
  held.release(kSpi, 100, card.give());
  CHECK(card.taken == std::vector<int>{0, 1, 2, 3});
  CHECK_FALSE(held.holds(kSpi));
  CHECK(held.holds(kOther));
  CHECK(held.size() == 1);
}

TEST_CASE("what finds no room in the card stays and is due again", "[N3]") {
  BeyondBound held;
  Card card;
  card.room = 2;
  for (std::uint8_t i = 0; i < 4; ++i) REQUIRE(held.hold(kSpi, i, packet(i)));
  held.release(kSpi, 100, card.give());
  CHECK(card.taken == std::vector<int>{0, 1});
  CHECK(held.due().contains(kSpi));
  card.room = 10;
  held.release(kSpi, 100, card.give());
  CHECK(card.taken == std::vector<int>{0, 1, 2, 3});
  CHECK(held.due().empty());
  CHECK(held.size() == 0);
}

TEST_CASE("what waits is bounded for an SA and for all, and can be forgotten") {
  BeyondBound held;
  Card card;
  for (std::size_t i = 0; i < BeyondBound::kPerSaMax + 3; ++i) {
    REQUIRE(held.hold(kSpi, i, packet(static_cast<std::uint8_t>(i % 251))));
  }
  CHECK(held.size() == BeyondBound::kPerSaMax);
  held.release(kSpi, 4, card.give());
  CHECK(card.taken == std::vector<int>{3});
  for (std::uint32_t spi = 100; held.size() < BeyondBound::kTotalMax; ++spi) {
    for (std::uint8_t i = 0; i < 200 && held.size() < BeyondBound::kTotalMax; ++i) held.hold(spi, i, packet(i));
  }
  CHECK_FALSE(held.hold(kOther, 1, packet(1)));
  CHECK_FALSE(held.holds(kOther));
  held.forget(kSpi);
  CHECK(held.size() == BeyondBound::kTotalMax - (BeyondBound::kPerSaMax - 1));
  held.clear();
  CHECK(held.size() == 0);
}

}  // namespace tandem::ha
