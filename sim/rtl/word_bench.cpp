// SPDX-License-Identifier: Apache-2.0
#include "sim/rtl/word_bench.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "hw/leaf/gcm_image.hpp"
#include "hw/leaf/gcm_rtl_native.hpp"

namespace tandem::sim {
namespace {

constexpr std::size_t kWord = card::kWordDataOctets;
// Clocks without any item moving after which the kernel hangs; the pipeline is a tenth as long.
constexpr unsigned kHangClocks = 2000;

std::size_t words_of(std::size_t octets) { return (octets + kWord - 1) / kWord; }

// All words of a packet's stream, with those too many or too few.
std::vector<card::EngineWord> stream_of(const RtlPacket& packet) {
  std::vector<card::EngineWord> words;
  for (std::size_t at = 0; at < packet.data.size(); at += kWord) {
    words.push_back(rubbish_ended_word(packet.data, at));
  }
  const auto wanted = static_cast<std::size_t>(static_cast<int>(words.size()) + packet.surplus_words);
  words.resize(words.empty() ? 0 : std::max<std::size_t>(wanted, 1));
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i].set(card::kWordLastBit, 1, i + 1 == words.size() ? 1 : 0);
    words[i].set(card::kWordUserLow, card::kWordUserBits, words.size() % 256);
  }
  return words;
}

}  // namespace

card::GcmJob gcm_job(const RtlPacket& packet) {
  card::GcmJob job = {};
  job.octets = static_cast<std::uint32_t>(packet.data.size());
  job.aad_octets = static_cast<std::uint32_t>(packet.aad.size());
  job.key256 = packet.key.size() == 32;
  std::copy(packet.nonce.begin(), packet.nonce.end(), job.nonce);
  std::copy(packet.aad.begin(), packet.aad.end(), job.aad);
  return job;
}

card::EngineWord rubbish_ended_word(const Octets& data, std::size_t at) {
  card::EngineWord word =
      card::engine_word(data.data(), static_cast<std::uint32_t>(data.size()), static_cast<std::uint32_t>(at));
  for (std::size_t i = data.size() - at; i < kWord; ++i) {
    word.set(card::kWordDataLow + static_cast<int>(8 * i), 8, 0xa5);
  }
  return word;
}

Octets random_octets(std::mt19937_64& random, std::size_t count) {
  Octets out(count);
  for (std::uint8_t& octet : out) {
    octet = static_cast<std::uint8_t>(random());
  }
  return out;
}

WordBench::WordBench(std::uint64_t seed) : random_(seed) {
  for (const std::string& bin : bins()) {
    coverage_[bin] = 0;
  }
}

std::vector<std::string> WordBench::bins() {
  return {"aes-128",
          "aes-256",
          "seal",
          "open",
          "aad none",
          "aad 8",
          "aad 12",
          "aad other",
          "no payload",
          "one word",
          "2-6 words: no sum carried",
          "7-12 words: sums carried once",
          "13+ words: sums carried again",
          "over 64 words",
          "last word full",
          "last word partial",
          "1 block in the last word",
          "2 blocks in the last word",
          "3 blocks in the last word",
          "4 blocks in the last word",
          "key changes between neighbours",
          "key replaced",
          "packets back to back",
          "gap between packets",
          "gap inside a packet",
          "gap inside a packet with sums carried",
          "job late",
          "target held",
          "tag held",
          "source refused",
          "stream shorter than its job",
          "stream longer than its job"};
}

void WordBench::load(const Octets& key, std::uint32_t index) {
  card::GcmImage image;
  card::gcm_image_expand(key.data(), key.size() == 32, image);
  card::GcmWordIn in = {};
  for (std::uint32_t n = 0; n < card::kEngineKeyRows; ++n) {
    in.key_valid = true;
    in.key = card::engine_key(image.rows[n], index, card::gcm_image_row(n));
    if (!model_.clock(in).key_ready) {
      throw std::runtime_error("gcm_word refused a key");
    }
  }
}

void WordBench::load(const std::vector<RtlPacket>& packets) {
  std::set<Octets> wanted;
  for (const RtlPacket& packet : packets) {
    wanted.insert(packet.key);
  }
  if (wanted.size() > kPlaces) {
    throw std::runtime_error("too many keys for one run");
  }
  for (const Octets& key : wanted) {
    if (keys_.count(key) != 0) {
      continue;
    }
    // Not the place of a key that this run needs.
    auto holder = keys_.end();
    do {
      next_place_ = (next_place_ + 1) % kPlaces;
      holder = std::find_if(keys_.begin(), keys_.end(), [&](const auto& held) { return held.second == next_place_; });
    } while (holder != keys_.end() && wanted.count(holder->first) != 0);
    if (holder != keys_.end()) {
      keys_.erase(holder);
      ++coverage_["key replaced"];
    }
    keys_[key] = next_place_;
    load(key, next_place_);
  }
}

void WordBench::cover_packets(const std::vector<RtlPacket>& packets) {
  const Octets* before = nullptr;
  for (const RtlPacket& packet : packets) {
    const std::size_t octets = packet.data.size(), words = words_of(octets), aad = packet.aad.size();
    ++coverage_[packet.key.size() == 32 ? "aes-256" : "aes-128"];
    ++coverage_[packet.seal ? "seal" : "open"];
    ++coverage_[aad == 0 ? "aad none" : aad == 8 ? "aad 8" : aad == 12 ? "aad 12" : "aad other"];
    ++coverage_[words == 0    ? "no payload"
                : words == 1  ? "one word"
                : words <= 6  ? "2-6 words: no sum carried"
                : words <= 12 ? "7-12 words: sums carried once"
                              : "13+ words: sums carried again"];
    coverage_["over 64 words"] += words > 64 ? 1 : 0;
    if (words > 0) {
      ++coverage_[octets % kWord == 0 ? "last word full" : "last word partial"];
      const std::size_t blocks = (octets - 1) % kWord / 16 + 1;
      ++coverage_[std::to_string(blocks) + (blocks == 1 ? " block in the last word" : " blocks in the last word")];
    }
    coverage_["key changes between neighbours"] += before != nullptr && *before != packet.key ? 1 : 0;
    coverage_["stream shorter than its job"] += packet.surplus_words < 0 ? 1 : 0;
    coverage_["stream longer than its job"] += packet.surplus_words > 0 ? 1 : 0;
    before = &packet.key;
  }
}

// One run's place in its streams.
struct WordBench::Run {
  const std::vector<RtlPacket>& packets;
  std::vector<card::EngineWord> source;
  std::vector<std::size_t> source_words;  // of each packet that has some
  std::vector<RtlResult> results;
  std::size_t job_at = 0;
  std::size_t source_at = 0;
  std::size_t source_packet = 0;
  std::size_t source_word = 0;
  std::size_t target_at = 0;
  std::size_t tag_at = 0;
  std::uint64_t clock = 0;
  bool moved_before = false;

  explicit Run(const std::vector<RtlPacket>& all) : packets(all), results(all.size()) {
    for (const RtlPacket& packet : all) {
      const auto words = stream_of(packet);
      source.insert(source.end(), words.begin(), words.end());
      if (!words.empty()) {
        source_words.push_back(words.size());
      }
    }
    skip_empty();
  }

  void skip_empty() {
    while (target_at < packets.size() && results[target_at].data.size() == packets[target_at].data.size()) {
      ++target_at;
    }
  }

  bool done() const { return tag_at == packets.size() && target_at == packets.size() && source_at == source.size(); }

  void take_word(const card::EngineWord& word) {
    if (target_at == packets.size()) {
      throw std::runtime_error("gcm_word gave a word too many");
    }
    const std::size_t all = packets[target_at].data.size(), had = results[target_at].data.size();
    const std::size_t count = std::min(all - had, kWord);
    const std::uint64_t keep = count == kWord ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
    Octets octets(kWord);
    word.get_octets(card::kWordDataLow, octets.data(), kWord);
    if (word.get(card::kWordKeepLow, 64) != keep || (word.get(card::kWordLastBit, 1) != 0) != (had + count == all) ||
        std::any_of(octets.begin() + static_cast<std::ptrdiff_t>(count), octets.end(), [](auto o) { return o != 0; })) {
      throw std::runtime_error("gcm_word gave a word with wrong keep, last or padding");
    }
    if (packets[target_at].surplus_words == 0 &&
        word.get(card::kWordUserLow, card::kWordUserBits) != words_of(all) % 256) {
      throw std::runtime_error("gcm_word lost a word's user bits");
    }
    results[target_at].data.insert(results[target_at].data.end(), octets.begin(),
                                   octets.begin() + static_cast<std::ptrdiff_t>(count));
    skip_empty();
  }

  void take_tag(const card::EngineTag& tag) {
    if (tag_at == packets.size() || tag.get(card::kEngineTagMarkLow, 16) != (tag_at & 0xffff)) {
      throw std::runtime_error("gcm_word gave a tag out of turn");
    }
    results[tag_at].tag.resize(card::kGcmTagOctets);
    tag.get_octets(card::kEngineTagLow, results[tag_at].tag.data(), card::kGcmTagOctets);
    results[tag_at].bad = tag.get(card::kEngineTagBadBit, 1) != 0;
    ++tag_at;
  }

  // Moves on by a word; what it means for the coverage.
  void take_source(bool moved, Coverage& coverage) {
    if (source_at == source.size()) {
      return;
    }
    if (!moved) {
      const bool carried = source_packet < source_words.size() && source_words[source_packet] > 6 && source_word > 0;
      coverage["gap inside a packet"] += moved_before && source_word > 0 ? 1 : 0;
      coverage["gap inside a packet with sums carried"] += moved_before && carried ? 1 : 0;
      coverage["gap between packets"] += moved_before && source_word == 0 ? 1 : 0;
    } else {
      coverage["packets back to back"] += moved_before && source_word == 0 ? 1 : 0;
      ++source_at;
      if (++source_word == source_words[source_packet]) {
        source_word = 0;
        ++source_packet;
      }
    }
    moved_before = moved;
  }
};

std::vector<RtlResult> WordBench::run(const std::vector<RtlPacket>& packets, const RtlPace& pace) {
  load(packets);
  cover_packets(packets);
  Run run(packets);
  clocks_ = {};
  // Once offered, an item stands until it is taken (AXI4-Stream): `job` and `source` remember that.
  bool job_offered = false, source_offered = false, started = false;
  unsigned idle = 0;
  card::GcmWordIn in = {};
  while (!run.done()) {
    job_offered = run.job_at < packets.size() && (job_offered || willing(pace.job));
    source_offered = run.source_at < run.source.size() && (source_offered || willing(pace.source));
    in.job_valid = job_offered;
    in.source_valid = source_offered;
    if (job_offered) {
      const RtlPacket& packet = packets[run.job_at];
      in.job = card::engine_job(gcm_job(packet), keys_.at(packet.key), packet.seal,
                                static_cast<std::uint32_t>(run.job_at & 0xffff));
    }
    if (source_offered) {
      in.source = run.source[run.source_at];
    }
    in.target_ready = willing(pace.target);
    in.tag_ready = willing(pace.tag);
    const card::GcmWordOut out = model_.clock(in);
    const bool job_moved = in.job_valid && out.job_ready, source_moved = in.source_valid && out.source_ready;
    const bool target_moved = in.target_ready && out.target_valid, tag_moved = in.tag_ready && out.tag_valid;
    coverage_["job late"] += !in.job_valid && run.job_at < packets.size() && in.source_valid ? 1 : 0;
    coverage_["target held"] += out.target_valid && !in.target_ready ? 1 : 0;
    coverage_["tag held"] += out.tag_valid && !in.tag_ready ? 1 : 0;
    coverage_["source refused"] += in.source_valid && !out.source_ready ? 1 : 0;
    if (source_moved && !started) {
      clocks_.first_source = run.clock;
      started = true;
    }
    run.take_source(source_moved, coverage_);
    if (target_moved) {
      clocks_.first_target = clocks_.words == 0 ? run.clock : clocks_.first_target;
      clocks_.last_target = run.clock;
      ++clocks_.words;
      run.take_word(out.target);
    }
    if (tag_moved) {
      clocks_.first_tag = run.tag_at == 0 ? run.clock : clocks_.first_tag;
      run.take_tag(out.tag);
    }
    run.job_at += job_moved ? 1 : 0;
    job_offered = job_offered && !job_moved;
    source_offered = source_offered && !source_moved;
    idle = job_moved || source_moved || target_moved || tag_moved ? 0 : idle + 1;
    if (idle > kHangClocks) {
      throw std::runtime_error("gcm_word hangs");
    }
    ++run.clock;
  }
  return run.results;
}

}  // namespace tandem::sim
