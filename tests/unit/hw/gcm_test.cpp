// SPDX-License-Identifier: Apache-2.0
// Every body of the AES-GCM engine meets every vector, and OpenSSL at every length.
#include <openssl/evp.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <random>
#include <string>

#include "hw/kernel/lanes.hpp"
#include "hw/leaf/gcm_native.hpp"
#include "rig.hpp"

using namespace tandem::card;
using tandem::card::test::Octets;

namespace {

Octets from_hex(const std::string& text) {
  Octets out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return out;
}

struct Sealed {
  Octets data;
  Octets tag;
};

Sealed run(const GcmEngine& engine, bool seal, const Octets& key, const Octets& nonce, const Octets& aad,
           const Octets& data) {
  void* expanded = std::aligned_alloc(64, GcmEngine::key_octets());
  engine.expand(key.data(), key.size() == 32, expanded);
  Sealed out = {data, Octets(16)};
  out.data.resize(data.size() + 64);
  GcmJob job = {};
  job.key = expanded;
  job.key256 = key.size() == 32;
  job.data = out.data.data();
  job.octets = static_cast<std::uint32_t>(data.size());
  job.tag = out.tag.data();
  job.aad_octets = static_cast<std::uint32_t>(aad.size());
  std::copy(nonce.begin(), nonce.end(), job.nonce);
  std::copy(aad.begin(), aad.end(), job.aad);
  seal ? engine.seal(&job, 1) : engine.open(&job, 1);
  std::free(expanded);
  out.data.resize(data.size());
  return out;
}

Sealed openssl_seal(const Octets& key, const Octets& nonce, const Octets& aad, const Octets& data) {
  Sealed out = {Octets(data.size()), Octets(16)};
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  int count = 0;
  EVP_EncryptInit_ex(context, key.size() == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm(), nullptr, key.data(),
                     nonce.data());
  EVP_EncryptUpdate(context, nullptr, &count, aad.data(), static_cast<int>(aad.size()));
  EVP_EncryptUpdate(context, out.data.data(), &count, data.data(), static_cast<int>(data.size()));
  EVP_EncryptFinal_ex(context, out.data.data() + data.size(), &count);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, out.tag.data());
  EVP_CIPHER_CTX_free(context);
  return out;
}

Octets random_octets(std::mt19937& random, std::size_t count) {
  Octets out(count);
  for (std::uint8_t& octet : out) {
    octet = static_cast<std::uint8_t>(random());
  }
  return out;
}

}  // namespace

TEST_CASE("every engine body agrees with the published GCM vectors", "[GCM-002]") {
  std::ifstream file(TANDEM_GCM_VECTORS);
  REQUIRE(file.good());
  const Crypto body = GENERATE(Crypto::kNative, Crypto::kHls, Crypto::kRtl);
  if (!GcmEngine::built_in(body)) {
    CHECK_THROWS_AS(GcmEngine(body), std::runtime_error);
    return;
  }
  const GcmEngine engine(body);
  std::string line;
  Octets key, nonce, aad, plain, cipher;
  int seen = 0;
  while (std::getline(file, line)) {
    const std::size_t at = line.find('=');
    if (line.empty() || line[0] == '#' || at == std::string::npos) {
      continue;
    }
    const std::string name = line.substr(0, at - 1);
    const Octets value = from_hex(line.substr(std::min(at + 2, line.size())));
    if (name == "Key") key = value;
    if (name == "Nonce") nonce = value;
    if (name == "Aad") aad = value;
    if (name == "Plain") plain = value;
    if (name == "Cipher") cipher = value;
    if (name == "Tag") {
      const Sealed sealed = run(engine, true, key, nonce, aad, plain);
      REQUIRE(sealed.data == cipher);
      REQUIRE(sealed.tag == value);
      const Sealed opened = run(engine, false, key, nonce, aad, cipher);
      REQUIRE(opened.data == plain);
      REQUIRE(opened.tag == value);
      ++seen;
    }
  }
  REQUIRE(seen == 6);
}

TEST_CASE("every engine body agrees with OpenSSL at every length", "[GCM-002][GCM-003]") {
  const Crypto body = GENERATE(Crypto::kNative, Crypto::kHls, Crypto::kRtl);
  if (!GcmEngine::built_in(body)) {
    CHECK_THROWS_AS(GcmEngine(body), std::runtime_error);
    return;
  }
  const GcmEngine engine(body);
  std::mt19937 random(20);
  std::vector<std::size_t> lengths = {511, 513, 1023, 1399, 1400, 1501, 2047, 2303};
  for (std::size_t octets = 1; octets <= 300; ++octets) {
    lengths.push_back(octets);
  }
  for (const std::size_t octets : lengths) {
    for (const std::size_t key_octets : {16u, 32u}) {
      for (const std::size_t aad_octets : {8u, 12u}) {
        const Octets key = random_octets(random, key_octets);
        const Octets nonce = random_octets(random, 12);
        const Octets aad = random_octets(random, aad_octets);
        const Octets data = random_octets(random, octets);
        const Sealed expected = openssl_seal(key, nonce, aad, data);
        const Sealed sealed = run(engine, true, key, nonce, aad, data);
        REQUIRE(sealed.data == expected.data);
        REQUIRE(sealed.tag == expected.tag);
        const Sealed opened = run(engine, false, key, nonce, aad, expected.data);
        REQUIRE(opened.data == data);
        REQUIRE(opened.tag == expected.tag);
      }
    }
  }
}

TEST_CASE("the lanes as black boxes compute what the lanes in C++ compute", "[GCM-003]") {
  std::mt19937 random(21);
  for (const bool key256 : {false, true}) {
    for (const std::size_t octets : {0u, 1u, 16u, 63u, 64u, 200u}) {
      GcmHlsKey key;
      gcm_hls_expand(random_octets(random, 32).data(), key256, key);
      Octets data[2] = {random_octets(random, octets), {}};
      data[1] = data[0];
      Octets tags[2] = {Octets(16), Octets(16)};
      GcmJob job = {};
      job.key = &key;
      job.octets = static_cast<std::uint32_t>(octets);
      job.aad_octets = 8;
      job.data = data[0].data();
      job.tag = tags[0].data();
      gcm_hls_run<CppLanes>(job, true);
      job.data = data[1].data();
      job.tag = tags[1].data();
      gcm_hls_run<RtlLanes>(job, true);
      REQUIRE(data[0] == data[1]);
      REQUIRE(tags[0] == tags[1]);
    }
  }
}
