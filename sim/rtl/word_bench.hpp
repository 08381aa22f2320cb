// SPDX-License-Identifier: Apache-2.0
// Traffic for the simulated gcm_word: packets in, results out, with gaps and back-pressure drawn from a seed, and a
// count of what happened on the way.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "hw/leaf/gcm.hpp"
#include "hw/leaf/gcm_word_native.hpp"

namespace tandem::sim {

using Octets = std::vector<std::uint8_t>;

struct RtlPacket {
  Octets key;  // 16 or 32 octets
  Octets nonce;
  Octets aad;
  Octets data;
  bool seal = true;
  // Words by which the stream is longer (shorter) than the job says: a fault of who feeds it.
  int surplus_words = 0;
};

struct RtlResult {
  Octets data;
  Octets tag;
  bool bad = false;

  bool operator==(const RtlResult&) const = default;
};

// Percent of clocks in which each side is willing.
struct RtlPace {
  unsigned job = 100;
  unsigned source = 100;
  unsigned target = 100;
  unsigned tag = 100;
};

struct RtlClocks {
  std::uint64_t first_source = 0;
  std::uint64_t first_target = 0;
  std::uint64_t last_target = 0;
  std::uint64_t first_tag = 0;
  std::uint64_t words = 0;
  // In the steady state: from the first word that leaves to the last.
  double words_per_clock() const {
    return static_cast<double>(words) / static_cast<double>(last_target - first_target + 1);
  }
};

using Coverage = std::map<std::string, std::uint64_t>;

// The engine's job of a packet; its key, data and tag are for the caller to fill in.
card::GcmJob gcm_job(const RtlPacket& packet);

// A packet's word at `at`, with what lies behind its end in the last word filled with rubbish: nobody promises zeros.
card::EngineWord rubbish_ended_word(const Octets& data, std::size_t at);

class WordBench {
 public:
  explicit WordBench(std::uint64_t seed);

  // Loads the packets' keys (at most 64), then leads all packets through. Throws std::runtime_error when the kernel
  // hangs or answers with what nobody asked for.
  std::vector<RtlResult> run(const std::vector<RtlPacket>& packets, const RtlPace& pace);

  const RtlClocks& clocks() const { return clocks_; }
  const Coverage& coverage() const { return coverage_; }
  // All bins, also those not met.
  static std::vector<std::string> bins();

 private:
  struct Run;
  void load(const std::vector<RtlPacket>& packets);
  void load(const Octets& key, std::uint32_t index);
  void cover_packets(const std::vector<RtlPacket>& packets);
  bool willing(unsigned percent) { return percent >= 100 || random_() % 100 < percent; }

  card::GcmWordModel model_;
  std::mt19937_64 random_;
  // Few places, so that keys replace each other.
  static constexpr std::uint32_t kPlaces = 64;
  std::map<Octets, std::uint32_t> keys_;
  std::uint32_t next_place_ = 0;
  RtlClocks clocks_;
  Coverage coverage_;
};

Octets random_octets(std::mt19937_64& random, std::size_t count);

}  // namespace tandem::sim
