// SPDX-License-Identifier: Apache-2.0
// Vectors: the GCM specification's test cases 4, 10, 16; RFC 8439 2.8.2; NIST SP 800-38A F.2 (CBC).
#include "host/crypto/cipher.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/host/hex.hpp"

using namespace tandem;
using namespace tandem::crypto;
using tandem::test::counting;
using tandem::test::hex;
using tandem::test::text;
using tandem::test::to_hex;

namespace {

struct AeadVector {
  Encr encr;
  Bytes key_and_salt;
  Bytes iv;
  Bytes aad;
  Bytes plain;
  Bytes sealed;
};

Bytes joined(Bytes front, const Bytes& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

std::vector<AeadVector> aead_vectors() {
  const Bytes iv = hex("facedbaddecaf888");
  const Bytes aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const Bytes plain = hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
      "ba637b39");
  return {
      {Encr::kAesGcm16, hex("feffe9928665731c6d6a8f9467308308 cafebabe"), iv, aad, plain,
       hex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051"
           "ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47")},
      {Encr::kAesGcm16, hex("feffe9928665731c6d6a8f9467308308feffe9928665731c cafebabe"), iv, aad, plain,
       hex("3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f471"
           "8e2448b2fe324d9ccda27102519498e80f1478f37ba55bd6d27618c")},
      {Encr::kAesGcm16, hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308 cafebabe"), iv, aad,
       plain,
       hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c"
           "5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b")},
      {Encr::kChaCha20Poly1305, joined(counting(0x80, 32), hex("07000000")), hex("4041424344454647"),
       hex("50515253c0c1c2c3c4c5c6c7"),
       text("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen "
            "would "
            "be it."),
       hex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1"
           "a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3f"
           "f4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691")},
  };
}

}  // namespace

TEST_CASE("AEADs seal and open published vectors", "[AEAD-001]") {
  for (const AeadVector& vector : aead_vectors()) {
    const auto sealed = aead_seal(vector.encr, vector.key_and_salt, vector.iv, vector.aad, vector.plain);
    REQUIRE(sealed);
    CHECK(to_hex(*sealed) == to_hex(vector.sealed));
    const auto opened = aead_open(vector.encr, vector.key_and_salt, vector.iv, vector.aad, *sealed);
    REQUIRE(opened);
    CHECK(*opened == vector.plain);
  }
}

TEST_CASE("one flipped bit anywhere makes opening fail", "[AUTH-005]") {
  for (const AeadVector& vector : aead_vectors()) {
    const auto opens = [&vector](const Bytes& iv, const Bytes& aad, const Bytes& sealed) {
      const auto opened = aead_open(vector.encr, vector.key_and_salt, iv, aad, sealed);
      return opened.ok() || opened.error() != CryptoError::kAuthenticationFailed;
    };
    for (std::size_t bit = 0; bit < vector.sealed.size() * 8; ++bit) {
      Bytes broken = vector.sealed;
      broken[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      REQUIRE_FALSE(opens(vector.iv, vector.aad, broken));
    }
    Bytes iv = vector.iv;
    iv.back() ^= 1;
    CHECK_FALSE(opens(iv, vector.aad, vector.sealed));
    Bytes aad = vector.aad;
    aad.front() ^= 0x80;
    CHECK_FALSE(opens(vector.iv, aad, vector.sealed));
    aad = vector.aad;
    aad.pop_back();
    CHECK_FALSE(opens(vector.iv, aad, vector.sealed));
  }
}

TEST_CASE("an empty message seals to its ICV alone") {
  for (const AeadVector& vector : aead_vectors()) {
    const auto sealed = aead_seal(vector.encr, vector.key_and_salt, vector.iv, {}, {});
    REQUIRE(sealed);
    CHECK(sealed->size() == 16);
    const auto opened = aead_open(vector.encr, vector.key_and_salt, vector.iv, {}, *sealed);
    REQUIRE(opened);
    CHECK(opened->empty());
  }
}

TEST_CASE("wrong sizes are refused, never used") {
  const Bytes iv(8);
  for (std::size_t size = 0; size < 50; ++size) {
    const bool fits = size == 20 || size == 28 || size == 36;
    CHECK(aead_seal(Encr::kAesGcm16, Bytes(size), iv, {}, {}).ok() == fits);
    CHECK(aead_seal(Encr::kChaCha20Poly1305, Bytes(size), iv, {}, {}).ok() == (size == 36));
    CHECK_FALSE(aead_seal(Encr::kAesCbc, Bytes(size), iv, {}, {}));
  }
  for (std::size_t size = 0; size < 20; ++size) {
    CHECK(aead_seal(Encr::kAesGcm16, Bytes(20), Bytes(size), {}, {}).ok() == (size == 8));
  }
  for (std::size_t size = 0; size < 16; ++size) {
    CHECK(aead_open(Encr::kAesGcm16, Bytes(20), iv, {}, Bytes(size)).error() == CryptoError::kBadLength);
  }
}

TEST_CASE("CBC is that of SP 800-38A") {
  const Bytes plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
  const char* const keys[] = {"2b7e151628aed2a6abf7158809cf4f3c", "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                              "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"};
  const char* const ciphers[] = {"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2",
                                 "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a",
                                 "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"};
  for (int i = 0; i < 3; ++i) {
    const auto cipher = cbc_encrypt(hex(keys[i]), counting(0, 16), plain);
    REQUIRE(cipher);
    CHECK(to_hex(*cipher) == ciphers[i]);
    const auto back = cbc_decrypt(hex(keys[i]), counting(0, 16), *cipher);
    REQUIRE(back);
    CHECK(*back == plain);
  }
  for (std::size_t size = 0; size < 64; ++size) {
    CHECK(cbc_encrypt(Bytes(16), Bytes(16), Bytes(size)).ok() == (size % 16 == 0));
    CHECK(cbc_decrypt(Bytes(16), Bytes(16), Bytes(size)).ok() == (size % 16 == 0));
    CHECK(cbc_encrypt(Bytes(size), Bytes(16), Bytes(16)).ok() == (size == 16 || size == 24 || size == 32));
    CHECK(cbc_encrypt(Bytes(16), Bytes(size), Bytes(16)).ok() == (size == 16));
  }
}

// RFC 4231 test case 2, truncated as RFC 4868 wants.
TEST_CASE("integrity sums are truncated HMACs and compared whole") {
  const Bytes key = text("Jefe");
  const Bytes data = text("what do ya want for nothing?");
  const Bytes sum = integrity_sum(Integ::kHmacSha2_256_128, key, {data});
  CHECK(to_hex(sum) == "5bdcc146bf60754e6a042426089575c7");
  CHECK(integrity_verify(Integ::kHmacSha2_256_128, key, {data}, sum));
  CHECK_FALSE(integrity_verify(Integ::kHmacSha2_256_128, key, {data}, ByteView(sum).first(15)));
  CHECK_FALSE(integrity_verify(Integ::kHmacSha2_256_128, key, {data}, {}));
  CHECK_FALSE(integrity_verify(Integ::kNone, key, {data}, {}));
  Bytes broken = sum;
  broken[15] ^= 1;
  CHECK_FALSE(integrity_verify(Integ::kHmacSha2_256_128, key, {data}, broken));
  CHECK(integrity_sum(Integ::kHmacSha2_384_192, key, {data}).size() == 24);
  CHECK(integrity_sum(Integ::kHmacSha2_512_256, key, {data}).size() == 32);
}
