// SPDX-License-Identifier: Apache-2.0
// Hashes and HMAC against published vectors.
#include "host/crypto/hash.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/host/hex.hpp"

using namespace tandem;
using namespace tandem::crypto;
using tandem::test::hex;
using tandem::test::text;
using tandem::test::to_hex;

// FIPS 180-4's example "abc".
TEST_CASE("hashes of abc are those of FIPS 180") {
  const Bytes abc = text("abc");
  CHECK(to_hex(sha1(abc)) == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(to_hex(sha256(abc)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(to_hex(sha384(abc)) ==
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
  CHECK(
      to_hex(sha512(abc)) ==
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e"
      "2a9ac94fa54ca49f");
}

TEST_CASE("a digest of parts is the digest of the whole") {
  CHECK(digest(Hash::kSha256, {text("a"), {}, text("bc")}) == digest(Hash::kSha256, {text("abc")}));
}

// From a strongSwan 5.9.8 IKE_SA_INIT to 192.0.2.9:500.
TEST_CASE("a NAT detection hash is that of a real peer", "[NAT-001]") {
  const Bytes spis = hex("5539b667f015cd4d0000000000000000");
  CHECK(to_hex(digest(Hash::kSha1, {spis, hex("c0000209"), hex("01f4")})) ==
        "e11ddb24b20e9e1052fda2e714e96909589e0927");
}

// RFC 4231 test case 2.
TEST_CASE("HMACs are those of RFC 4231") {
  const Bytes key = text("Jefe");
  const Bytes data = text("what do ya want for nothing?");
  CHECK(to_hex(hmac(Hash::kSha256, key, {data}).view()) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(to_hex(hmac(Hash::kSha384, key, {data}).view()) ==
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
  CHECK(
      to_hex(hmac(Hash::kSha512, key, {data}).view()) ==
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b"
      "636e070a38bce737");
}

TEST_CASE("a key's later sums are as its first", "[crypto]") {
  const Bytes key(32, 7), one(100, 1), two(3, 2);
  const HmacKey once(Hash::kSha256, key);
  for (const Bytes& data : {one, two, one, Bytes{}}) {
    CHECK(to_hex(once.sum({data}).view()) == to_hex(hmac(Hash::kSha256, key, {data}).view()));
  }
  CHECK(to_hex(once.sum({one, two}).view()) != to_hex(once.sum({two, one}).view()));
}

// Python's hmac.new(b"", b"", "sha256").
TEST_CASE("an HMAC takes an empty key and no data") {
  CHECK(to_hex(hmac(Hash::kSha256, {}, {}).view()) ==
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}
