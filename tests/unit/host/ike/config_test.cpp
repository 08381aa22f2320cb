// SPDX-License-Identifier: Apache-2.0
// Identities and proposals from text.
#include <catch2/catch.hpp>

#include "host/ike/config.hpp"
#include "host/ike/core.hpp"

using namespace tandem;
using namespace tandem::ike;

TEST_CASE("identities have the kind that their text suggests", "[WIRE-015]") {
  CHECK(parse_identity("192.0.2.1") == Identity{1, {192, 0, 2, 1}});
  CHECK(parse_identity("2001:db8::1")->kind == 5);
  CHECK(parse_identity("2001:db8::1")->data.size() == 16);
  CHECK(parse_identity("user@example.org")->kind == 3);
  CHECK(parse_identity("gw.example.org")->kind == 2);
  CHECK(parse_identity("keyid:0aFF") == Identity{11, {0x0a, 0xff}});
  CHECK_FALSE(parse_identity("keyid:0").has_value());
  CHECK_FALSE(parse_identity("keyid:zz").has_value());
  CHECK_FALSE(parse_identity("").has_value());
  for (const char* text : {"192.0.2.1", "2001:db8::1", "user@example.org", "gw.example.org", "keyid:0aff"}) {
    CHECK(to_string(*parse_identity(text)) == text);
  }
  CHECK(to_string(Identity{2, {'a', 0x1b, 'b'}}) == "a?b");
}

TEST_CASE("IKE proposals are read as strongSwan writes them", "[ALG-002]") {
  const auto gcm = parse_ike_proposal("aes256gcm16-aes128gcm16-prfsha384-x25519-ecp256");
  REQUIRE(gcm.has_value());
  CHECK(gcm->ciphers.size() == 2);
  CHECK(gcm->integs.empty());
  CHECK(gcm->groups.size() == 2);
  const auto cbc = parse_ike_proposal("aes128-sha256-modp2048");
  REQUIRE(cbc.has_value());
  CHECK(cbc->prfs == std::vector{crypto::Prf::kHmacSha2_256});
  for (const char* text : {"", "aes128", "aes128-modp2048", "aes128gcm16-x25519", "aes128-aes128gcm16-sha256-x25519",
                           "3des-sha256-modp2048", "aes128-sha256-modp1024", "aes128-sha256-modp2048-"}) {
    INFO(text);
    CHECK_FALSE(parse_ike_proposal(text).has_value());
  }
  CHECK(default_ike_proposals().size() == 2);
}

TEST_CASE("ESP proposals are what the card can do", "[ALG-002][ESP-020]") {
  const auto both = parse_esp_proposal("aes256gcm16-aes128gcm16");
  REQUIRE(both.has_value());
  CHECK(both->esn == std::vector{true, false});
  CHECK(both->groups.empty());
  CHECK(parse_esp_proposal("aes128gcm16-x25519-noesn-esn")->esn == std::vector{false, true});
  CHECK_FALSE(parse_esp_proposal("aes128-sha256").has_value());
  CHECK_FALSE(parse_esp_proposal("x25519").has_value());
  CHECK(default_esp_proposals().front().ciphers.front().key_bits == 256);
}

TEST_CASE("every counter has a name of its own", "[IkeCounter]") {
  for (std::size_t i = 0; i < static_cast<std::size_t>(IkeCounter::kCount); ++i) {
    for (std::size_t j = 0; j < i; ++j) CHECK(to_string(IkeCounter(i)) != to_string(IkeCounter(j)));
    CHECK(to_string(IkeCounter(i)) != "unknown");
  }
}
