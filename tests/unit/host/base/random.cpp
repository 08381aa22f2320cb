// SPDX-License-Identifier: Apache-2.0
// Seeded and system randomness.
#include "host/base/random.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "host/base/bytes.hpp"
#include "host/base/os_random.hpp"
#include "host/base/seeded_random.hpp"

using namespace tandem;

TEST_CASE("the same seed repeats, another differs") {
  SeededRandom a(7);
  SeededRandom b(7);
  SeededRandom c(8);
  Bytes first(100);
  Bytes second(100);
  Bytes third(100);
  a.fill(first);
  b.fill(second);
  c.fill(third);
  CHECK(first == second);
  CHECK(first != third);
}

TEST_CASE("splitting a request at multiples of eight gives the same octets") {
  SeededRandom a(7);
  SeededRandom b(7);
  Bytes whole(24);
  Bytes parts(24);
  a.fill(whole);
  b.fill(std::span(parts).first(8));
  b.fill(std::span(parts).subspan(8));
  CHECK(whole == parts);
}

TEST_CASE("random numbers stay below their bound and reach all values") {
  SeededRandom random(1);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.below(10));
  CHECK(seen.size() == 10);
  CHECK(*seen.rbegin() == 9);
}

TEST_CASE("the operating system's octets do not repeat") {
  OsRandom random;
  CHECK(random.u64() != random.u64());
  Bytes large(100'000);
  random.fill(large);
  CHECK(std::set<std::uint8_t>(large.begin(), large.end()).size() == 256);
  random.fill({});
}
