// SPDX-License-Identifier: Apache-2.0
// aes_ctr_lane as Vitis HLS drives a black box, against the kernels' C++ body and OpenSSL.
#include <Vaes_ctr_lane.h>
#include <openssl/evp.h>
#include <verilated.h>

#include <catch2/catch.hpp>

#include "hw/leaf/aes.hpp"
#include "hw/leaf/octets.hpp"
#include "lane_rig.hpp"

using namespace tandem;
using tandem::rtl::Octets;

namespace {

struct Block {
  bool key256 = false;
  Octets key;
  Octets input;  // nonce and counter
};

Octets openssl_block(const Block& block) {
  Octets out(32);
  int count = 0;
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(context, block.key256 ? EVP_aes_256_ecb() : EVP_aes_128_ecb(), nullptr, block.key.data(), nullptr);
  EVP_EncryptUpdate(context, out.data(), &count, block.input.data(), 16);
  EVP_CIPHER_CTX_free(context);
  out.resize(16);
  return out;
}

Octets body_block(const Block& block) {
  card::AesKey key = {};
  card::aes_expand(block.key.data(), block.key256, key);
  Octets out = block.input;
  card::aes_encrypt(key, out.data());
  return out;
}

void put(Vaes_ctr_lane& top, const Block& block) {
  card::AesKey key = {};
  card::aes_expand(block.key.data(), block.key256, key);
  rtl::put_octets(top.nonce, 3, block.input.data());
  top.counter = card::load_be32(block.input.data() + 12);
  rtl::put_octets(top.round_keys, 60, key.round_keys);
  top.key256 = block.key256;
}

}  // namespace

TEST_CASE("aes_ctr_lane encrypts the FIPS 197 examples") {
  // FIPS 197, C.1 and C.3.
  Block block;
  for (unsigned i = 0; i < 16; ++i) {
    block.input.push_back(static_cast<std::uint8_t>(0x11 * i));
  }
  for (unsigned i = 0; i < 32; ++i) {
    block.key.push_back(static_cast<std::uint8_t>(i));
  }
  const Octets expected128 = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                              0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
  const Octets expected256 = {0x8e, 0xa2, 0xb7, 0xca, 0x51, 0x67, 0x45, 0xbf,
                              0xea, 0xfc, 0x49, 0x90, 0x4b, 0x49, 0x60, 0x89};
  block.key256 = GENERATE(false, true);
  rtl::LaneRig<Vaes_ctr_lane, Block> rig(5, put, [](Vaes_ctr_lane& top) { return rtl::get_octets(top.stream, 4); });
  CHECK(rig.run({block}, 100, 100) == std::vector<Octets>{block.key256 ? expected256 : expected128});
}

TEST_CASE("aes_ctr_lane gives a block a clock, 15 clocks later, keys changing every clock, clock enable at random") {
  std::mt19937_64 random(6);
  rtl::LaneRig<Vaes_ctr_lane, Block> rig(6, put, [](Vaes_ctr_lane& top) { return rtl::get_octets(top.stream, 4); });
  for (const unsigned enable : {100u, 50u}) {
    for (const unsigned start : {100u, 60u}) {
      std::vector<Block> blocks(200);
      std::vector<Octets> expected;
      for (Block& block : blocks) {
        block.key256 = random() % 2 == 0;
        block.key = rtl::random_octets(random, 32);
        block.input = rtl::random_octets(random, 16);
        expected.push_back(openssl_block(block));
        REQUIRE(expected.back() == body_block(block));
      }
      CAPTURE(enable, start);
      CHECK(rig.run(blocks, start, enable) == expected);
      CHECK(rig.latency_clocks() == 15);
      if (start == 100) {
        CHECK(rig.enabled_clocks() == blocks.size() + 15);
      }
    }
  }
}
