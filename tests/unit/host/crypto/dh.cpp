// SPDX-License-Identifier: Apache-2.0
// Vectors: RFC 7748 5.2 (X25519, X448); ECP computed with python3-cryptography; MODP with Python's pow() over the
// primes made from the formula of RFC 3526.
#include "host/crypto/dh.hpp"

#include <openssl/bn.h>
#include <openssl/err.h>

#include <catch2/catch.hpp>

#include "host/base/os_random.hpp"
#include "host/base/seeded_random.hpp"
#include "host/crypto/hash.hpp"
#include "tests/unit/host/hex.hpp"

using namespace tandem;
using namespace tandem::crypto;
using tandem::test::hex;
using tandem::test::to_hex;

namespace {

const Group kGroups[] = {Group::kModp2048, Group::kModp3072, Group::kModp4096, Group::kEcp256,
                         Group::kEcp384,   Group::kEcp521,   Group::kX25519,   Group::kX448};

struct EcpVector {
  Group group;
  const char* private_value;
  const char* public_value;
  const char* peer;
  const char* secret;
};
const EcpVector kEcpVectors[] = {
    {Group::kEcp256, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
     "4ff3893c70650ba2c8f879be1e8339630d0a2cc8e9a3e930e163f077243961533f71d70f91aa349522cbddf7c9653bcb94d52d3"
     "7d2a0e875df9567fd8732532a",
     "310577e49315ba62911ad18d962d491fc675f023396c74ba3d46d999a95dca0613dbaaefb958e1c478236c3ae6132dd89c11c0e"
     "b2eb78598db7067feaa31e8be",
     "a88034cd841cd1154b1726a146d3e8cab9c3b1223e87e2d05b7654b1816fb269"},
    {Group::kEcp384, "00000000000000000000000000000000ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
     "34905842496b57a90241cd72ee11ff27dea798e2e278d26991f52b9c1dc1f566eef996e8af15300630e3b0aea1e8a128ea5ad91"
     "4c7105f259e1d49979880953d25d473637d3d900109d5465e77e216d321551583bf1b370c88d6e54c86697b11",
     "3940eb9161aa718cc8473c30ac407de2784893a5f6f259939b9a72f8a5d49e836393ffaf89d296f215249ab789b54fe7d80d71f"
     "ec072bdd142608a1a7e5f9d54a081963880addcd6ce7114b0705d044bf6e448cbc82a883c76df371de26d40b4",
     "3c3d5a7b0c78dd05c4bc5965c089ac823932c600792228dcecc81b1b7fb31603f960df186744e75d63f015f57d6959b9"},
    {Group::kEcp521,
     "00000000000000000000000000000000000000000000000000000000000000000000ca978112ca1bbdcafac231b39a23dc4da78"
     "6eff8147c4e72b9807785afee48bb",
     "00e78193de988cc12ddc50b2eaa138cdae1455f412e1c70c5f02661066880591dc521a5e9369d75d9dd9c120307996491b2a73e"
     "0792167f5b85cff5c953d1e5cb5ae015509407d8d446cff5b91b0cdff054a9fc8f10469d721cfa12219e7b9e22bafc38d8e6e7d"
     "3db98a9bfa44b7d386df298f710c52777aca9bc87cf4e0e69d6ec02f1c",
     "00e5e7869286297a29707abc6b87f976fb55847640f3f895d956f82eb1d63febbd9cdd24b414410b67a1ce864849e617143b490"
     "1139a290e0c996561d39bfee9659401d6413982dd90d2716e9634455633093d501eca3bfd07cae4943c330c5ab824bc24c0be62"
     "c97c2b5c3c7fb43e0cc15d1ef753dca8353f9de18bd254df400587c180",
     "0071d7fa7bb32031e294d4c235e1880e5fa0233992b0fb8f4bc9919296e1f3c77aa91778bab9cbdcd3ba72334570eb87cec99b7"
     "6a08d8b0821c75871f929153a8b50"},
};

struct ModpVector {
  Group group;
  const char* hash_of_public;
  const char* hash_of_secret;
};
const char* const kModpPrivate = "1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f5302860c652bf08d56";
const char* const kModpPeerPrivate = "5267768822ee624d48fce15ec5ca79cbd602cb7f4c2157a516556991f22ef8c7b5ef7b18d1ff41c5";
const ModpVector kModpVectors[] = {
    {Group::kModp2048, "8414e83c04ee480574b81e69179b0083ecb98544eb194f3c1e6a00d98b8b9968",
     "92a8bbfdde22f6b5d6b879886371a878e2e7ea100568dee6f661ff2b9d92215b"},
    {Group::kModp3072, "bd8336582445f74b7944d9276fd8f44353223efcddacbcd584fbdcb098d214f1",
     "c048d23950a31dac94cad1d99aeaca2be20542372bcb23f24769ccf6d0291975"},
    {Group::kModp4096, "f2cf07f41ef2d48542c5e2730b190f171188a562d4808dc002fd9f54b34148a7",
     "a1c2c6e6d4f3c3f0b7a6209797c16b639adac6cd6f6f1c9d2abf78c3a5b70992"},
};

DhKey fresh(Group group, std::uint64_t seed) {
  SeededRandom random(seed);
  auto key = DhKey::generate(group, random);
  REQUIRE(key);
  return *std::move(key);
}

// The group's prime plus `delta`.
Bytes near_prime(Group group, int delta) {
  BIGNUM* const prime = group == Group::kModp2048   ? BN_get_rfc3526_prime_2048(nullptr)
                        : group == Group::kModp3072 ? BN_get_rfc3526_prime_3072(nullptr)
                                                    : BN_get_rfc3526_prime_4096(nullptr);
  if (delta < 0) {
    BN_sub_word(prime, static_cast<BN_ULONG>(-delta));
  } else {
    BN_add_word(prime, static_cast<BN_ULONG>(delta));
  }
  Bytes octets(public_octets(group));
  BN_bn2binpad(prime, octets.data(), static_cast<int>(octets.size()));
  BN_free(prime);
  return octets;
}

Bytes number(std::size_t octets, std::uint8_t value) {
  Bytes result(octets - 1);
  result.push_back(value);
  return result;
}

}  // namespace

TEST_CASE("both sides come to the same secret, of the right size", "[KEY-003][ALG-003]") {
  OsRandom random;
  for (const Group group : kGroups) {
    for (int round = 0; round < 3; ++round) {
      const auto a = DhKey::generate(group, random);
      const auto b = DhKey::generate(group, random);
      REQUIRE(a);
      REQUIRE(b);
      CHECK(a->public_value().size() == public_octets(group));
      const auto ab = a->derive(b->public_value());
      const auto ba = b->derive(a->public_value());
      REQUIRE(ab);
      REQUIRE(ba);
      CHECK(ab->size() == secret_octets(group));
      CHECK(*ab == *ba);
      CHECK_FALSE(equal_constant_time(a->public_value(), b->public_value()));
    }
  }
}

TEST_CASE("a seeded generator gives the same key again, another seed another") {
  for (const Group group : kGroups) {
    const DhKey a = fresh(group, 5);
    CHECK(equal_constant_time(a.public_value(), fresh(group, 5).public_value()));
    CHECK_FALSE(equal_constant_time(a.public_value(), fresh(group, 6).public_value()));
  }
}

TEST_CASE("elliptic curve keys and secrets are those of an independent program", "[KEY-003]") {
  for (const EcpVector& vector : kEcpVectors) {
    const auto key = DhKey::from_private(vector.group, hex(vector.private_value));
    REQUIRE(key);
    CHECK(to_hex(key->public_value()) == vector.public_value);
    const auto secret = key->derive(hex(vector.peer));
    REQUIRE(secret);
    CHECK(to_hex(secret->view()) == vector.secret);
  }
}

TEST_CASE("MODP keys and secrets are those of an independent program", "[KEY-003]") {
  for (const ModpVector& vector : kModpVectors) {
    const auto a = DhKey::from_private(vector.group, hex(kModpPrivate));
    const auto b = DhKey::from_private(vector.group, hex(kModpPeerPrivate));
    REQUIRE(a);
    REQUIRE(b);
    CHECK(to_hex(sha256(a->public_value())) == vector.hash_of_public);
    const auto secret = a->derive(b->public_value());
    REQUIRE(secret);
    CHECK(to_hex(sha256(secret->view())) == vector.hash_of_secret);
  }
}

TEST_CASE("X25519 iterated is that of RFC 7748") {
  Bytes k = hex("0900000000000000000000000000000000000000000000000000000000000000");
  Bytes u = k;
  for (int i = 0; i < 1000; ++i) {
    const auto key = DhKey::from_private(Group::kX25519, k);
    REQUIRE(key);
    const auto secret = key->derive(u);
    REQUIRE(secret);
    u = k;
    k.assign(secret->view().begin(), secret->view().end());
    if (i == 0) CHECK(to_hex(k) == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
  }
  CHECK(to_hex(k) == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

TEST_CASE("X448 once is that of RFC 7748") {
  Bytes k(56);
  k[0] = 5;
  const auto key = DhKey::from_private(Group::kX448, k);
  REQUIRE(key);
  const auto secret = key->derive(k);
  REQUIRE(secret);
  CHECK(to_hex(secret->view()) ==
        "3f482c8a9f19b01e6c46ee9711d9dc14fd4bf67af30765c2ae2b846a4d23a8cd0db897086239492caf350b51f833868b9bc2b3bca9cf41"
        "13");
}

TEST_CASE("a public value of a wrong size is refused", "[KEY-003]") {
  for (const Group group : kGroups) {
    const DhKey key = fresh(group, 1);
    const std::size_t right = public_octets(group);
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, right - 1, right + 1}) {
      const auto secret = key.derive(Bytes(size, 2));
      REQUIRE_FALSE(secret);
      CHECK(secret.error() == CryptoError::kBadLength);
    }
  }
}

TEST_CASE("a MODP public value must lie strictly between 1 and p-1", "[KEY-003]") {
  for (const Group group : {Group::kModp2048, Group::kModp3072, Group::kModp4096}) {
    const DhKey key = fresh(group, 1);
    const std::size_t size = public_octets(group);
    CHECK(key.derive(number(size, 2)).ok());
    CHECK(key.derive(near_prime(group, -2)).ok());
    for (const Bytes& bad : {number(size, 0), number(size, 1), near_prime(group, -1), near_prime(group, 0),
                             near_prime(group, 1), Bytes(size, 0xff)}) {
      const auto secret = key.derive(bad);
      REQUIRE_FALSE(secret);
      CHECK(secret.error() == CryptoError::kBadPublicValue);
    }
  }
}

TEST_CASE("a point off the curve, at infinity or beyond the field is refused", "[KEY-003]") {
  for (const Group group : {Group::kEcp256, Group::kEcp384, Group::kEcp521}) {
    const DhKey key = fresh(group, 1);
    const DhKey peer = fresh(group, 2);
    Bytes off(peer.public_value().begin(), peer.public_value().end());
    off.back() ^= 1;
    for (const Bytes& bad : {off, Bytes(off.size()), Bytes(off.size(), 0xff)}) {
      const auto secret = key.derive(bad);
      REQUIRE_FALSE(secret);
      CHECK(secret.error() == CryptoError::kBadPublicValue);
    }
  }
}

TEST_CASE("a public value that leads to all zeros is refused", "[KEY-003]") {
  // Points of small order: u = 0, u = 1, and u = p - 1 for both; RFC 7748 6.
  const Bytes x25519_minus_one = hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
  for (const Group group : {Group::kX25519, Group::kX448}) {
    const DhKey key = fresh(group, 1);
    Bytes one(public_octets(group));
    one[0] = 1;
    std::vector<Bytes> bad{Bytes(public_octets(group)), one};
    if (group == Group::kX25519) bad.push_back(x25519_minus_one);
    for (const Bytes& value : bad) {
      const auto secret = key.derive(value);
      REQUIRE_FALSE(secret);
      CHECK(secret.error() == CryptoError::kBadPublicValue);
    }
  }
}

TEST_CASE("private values of a wrong size or range are refused") {
  for (const Group group : kGroups) {
    CHECK_FALSE(DhKey::from_private(group, {}));
    CHECK_FALSE(DhKey::from_private(group, Bytes(public_octets(group) + 1, 1)));
  }
  for (const Group group : {Group::kEcp256, Group::kEcp384, Group::kEcp521}) {
    CHECK_FALSE(DhKey::from_private(group, Bytes(secret_octets(group))));
    CHECK_FALSE(DhKey::from_private(group, Bytes(secret_octets(group), 0xff)));
  }
  CHECK_FALSE(DhKey::from_private(Group::kModp2048, Bytes(40)));
}

TEST_CASE("a refused value leaves nothing in OpenSSL's error queue") {
  ERR_clear_error();
  CHECK_FALSE(fresh(Group::kEcp256, 1).derive(Bytes(64, 0xff)));
  CHECK_FALSE(fresh(Group::kX25519, 1).derive(Bytes(32)));
  CHECK(ERR_peek_error() == 0);
}
