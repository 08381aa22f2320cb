// SPDX-License-Identifier: Apache-2.0
// Stages whose two ends would hide a shared mistake: expected octets are spelled out.
#include <catch2/catch.hpp>
#include <cstring>

#include "hw/stage/deliver.hpp"
#include "hw/stage/gcm_request.hpp"
#include "hw/stage/trailer.hpp"
#include "rig.hpp"

using namespace tandem::card;
using namespace tandem::card::test;

TEST_CASE("nonce and AAD are RFC 4106's, with and without ESN", "[GCM-002][GCM-003]") {
  const GcmRequestIn in = {{1, 2, 3, 4}, {11, 12, 13, 14, 15, 16, 17, 18}, 0x0a0b0c0d01020304u, 0x80112233u, true};
  GcmJob job = {};
  gcm_request(in, job);
  const Octets nonce = {1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 17, 18};
  REQUIRE(Octets(job.nonce, job.nonce + 12) == nonce);
  REQUIRE(job.aad_octets == 12);
  REQUIRE(Octets(job.aad, job.aad + 12) == Octets{0x80, 0x11, 0x22, 0x33, 0x0a, 0x0b, 0x0c, 0x0d, 1, 2, 3, 4});
  GcmRequestIn plain = in;
  plain.esn = false;
  gcm_request(plain, job);
  REQUIRE(job.aad_octets == 8);
  REQUIRE(Octets(job.aad, job.aad + 8) == Octets{0x80, 0x11, 0x22, 0x33, 1, 2, 3, 4});
}

TEST_CASE("the trailer pads to four octets with 1, 2, 3", "[ESP-003]") {
  const Octets expected[4] = {{1, 2, 2, 4}, {1, 1, 4}, {0, 4}, {1, 2, 3, 3, 4}};
  for (std::uint32_t octets = 20; octets < 60; ++octets) {
    const TrailerOut out = trailer(octets);
    REQUIRE(Octets(out.octets, out.octets + out.count) == expected[octets % 4]);
  }
}

TEST_CASE("a received trailer must fit, read 1, 2, 3 and name what a tunnel may carry", "[ESP-002][ESP-003][ESP-011]") {
  REQUIRE(trailer_check({8, 2, 4, true}).inner_octets == 4);
  REQUIRE(trailer_check({8, 6, 4, true}).outcome.fate == Fate::kContinue);
  REQUIRE(trailer_check({8, 7, 4, true}).outcome.counter == Counter::kDropPadding);
  REQUIRE(trailer_check({8, 2, 4, false}).outcome.counter == Counter::kDropPadding);
  REQUIRE(trailer_check({8, 2, 59, true}).outcome.counter == Counter::kDummy);
  for (const std::uint8_t other : Octets{0, 1, 6, 17, 41, 50, 255}) {
    REQUIRE(trailer_check({8, 2, other, true}).outcome.counter == Counter::kDropPadding);
  }
  const Octets good = {9, 9, 1, 2, 3, 3, 4};
  REQUIRE(padding_good(good.data() + good.size(), 7));
  REQUIRE_FALSE(padding_good(good.data() + good.size(), 4));
  for (std::size_t i = 2; i < 5; ++i) {
    Octets bad = good;
    bad[i] ^= 1u;
    REQUIRE_FALSE(padding_good(bad.data() + bad.size(), 7));
  }
}

TEST_CASE("the incremental checksum equals the whole one for every TOS and TTL", "[TUN-008]") {
  Octets ip = inner_packet({ipv4(10, 1, 0, 9), ipv4(10, 2, 0, 9)});
  for (std::uint32_t ttl = 2; ttl < 256; ++ttl) {
    for (std::uint32_t tos = 0; tos < 256; tos += 5) {
      ip[8] = static_cast<std::uint8_t>(ttl);
      ip[1] = static_cast<std::uint8_t>(tos ^ 0x0fu);
      store_be16(&ip[4], ttl * 257 + tos);
      fix_checksum(ip.data());
      const ForwardOut out = forward(ip.data(), static_cast<std::uint8_t>(tos));
      Octets after = ip;
      after[1] = out.tos;
      after[8] = out.ttl;
      store_be16(&after[10], out.checksum);
      REQUIRE(ones_sum(after.data(), 10) == 0xffff);
    }
  }
}
