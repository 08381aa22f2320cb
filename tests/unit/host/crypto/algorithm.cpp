// SPDX-License-Identifier: Apache-2.0
// Sizes and numbers of the algorithms against the registries.
#include "host/crypto/algorithm.hpp"

#include <catch2/catch.hpp>

using namespace tandem::crypto;

TEST_CASE("only implemented transform numbers become algorithms", "[ALG-002]") {
  unsigned encrs = 0;
  unsigned prfs = 0;
  unsigned integs = 0;
  unsigned groups = 0;
  for (std::uint16_t id = 0; id < 100; ++id) {
    if (const auto encr = encr_from(id)) {
      ++encrs;
      CHECK(to_string(*encr) != "unknown");
    }
    if (const auto prf = prf_from(id)) {
      ++prfs;
      CHECK(to_string(*prf) != "unknown");
    }
    if (const auto integ = integ_from(id)) {
      ++integs;
      CHECK(to_string(*integ) != "unknown");
    }
    if (const auto group = group_from(id)) {
      ++groups;
      CHECK(to_string(*group) != "unknown");
    }
  }
  CHECK(encrs == 3);
  CHECK(prfs == 3);
  CHECK(integs == 4);
  CHECK(groups == 8);
}

TEST_CASE("key exchange sizes are those of ALG-003", "[ALG-003]") {
  const std::size_t publics[] = {256, 384, 512, 64, 96, 132, 32, 56};
  const std::size_t secrets[] = {256, 384, 512, 32, 48, 66, 32, 56};
  const Group groups[] = {Group::kModp2048, Group::kModp3072, Group::kModp4096, Group::kEcp256,
                          Group::kEcp384,   Group::kEcp521,   Group::kX25519,   Group::kX448};
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(public_octets(groups[i]) == publics[i]);
    CHECK(secret_octets(groups[i]) == secrets[i]);
  }
}

TEST_CASE("key lengths fit their ciphers") {
  CHECK(key_bits_valid(Encr::kAesGcm16, 128));
  CHECK(key_bits_valid(Encr::kAesCbc, 256));
  CHECK_FALSE(key_bits_valid(Encr::kAesCbc, std::nullopt));
  CHECK_FALSE(key_bits_valid(Encr::kAesGcm16, 129));
  CHECK(key_bits_valid(Encr::kChaCha20Poly1305, std::nullopt));
  CHECK_FALSE(key_bits_valid(Encr::kChaCha20Poly1305, 256));
  CHECK(key_octets(Encr::kAesGcm16, 192) == 24);
  CHECK(key_octets(Encr::kChaCha20Poly1305, std::nullopt) == 32);
  CHECK(icv_octets(Integ::kHmacSha2_256_128) == 16);
  CHECK(icv_octets(Integ::kHmacSha2_384_192) == 24);
  CHECK(icv_octets(Integ::kHmacSha2_512_256) == 32);
  CHECK(icv_octets(Integ::kNone) == 0);
}
