// SPDX-License-Identifier: Apache-2.0
// What SAs carried over several members: totals, reports, lifetimes as the next card must hold them. STA-011.
#include "host/ha/usage.hpp"

#include <catch2/catch.hpp>

namespace tandem::ha {
namespace {

constexpr std::uint32_t kSpi = 0x80000005;

Use used(std::uint64_t packets) { return {packets, packets * 100, packets, packets * 200, packets, packets + 1}; }

}  // namespace

TEST_CASE("a member that took over counts on from what its partner told", "[STA-011]") {
  UsageBook book;
  CHECK(book.total(kSpi, 1, used(7)) == used(7));
  book.adopt({kSpi, 1, 500, 500, 50'000, 501, 500, 100'000}, used(0));
  CHECK(book.total(kSpi, 1, used(0)) == used(500));
  Use total = book.total(kSpi, 1, used(20));
  CHECK(total.in_packets == 520);
  CHECK(total.out_octets == 104'000);
  // Numbers are those of the SA, not of a card: the higher one is true.
  CHECK(total.in_edge == 500);
  CHECK(total.out_next == 501);
  // What our card counted before the partner's word is in it already.
  book.adopt({kSpi, 1, 900, 900, 90'000, 901, 900, 180'000}, used(20));
  total = book.total(kSpi, 1, used(25));
  CHECK(total.in_packets == 905);
  // Another SA in the same slot begins afresh.
  CHECK(book.total(kSpi, 2, used(3)) == used(3));
  CHECK(book.known(kSpi, 2) == Use{});
}

TEST_CASE("what the dead member may have used on top counts as used", "[STA-011]") {
  UsageBook book;
  book.adopt({kSpi, 1, 500, 500, 50'000, 501, 500, 100'000}, used(0));
  book.reserve(kSpi, 1, 10, 20, 1500);
  const Use total = book.total(kSpi, 1, used(0));
  CHECK(total.in_packets == 510);
  CHECK(total.in_octets == 65'000);
  CHECK(total.out_packets == 520);
  CHECK(total.out_octets == 130'000);
  book.reserve(kSpi, 1, ~std::uint64_t{0}, ~std::uint64_t{0}, 1500);
  CHECK(book.total(kSpi, 1, used(0)).out_octets == ~std::uint64_t{0});
  // An SA so young that nothing was told of it.
  book.reserve(kSpi + 1, 3, 7, 0, 1500);
  CHECK(book.total(kSpi + 1, 3, used(0)).in_packets == 7);
}

TEST_CASE("only what moved is reported, and all of it to a new partner", "[STA-011]") {
  UsageBook book;
  const auto first = book.report(kSpi, 1, used(4));
  REQUIRE(first.has_value());
  CHECK(first->in_packets == 4);
  CHECK(first->out_next == 5);
  CHECK_FALSE(book.report(kSpi, 1, used(4)).has_value());
  CHECK(book.report(kSpi, 1, used(5)).has_value());
  book.forget_reports();
  CHECK(book.report(kSpi, 1, used(5)) == UsageEntry{kSpi, 1, 5, 5, 500, 6, 5, 1000});
  // Reporting is no second source: the totals stay those of the card.
  CHECK(book.total(kSpi, 1, used(6)) == used(6));
}

TEST_CASE("a card gets what is left of a lifetime, and never more", "[STA-011][SPD-008]") {
  CHECK(UsageBook::card_limit(0, 500, 0) == 0);
  CHECK(UsageBook::card_limit(1000, 600, 0) == 400);
  // 100 of the 600 are this card's own, which it counts itself.
  CHECK(UsageBook::card_limit(1000, 600, 100) == 500);
  CHECK(UsageBook::card_limit(1000, 1000, 0) == 1);
  CHECK(UsageBook::card_limit(1000, 5000, 3) == 1);
  for (std::uint64_t limit = 1; limit < 40; ++limit) {
    for (std::uint64_t before = 0; before < 50; ++before) {
      const std::uint64_t left = UsageBook::card_limit(limit, before, 0);
      CHECK((left + before <= limit || left == 1));
    }
  }
}

}  // namespace tandem::ha
