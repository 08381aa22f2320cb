// SPDX-License-Identifier: Apache-2.0
// Slots and SPIs: never reserved, never the last one again, bounded. RFC 4303 2.1, HA-009.
#include "host/sad/slots.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "host/base/seeded_random.hpp"
#include "hw/contract/sa_entry.hpp"

using namespace tandem;
using namespace tandem::sad;

TEST_CASE("an SPI is never one of the reserved 0 to 255 and names its slot and segment") {
  SeededRandom random(3);
  Slots slots(65536, 5, random);
  for (int i = 0; i < 65536; ++i) {
    const auto slot = slots.allocate();
    REQUIRE(slot);
    REQUIRE(slot->spi > 255);
    REQUIRE(slot->instance != 0);
    REQUIRE(card::spi_index(slot->spi) < slots.size());
    REQUIRE(card::spi_segment(slot->spi) == 5);
  }
}

TEST_CASE("two SAs after each other in one slot differ in their SPI") {
  SeededRandom random(3);
  Slots slots(1, 0, random);
  std::set<std::uint32_t> seen;
  std::uint32_t last = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto slot = slots.allocate();
    REQUIRE(slot);
    REQUIRE(slot->spi != last);
    last = slot->spi;
    seen.insert(last);
    slots.release(last);
  }
  CHECK(seen.size() > 400);
}

TEST_CASE("a full table gives no slot until one is released") {
  SeededRandom random(3);
  Slots slots(4, 0, random);
  std::set<std::uint32_t> spis;
  for (int i = 0; i < 4; ++i) spis.insert(slots.allocate()->spi);
  CHECK(spis.size() == 4);
  CHECK(slots.used() == 4);
  CHECK_FALSE(slots.allocate());
  slots.release(*spis.begin());
  CHECK(slots.used() == 3);
  const auto again = slots.allocate();
  REQUIRE(again);
  CHECK(card::spi_index(again->spi) == card::spi_index(*spis.begin()));
  CHECK_FALSE(slots.allocate());
}

TEST_CASE("below a bound as many slots are given as there are, and again after a release", "[HA-009]") {
  SeededRandom random(3);
  Slots slots(8, 0, random);
  for (int i = 0; i < 3; ++i) REQUIRE(slots.allocate());
  std::set<std::uint32_t> indices;
  for (int i = 0; i < 2; ++i) {
    const auto slot = slots.allocate(5);
    REQUIRE(slot);
    indices.insert(card::spi_index(slot->spi));
  }
  CHECK(indices == std::set<std::uint32_t>{3, 4});
  CHECK_FALSE(slots.allocate(5));
  CHECK_FALSE(slots.allocate(0));
  const auto above = slots.allocate();
  REQUIRE(above);
  CHECK(card::spi_index(above->spi) >= 5);
  CHECK_FALSE(slots.allocate(5));
}

TEST_CASE("a slot that the partner chose is taken, once, and comes back with another generation") {
  SeededRandom random(3);
  Slots slots(2, 0, random);
  const std::uint32_t theirs = card::make_spi(0, 77, 1);
  CHECK(slots.take(theirs));
  CHECK(slots.take(theirs));
  CHECK(slots.used() == 1);
  const auto mine = slots.allocate();
  REQUIRE(mine);
  CHECK(card::spi_index(mine->spi) == 0);
  CHECK_FALSE(slots.allocate());
  slots.release(theirs);
  const auto next = slots.allocate();
  REQUIRE(next);
  CHECK(card::spi_index(next->spi) == 1);
  CHECK(card::spi_generation(next->spi) != 77);
}

TEST_CASE("an SPI outside the table or without the top bit is refused") {
  SeededRandom random(3);
  Slots slots(16, 0, random);
  CHECK_FALSE(slots.take(card::make_spi(0, 1, 16)));
  CHECK_FALSE(slots.take(card::make_spi(0, 1, 65535)));
  CHECK_FALSE(slots.take(0x00010003));
  CHECK(slots.used() == 0);
  slots.release(card::make_spi(0, 1, 65535));
  slots.release(card::make_spi(0, 1, 3));
  CHECK(slots.used() == 0);
}

TEST_CASE("a late release of an old SPI leaves the slot to its new owner") {
  SeededRandom random(3);
  Slots slots(1, 0, random);
  const auto old = slots.allocate();
  slots.release(old->spi);
  const auto now = slots.allocate();
  REQUIRE(now);
  slots.release(old->spi);
  CHECK(slots.used() == 1);
  CHECK_FALSE(slots.allocate());
  slots.release(now->spi);
  CHECK(slots.used() == 0);
}

TEST_CASE("clearing frees all slots and keeps what their last generations were") {
  SeededRandom random(3);
  Slots slots(1, 0, random);
  for (int i = 0; i < 600; ++i) {
    const auto before = slots.allocate();
    slots.clear();
    CHECK(slots.used() == 0);
    const auto after = slots.allocate();
    REQUIRE(after);
    REQUIRE(after->spi != before->spi);
    slots.clear();
  }
}
