// SPDX-License-Identifier: Apache-2.0
// What the black boxes compute, for C simulation; synthesis takes the Verilog.
#include "hw/rtl/lanes.hpp"

#include "hw/kernel/lanes.hpp"

using namespace tandem::card;

void aes_ctr_lane(WideWord<96> nonce, WideWord<32> counter, WideWord<1920> round_keys, bool key256,
                  WideWord<128>& stream) {
  AesKey key = {};
  key.rounds = key256 ? 14 : 10;
  lane_octets_get(round_keys, key.round_keys);
  std::uint8_t block[16];
  lane_octets_get(nonce, block);
  store_be32(block + kGcmNonceOctets, static_cast<std::uint32_t>(word_get(counter, 0, 32)));
  aes_encrypt(key, block);
  lane_octets_set(stream, block);
}

void ghash_lane(WideWord<128> block, WideWord<128> addend, WideWord<128> power, WideWord<128>& product) {
  lane_element_set(product,
                   CppLanes::product(lane_element_get(block), lane_element_get(addend), lane_element_get(power)));
}
