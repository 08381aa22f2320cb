// SPDX-License-Identifier: Apache-2.0
// Expected values: an independent prf+ over Python's hmac module.
#include "host/crypto/prf.hpp"

#include <catch2/catch.hpp>

#include "host/crypto/hash.hpp"
#include "tests/unit/host/hex.hpp"

using namespace tandem;
using namespace tandem::crypto;
using tandem::test::counting;
using tandem::test::text;
using tandem::test::to_hex;

namespace {

struct Vector {
  Prf prf;
  const char* first_200;
  const char* hash_of_all;  // of the 255 blocks, by the PRF's own hash
};

const Vector kVectors[] = {
    {Prf::kHmacSha2_256,
     "610d8e12a7ab6949c9dd5029e6a611ee6b00a305f237c9c4e0fd290c0d8c04a09bc014319b917314c507efb3c8c762c02e6249"
     "be61bf132a6b8368d827ac7ba63d7f3b47cc2a7515ed78011fe3a040c1e34ce2822ddb4c9373d0644a6859a42129ab47fa4c9c"
     "39b3bc28eee5003a345166fa9c9b481629c3d3622c22925647e5634f57c2fed94ebf069b85281970af5a22a6547210cce6eb6f"
     "08773aa1ac297a9b85708ea591c60ef3801804e6d68c269a2038bd32a3ef073645ffb68990358ad1e2b4a2d4882882",
     "f4ec4f868e896e3dc6bff5e39382980384aee9acf93f40d2c5096f1e19e9ad58"},
    {Prf::kHmacSha2_384,
     "b38e0c49a02e33cacb5c26ad9ae86ca1ae29d63df7983070ab02dd75bb6244348ff74124365adf10fe3794aeb85ce15ebc1325"
     "55b0d329b5f5415f15b778a24ec386b7563ed13291f9279b1d5483ac533fb4beba829185862c2d7cfdf9365cca262e3f4be86d"
     "98ff2dd78535727af8489a7ba9846bf24724f8ca9600b74a2a79b23adda032d8dfe2dd254ec7916b9c975a9b6dc0b87935cee5"
     "49d20dce56ee31877cd0a7b638595e6fb212f85223e4e871cb5cb174f5c5bf4d07c70e167da2298eb4f88c8175a7f5",
     "4af7c07ef4220d07f7d67f7401462d9efd55abcd94ea9f795514a1bc964bd3b8f154b09d6d6be6dcb9e0b12adbd63019"},
    {Prf::kHmacSha2_512,
     "9bcaf7b0c9199e0228da24a408c188e1e9a99efdf72359dd57520ba555866ea188af8e3e253625b06a51a43c669c1179123e05"
     "52394519440c307dc1f83ee96f8fed05b905d86dd89f728e7f76ebe5ee3a1e0afd7e68c4cea058156ac8d1838a28dfa88d10ed"
     "cb768ed4e5b3e5f7d91d2f9a77b00db5ce08f6595c4ff4a3c27e5c824c362a0f7393cf80c3451eb410a07ce9f8419f68055cf9"
     "11de935da2e9b6667fbe987e4761360fedf69379c3d11fe4fdb5079d8d7065a3fc00a04fbc779e95d1fcca134d0ec3",
     "297ba5a3e81a1cd39915ceecd633105794dd92a123a82dd6f9ed352ed783b1bc2ac37d830daa60ab2c7c74e6216a3ccc249456"
     "0b2397ca8db702e719e0945131"},
};

Hash hash_of(Prf prf) {
  return prf == Prf::kHmacSha2_256 ? Hash::kSha256 : prf == Prf::kHmacSha2_384 ? Hash::kSha384 : Hash::kSha512;
}

}  // namespace

TEST_CASE("prf+ is that of an independent program, at every length", "[KEY-001]") {
  const Bytes key = counting(0, 20);
  const Bytes seed = counting(0x40, 0x50);
  for (const Vector& vector : kVectors) {
    const std::string expected = vector.first_200;
    for (std::size_t octets = 0; octets <= 200; ++octets) {
      const auto result = prf_plus(vector.prf, key, {ByteView(seed).first(7), ByteView(seed).subspan(7)}, octets);
      REQUIRE(result);
      REQUIRE(to_hex(result->view()) == expected.substr(0, 2 * octets));
    }
  }
}

TEST_CASE("prf+ ends after 255 blocks", "[KEY-001]") {
  for (const Vector& vector : kVectors) {
    const std::size_t most = 255 * prf_octets(vector.prf);
    const auto all = prf_plus(vector.prf, text("k"), {text("s")}, most);
    REQUIRE(all);
    CHECK(to_hex(digest(hash_of(vector.prf), {all->view()})) == vector.hash_of_all);
    const auto beyond = prf_plus(vector.prf, text("k"), {text("s")}, most + 1);
    REQUIRE_FALSE(beyond);
    CHECK(beyond.error() == CryptoError::kTooMuchOutput);
  }
}

TEST_CASE("prf of parts is prf of the whole, and has its full length") {
  for (const Vector& vector : kVectors) {
    const SecretBytes whole = prf(vector.prf, text("key"), text("some data"));
    CHECK(whole.size() == prf_octets(vector.prf));
    CHECK(whole == prf(vector.prf, text("key"), {text("some"), text(" data")}));
    CHECK_FALSE(whole == prf(vector.prf, text("kez"), text("some data")));
  }
}
