// SPDX-License-Identifier: Apache-2.0
// The engine in C++ and the engine in Verilog have the same streams: item for item in, item for item out.
#include <algorithm>
#include <catch2/catch.hpp>

#include "hw/kernel/tops.hpp"
#include "hw/leaf/gcm_image.hpp"
#include "hw/leaf/gcm_rtl_native.hpp"
#include "sim/rtl/traffic.hpp"

using namespace tandem;
using namespace tandem::sim;

namespace {

template <int kBits>
card::WideWord<kBits> wide(const card::EngineItem<kBits>& item) {
  card::WideWord<kBits> word;
  std::copy(item.parts.begin(), item.parts.end(), word.parts);
  return word;
}

template <int kBits>
card::EngineItem<kBits> narrow(const card::WideWord<kBits>& word) {
  card::EngineItem<kBits> item = {};
  std::copy(std::begin(word.parts), std::end(word.parts), item.parts.begin());
  return item;
}

struct Items {
  std::vector<card::EngineKey> keys;
  std::vector<card::EngineJob> jobs;
  std::vector<card::EngineWord> source;
  std::vector<std::size_t> words;  // of each job
};

struct Answers {
  std::vector<card::EngineWord> target;
  std::vector<card::EngineTag> tags;
};

// Random packets; some streams a word longer or shorter than their job says.
Items random_items(std::mt19937_64& random) {
  Items items;
  const auto keys = random_keys(random, 4);
  for (std::size_t k = 0; k < keys.size(); ++k) {
    card::GcmImage image;
    card::gcm_image_expand(keys[k].data(), keys[k].size() == 32, image);
    for (std::uint32_t n = 0; n < card::kEngineKeyRows; ++n) {
      items.keys.push_back(card::engine_key(image.rows[n], static_cast<std::uint32_t>(k), card::gcm_image_row(n)));
    }
  }
  // Jobs without payload that count the rows, for the body that waits for them.
  for (std::size_t k = 0; k < keys.size(); ++k) {
    RtlPacket empty = random_packet(random, keys, 0);
    items.jobs.push_back(card::engine_job(gcm_job(empty), static_cast<std::uint32_t>(k), true, 0));
    items.jobs.back().set(card::kEngineJobRowsLow, card::kEngineJobRowsBits, card::kEngineKeyRows);
    items.words.push_back(0);
  }
  for (std::size_t i = 0; i < 300; ++i) {
    const RtlPacket packet = random_packet(random, keys, i < 130 ? i : random() % 2000);
    const auto place = static_cast<std::uint32_t>(std::find(keys.begin(), keys.end(), packet.key) - keys.begin());
    items.jobs.push_back(card::engine_job(gcm_job(packet), place, packet.seal, static_cast<std::uint32_t>(i)));
    std::vector<card::EngineWord> words;
    for (std::size_t at = 0; at < packet.data.size(); at += card::kWordDataOctets) {
      words.push_back(card::engine_word(packet.data.data(), static_cast<std::uint32_t>(packet.data.size()),
                                        static_cast<std::uint32_t>(at)));
      words.back().set(card::kWordUserLow, card::kWordUserBits, i % 256);
    }
    if (i % 10 == 7 && !words.empty()) {
      words.resize(words.size() > 1 && i % 20 == 7 ? words.size() - 1 : words.size() + 1);
      for (std::size_t w = 0; w < words.size(); ++w) {
        words[w].set(card::kWordLastBit, 1, w + 1 == words.size() ? 1 : 0);
      }
    }
    items.words.push_back(words.size());
    items.source.insert(items.source.end(), words.begin(), words.end());
  }
  return items;
}

Answers through_cpp(const Items& items) {
  card::Stream<card::KeyWord> key;
  card::Stream<card::JobWord> job;
  card::Stream<card::Word> source, target;
  card::Stream<card::TagWord> tag;
  Answers answers;
  std::size_t at = 0;
  for (std::size_t i = 0; i < items.jobs.size(); ++i) {
    for (std::size_t row = i * card::kEngineKeyRows; row < (i + 1) * card::kEngineKeyRows && row < items.keys.size();
         ++row) {
      key.write(wide(items.keys[row]));
    }
    job.write(wide(items.jobs[i]));
    for (std::size_t w = 0; w < items.words[i]; ++w) {
      source.write(wide(items.source[at++]));
    }
    tandem_engine(key, job, source, target, tag);
    while (!target.empty()) {
      answers.target.push_back(narrow(target.read()));
    }
    answers.tags.push_back(narrow(tag.read()));
  }
  return answers;
}

Answers through_rtl(const Items& items) {
  card::GcmWordModel model;
  card::GcmWordIn in = {};
  in.key_valid = true;
  for (const auto& item : items.keys) {
    in.key = item;
    model.clock(in);
  }
  in.key_valid = false;
  in.target_ready = in.tag_ready = true;
  Answers answers;
  std::size_t job_at = 0, source_at = 0;
  for (int clock = 0; clock < 100000 && answers.tags.size() < items.jobs.size(); ++clock) {
    in.job_valid = job_at < items.jobs.size();
    in.source_valid = source_at < items.source.size();
    in.job = in.job_valid ? items.jobs[job_at] : in.job;
    in.source = in.source_valid ? items.source[source_at] : in.source;
    const card::GcmWordOut out = model.clock(in);
    job_at += in.job_valid && out.job_ready ? 1 : 0;
    source_at += in.source_valid && out.source_ready ? 1 : 0;
    if (out.target_valid) {
      answers.target.push_back(out.target);
    }
    if (out.tag_valid) {
      answers.tags.push_back(out.tag);
    }
  }
  return answers;
}

}  // namespace

TEST_CASE("the C++ engine kernel and gcm_word answer the same items with the same items") {
  std::mt19937_64 random(9);
  const Items items = random_items(random);
  const Answers cpp = through_cpp(items), rtl = through_rtl(items);
  CHECK(cpp.tags.size() == items.jobs.size());
  CHECK(rtl.tags == cpp.tags);
  CHECK(rtl.target == cpp.target);
}
