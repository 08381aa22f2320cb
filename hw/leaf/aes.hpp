// SPDX-License-Identifier: Apache-2.0
// AES-128 and AES-256 encryption of one block, table S-box (FIPS 197). The synthesisable body: the table
// becomes one small ROM a byte lane, the round loop a pipeline. Not constant time in software, which is
// why the native card uses IPsec-MB instead.
//
// II 1, latency `rounds` + 1 with the round loop unrolled; no loop-carried dependency between blocks.
#pragma once

#include <cstdint>

namespace tandem {
namespace card {

constexpr std::uint32_t kAesRoundsMax = 14;

struct AesKey {
  std::uint8_t round_keys[16 * (kAesRoundsMax + 1)];
  std::uint32_t rounds;  // 10 or 14
};

// S-box entry of `octet`: inverse in GF(2^8) followed by the affine map (FIPS 197, 5.1.1).
inline std::uint8_t aes_sub(std::uint8_t octet) {
  static const std::uint8_t kSbox[256] = {
      0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76, 0xca, 0x82, 0xc9,
      0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0, 0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f,
      0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15, 0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07,
      0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75, 0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3,
      0x29, 0xe3, 0x2f, 0x84, 0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58,
      0xcf, 0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8, 0x51, 0xa3,
      0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2, 0xcd, 0x0c, 0x13, 0xec, 0x5f,
      0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73, 0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88,
      0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb, 0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac,
      0x62, 0x91, 0x95, 0xe4, 0x79, 0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a,
      0xae, 0x08, 0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a, 0x70,
      0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e, 0xe1, 0xf8, 0x98, 0x11,
      0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf, 0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42,
      0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
  };
  return kSbox[octet];
}

inline std::uint8_t aes_xtime(std::uint8_t octet) {
  return static_cast<std::uint8_t>((octet << 1) ^ ((octet & 0x80) != 0 ? 0x1b : 0));
}

// Key expansion (FIPS 197, 5.2). `key`: 16 octets, or 32 with `key256`.
inline void aes_expand(const std::uint8_t* key, bool key256, AesKey& out) {
  const std::uint32_t key_words = key256 ? 8 : 4;
  out.rounds = key256 ? 14 : 10;
  const std::uint32_t words = 4 * (out.rounds + 1);
  std::uint8_t rcon = 1;
copy_key:
  for (std::uint32_t i = 0; i < 4 * key_words; ++i) {
#pragma HLS LOOP_TRIPCOUNT max = 32
    out.round_keys[i] = key[i];
  }
expand_words:
  for (std::uint32_t i = key_words; i < words; ++i) {
#pragma HLS LOOP_TRIPCOUNT max = 52
    std::uint8_t word[4];
  last_word:
    for (std::uint32_t b = 0; b < 4; ++b) {
      word[b] = out.round_keys[4 * (i - 1) + b];
    }
    if (i % key_words == 0) {
      const std::uint8_t first = word[0];
      word[0] = static_cast<std::uint8_t>(aes_sub(word[1]) ^ rcon);
      word[1] = aes_sub(word[2]);
      word[2] = aes_sub(word[3]);
      word[3] = aes_sub(first);
      rcon = aes_xtime(rcon);
    } else if (key_words == 8 && i % 8 == 4) {
    substitute:
      for (std::uint32_t b = 0; b < 4; ++b) {
        word[b] = aes_sub(word[b]);
      }
    }
  next_word:
    for (std::uint32_t b = 0; b < 4; ++b) {
      out.round_keys[4 * i + b] = static_cast<std::uint8_t>(out.round_keys[4 * (i - key_words) + b] ^ word[b]);
    }
  }
}

// One block, in place.
inline void aes_encrypt(const AesKey& key, std::uint8_t block[16]) {
add_first_key:
  for (std::uint32_t i = 0; i < 16; ++i) {
    block[i] = static_cast<std::uint8_t>(block[i] ^ key.round_keys[i]);
  }
rounds:
  for (std::uint32_t round = 1; round <= kAesRoundsMax; ++round) {
    if (round <= key.rounds) {
      std::uint8_t shifted[16];
    shift_columns:
      for (std::uint32_t column = 0; column < 4; ++column) {
      shift_rows:
        for (std::uint32_t row = 0; row < 4; ++row) {
          shifted[4 * column + row] = aes_sub(block[4 * ((column + row) % 4) + row]);
        }
      }
    mix_columns:
      for (std::uint32_t column = 0; column < 4; ++column) {
        const std::uint8_t* in = shifted + 4 * column;
        const std::uint8_t all = static_cast<std::uint8_t>(in[0] ^ in[1] ^ in[2] ^ in[3]);
      mix_rows:
        for (std::uint32_t row = 0; row < 4; ++row) {
          const std::uint8_t pair = static_cast<std::uint8_t>(in[row] ^ in[(row + 1) % 4]);
          const std::uint8_t mixed = static_cast<std::uint8_t>(in[row] ^ all ^ aes_xtime(pair));
          const std::uint8_t state = round == key.rounds ? in[row] : mixed;
          block[4 * column + row] = static_cast<std::uint8_t>(state ^ key.round_keys[16 * round + 4 * column + row]);
        }
      }
    }
  }
}

}  // namespace card
}  // namespace tandem
