// SPDX-License-Identifier: Apache-2.0
#include "hw/leaf/gcm_rtl_native.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "hw/leaf/gcm_image.hpp"

namespace tandem {
namespace card {
namespace {

struct NamedImage {
  std::uint64_t name;  // of this expansion, never 0
  GcmImage image;
};

// Far beyond what a batch can need: a model that answers nothing is a fault of ours.
constexpr std::uint64_t kClocksPerJobMax = 100000;
// Jobs inside the kernel at a time: 64 tags of room, two at its entry.
constexpr std::uint32_t kUnderWayMax = 128;

std::uint64_t name_of(const void* key) { return static_cast<const NamedImage*>(key)->name; }

std::uint32_t index_of(const void* key) { return static_cast<std::uint32_t>(name_of(key) % GcmWordModel::kKeys); }

std::uint32_t words_of(std::uint32_t octets) { return (octets + kWordDataOctets - 1) / kWordDataOctets; }

}  // namespace

EngineJob engine_job(const GcmJob& job, std::uint32_t key_index, bool seal, std::uint32_t mark) {
  EngineJob item = {};
  item.set(kEngineJobIndexLow, 16, key_index);
  item.set(kEngineJobOctetsLow, 16, job.octets);
  item.set(kEngineJobAadOctetsLow, 8, job.aad_octets);
  item.set(kEngineJobSealBit, 1, seal ? 1 : 0);
  item.set(kEngineJobKey256Bit, 1, job.key256 ? 1 : 0);
  item.set(kEngineJobMarkLow, 16, mark);
  item.set_octets(kEngineJobNonceLow, job.nonce, kGcmNonceOctets);
  item.set_octets(kEngineJobAadLow, job.aad, job.aad_octets);
  return item;
}

EngineWord engine_word(const std::uint8_t* data, std::uint32_t octets, std::uint32_t at) {
  EngineWord word = {};
  const std::uint32_t count = std::min<std::uint32_t>(octets - at, kWordDataOctets);
  word.set_octets(kWordDataLow, data + at, count);
  word.set(kWordKeepLow, 64, count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1);
  word.set(kWordLastBit, 1, octets - at <= kWordDataOctets ? 1 : 0);
  return word;
}

EngineKey engine_key(const std::uint8_t* row_octets, std::uint32_t key_index, std::uint32_t row) {
  EngineKey item = {};
  item.set_octets(kEngineKeyDataLow, row_octets, 16);
  item.set(kEngineKeyIndexLow, 16, key_index);
  item.set(kEngineKeyRowLow, 8, row);
  return item;
}

GcmRtl::GcmRtl() : model_(), figures_(), next_name_(1), batch_(0), keys_(new LoadedKey[GcmWordModel::kKeys]()) {}

GcmRtl::~GcmRtl() { delete[] keys_; }

std::size_t GcmRtl::key_octets() { return sizeof(NamedImage); }

void GcmRtl::expand(const std::uint8_t* key, bool key256, void* out) {
  NamedImage& named = *static_cast<NamedImage*>(out);
  gcm_image_expand(key, key256, named.image);
  named.name = next_name_++;
}

void GcmRtl::load(const void* key) {
  const NamedImage& named = *static_cast<const NamedImage*>(key);
  const std::uint32_t index = index_of(key);
  GcmWordIn in = {};
  in.key_valid = true;
  for (std::uint32_t n = 0; n < kEngineKeyRows; ++n) {
    in.key = engine_key(named.image.rows[n], index, gcm_image_row(n));
    model_.clock(in);
  }
  keys_[index].name = named.name;
  ++figures_.keys_loaded;
}

// What goes in and comes out of the model while one batch is under way.
struct GcmRtl::Batch {
  const GcmJob* jobs;
  std::uint32_t count;
  std::uint32_t job;        // next to offer
  std::uint32_t source;     // whose word is next to offer
  std::uint32_t source_at;  // octets
  std::uint32_t target;
  std::uint32_t target_at;
  std::uint32_t tag;
  std::uint64_t clocks;
  std::uint64_t packet_clocks_sum;
  std::uint64_t packet_clocks_max;
  std::uint64_t began[kUnderWayMax];  // of the jobs that the kernel has taken

  void skip_empty() {
    while (source < count && jobs[source].octets == 0) {
      ++source;
    }
    while (target < count && jobs[target].octets == 0) {
      ++target;
    }
  }

  void offer(GcmWordIn& in, bool seal) const {
    in.job_valid = job < count;
    if (in.job_valid) {
      in.job = engine_job(jobs[job], index_of(jobs[job].key), seal, job & 0xffff);
    }
    in.source_valid = source < count;
    if (in.source_valid) {
      in.source = engine_word(jobs[source].data, jobs[source].octets, source_at);
    }
  }

  void answer(const GcmWordIn& in, const GcmWordOut& out) {
    if (in.job_valid && out.job_ready) {
      began[job++ % kUnderWayMax] = clocks;
    }
    if (in.source_valid && out.source_ready) {
      source_at += kWordDataOctets;
      if (source_at >= jobs[source].octets) {
        source_at = 0;
        ++source;
      }
    }
    if (out.target_valid) {
      const std::uint32_t octets = std::min<std::uint32_t>(jobs[target].octets - target_at, kWordDataOctets);
      out.target.get_octets(kWordDataLow, jobs[target].data + target_at, octets);
      target_at += kWordDataOctets;
      if (target_at >= jobs[target].octets) {
        target_at = 0;
        ++target;
      }
    }
    if (out.tag_valid) {
      out.tag.get_octets(kEngineTagLow, jobs[tag].tag, kGcmTagOctets);
      const std::uint64_t took = clocks - began[tag++ % kUnderWayMax];
      packet_clocks_sum += took;
      packet_clocks_max = std::max(packet_clocks_max, took);
    }
    skip_empty();
  }
};

// Jobs whose keys lie in the model's memory at the same time.
void GcmRtl::run_batch(const GcmJob* jobs, std::uint32_t count, bool seal) {
  Batch batch = {};
  batch.jobs = jobs;
  batch.count = count;
  batch.skip_empty();
  GcmWordIn in = {};
  in.target_ready = true;
  in.tag_ready = true;
  const std::uint64_t clocks_max = kClocksPerJobMax * count;
  while (batch.tag < count) {
    batch.offer(in, seal);
    batch.answer(in, model_.clock(in));
    if (++batch.clocks > clocks_max) {
      throw std::runtime_error("the RTL engine gave no answer");
    }
  }
  figures_.clocks += batch.clocks;
  figures_.packet_clocks_sum += batch.packet_clocks_sum;
  figures_.packet_clocks_max = std::max(figures_.packet_clocks_max, batch.packet_clocks_max);
  figures_.packets += count;
}

void GcmRtl::run(const GcmJob* jobs, std::uint32_t count, bool seal) {
  std::uint32_t begin = 0;
  ++batch_;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (jobs[i].octets > kEngineOctetsMax || jobs[i].aad_octets > kEngineAadMax) {
      throw std::runtime_error("the RTL engine: a job is longer than the contract allows");
    }
    LoadedKey& place = keys_[index_of(jobs[i].key)];
    if (place.name != name_of(jobs[i].key)) {
      if (place.used_by == batch_) {  // the key that stands there still has packets to come
        run_batch(jobs + begin, i - begin, seal);
        begin = i;
        ++batch_;
      }
      load(jobs[i].key);
    }
    place.used_by = batch_;
    figures_.words += words_of(jobs[i].octets);
  }
  run_batch(jobs + begin, count - begin, seal);
}

}  // namespace card
}  // namespace tandem
