// SPDX-License-Identifier: Apache-2.0
// The lanes of hw/rtl as Vitis HLS calls them: what each JSON description names as its C function. A block's octet 0 is
// in the top bits, as in the standards.
#pragma once

#include "hw/kernel/stream.hpp"

// E(key, nonce || counter). `round_keys`: round 0 in the top 128 bits.
void aes_ctr_lane(tandem::card::WideWord<96> nonce, tandem::card::WideWord<32> counter,
                  tandem::card::WideWord<1920> round_keys, bool key256, tandem::card::WideWord<128>& stream);

// (block + addend) * power in GF(2^128).
void ghash_lane(tandem::card::WideWord<128> block, tandem::card::WideWord<128> addend,
                tandem::card::WideWord<128> power, tandem::card::WideWord<128>& product);
