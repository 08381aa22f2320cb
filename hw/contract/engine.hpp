// SPDX-License-Identifier: Apache-2.0
// The streams of the AES-GCM engine besides its payload words (stream.hpp): expanded keys, one job and one tag a
// packet. Named bit ranges of wide integers; octet n of a field is bits [low + 8n + 7 : low + 8n]. Every body of the
// engine, C++ or Verilog, has these streams: key, job, source -> target, tag.
//
// A key is kEngineKeyRows rows, each one item of the key stream, in any order, written before the job that counts them
// in its rows. A body that takes rows as they come (gcm_word) needs no count; one that waits for them (C++) takes as
// many as the job says. Whoever writes a row of a key has no packet with that key under way. The engine answers jobs in
// order; `source` carries their payload in the same order, an empty one none. A packet has at most kEngineOctetsMax
// octets and kEngineAadMax of AAD.
#pragma once

#include <cstdint>

namespace tandem {
namespace card {

constexpr std::uint32_t kEngineOctetsMax = 16383;
constexpr std::uint32_t kEngineAadMax = 12;

// Rows of an expanded key: the round keys (FIPS 197, 5.2; AES-128 has 11), then powers of the hash key H
// (NIST SP 800-38D, 6.4): row kEngineRowPowers + n - 1 is H^n.
constexpr std::uint32_t kEngineRoundKeys = 15;
constexpr std::uint32_t kEngineRowPowers = 32;
constexpr std::uint32_t kEnginePowers = 24;
constexpr std::uint32_t kEngineKeyRows = kEngineRoundKeys + kEnginePowers;

constexpr int kEngineKeyDataLow = 0;     // [127:0] the row
constexpr int kEngineKeyIndexLow = 128;  // [143:128] which key
constexpr int kEngineKeyRowLow = 144;    // [151:144] which row of it
constexpr int kEngineKeyBits = 192;

constexpr int kEngineJobIndexLow = 0;       // [15:0] which key
constexpr int kEngineJobOctetsLow = 16;     // [31:16] payload
constexpr int kEngineJobAadOctetsLow = 32;  // [39:32]
constexpr int kEngineJobSealBit = 40;       // else open
constexpr int kEngineJobKey256Bit = 41;
constexpr int kEngineJobRowsLow = 42;  // [47:42] rows of the key stream that belong in front of this job
constexpr int kEngineJobRowsBits = 6;
constexpr int kEngineJobMarkLow = 48;   // [63:48] comes back with the tag
constexpr int kEngineJobNonceLow = 64;  // [159:64]
constexpr int kEngineJobAadLow = 160;   // [255:160]
constexpr int kEngineJobBits = 256;

constexpr int kEngineTagLow = 0;        // [127:0] the computed tag; comparing is the reader's
constexpr int kEngineTagMarkLow = 128;  // [143:128]
constexpr int kEngineTagBadBit = 144;   // the payload's `last` was not where the job's length puts it
constexpr int kEngineTagBits = 192;

}  // namespace card
}  // namespace tandem
