// SPDX-License-Identifier: Apache-2.0
// The AES-GCM engine's native bodies: IPsec-MB with keys prefetched ahead, the synthesisable C++, the simulated RTL.
#include "hw/leaf/gcm_native.hpp"

#include <intel-ipsec-mb.h>

#include <algorithm>
#include <stdexcept>

#include "hw/leaf/gcm_hls.hpp"
#include "hw/leaf/gcm_rtl_native.hpp"

namespace tandem {
namespace card {
namespace {

// Far enough ahead to hide memory latency behind one packet's work, near enough to stay in the cache.
constexpr std::uint32_t kPrefetchAhead = 4;

void prefetch_key(const void* key) {
  const char* line = static_cast<const char*>(key);
  for (std::size_t at = 0; at < sizeof(gcm_key_data); at += 64) {
    __builtin_prefetch(line + at, 0, 3);
  }
}

const gcm_key_data* mb_key(const GcmJob& job) { return static_cast<const gcm_key_data*>(job.key); }

}  // namespace

GcmEngine::GcmEngine(Crypto body) : manager_(nullptr), rtl_(nullptr) {
  if (body == Crypto::kRtl) {
    rtl_ = new GcmRtl;
  }
  if (body != Crypto::kNative) {
    return;
  }
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (manager == nullptr) {
    throw std::runtime_error("IPsec-MB: no memory for a manager");
  }
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager, &arch);
  if (imb_get_errno(manager) != 0 || arch == IMB_ARCH_NONE) {
    free_mb_mgr(manager);
    throw std::runtime_error("IPsec-MB: this CPU is not supported");
  }
  manager_ = manager;
}

GcmEngine::~GcmEngine() {
  if (manager_ != nullptr) {
    free_mb_mgr(static_cast<IMB_MGR*>(manager_));
  }
  delete rtl_;
}

std::size_t GcmEngine::key_octets() {
  return (std::max({sizeof(gcm_key_data), sizeof(GcmHlsKey), GcmRtl::key_octets()}) + 63) / 64 * 64;
}

bool GcmEngine::built_in(Crypto body) { return body != Crypto::kRtl || GcmWordModel::built_in(); }

EngineFigures GcmEngine::figures() const { return rtl_ != nullptr ? rtl_->figures() : EngineFigures(); }

void GcmEngine::expand(const std::uint8_t* key, bool key256, void* out) const {
  if (rtl_ != nullptr) {
    rtl_->expand(key, key256, out);
    return;
  }
  if (manager_ == nullptr) {
    gcm_hls_expand(key, key256, *static_cast<GcmHlsKey*>(out));
    return;
  }
  IMB_MGR* manager = static_cast<IMB_MGR*>(manager_);
  if (key256) {
    IMB_AES256_GCM_PRE(manager, key, static_cast<gcm_key_data*>(out));
  } else {
    IMB_AES128_GCM_PRE(manager, key, static_cast<gcm_key_data*>(out));
  }
}

void GcmEngine::seal(const GcmJob* jobs, std::uint32_t count) const {
  if (rtl_ != nullptr) {
    rtl_->run(jobs, count, true);
    return;
  }
  IMB_MGR* manager = static_cast<IMB_MGR*>(manager_);
  gcm_context_data context;
  for (std::uint32_t i = 0; i < count; ++i) {
    const GcmJob& job = jobs[i];
    if (manager == nullptr) {
      gcm_hls_run<CppLanes>(job, true);
      continue;
    }
    if (i + kPrefetchAhead < count && jobs[i + kPrefetchAhead].key != job.key) {
      prefetch_key(jobs[i + kPrefetchAhead].key);
    }
    if (job.key256) {
      IMB_AES256_GCM_ENC(manager, mb_key(job), &context, job.data, job.data, job.octets, job.nonce, job.aad,
                         job.aad_octets, job.tag, kGcmTagOctets);
    } else {
      IMB_AES128_GCM_ENC(manager, mb_key(job), &context, job.data, job.data, job.octets, job.nonce, job.aad,
                         job.aad_octets, job.tag, kGcmTagOctets);
    }
  }
}

void GcmEngine::open(const GcmJob* jobs, std::uint32_t count) const {
  if (rtl_ != nullptr) {
    rtl_->run(jobs, count, false);
    return;
  }
  IMB_MGR* manager = static_cast<IMB_MGR*>(manager_);
  gcm_context_data context;
  for (std::uint32_t i = 0; i < count; ++i) {
    const GcmJob& job = jobs[i];
    if (manager == nullptr) {
      gcm_hls_run<CppLanes>(job, false);
      continue;
    }
    if (i + kPrefetchAhead < count && jobs[i + kPrefetchAhead].key != job.key) {
      prefetch_key(jobs[i + kPrefetchAhead].key);
    }
    if (job.key256) {
      IMB_AES256_GCM_DEC(manager, mb_key(job), &context, job.data, job.data, job.octets, job.nonce, job.aad,
                         job.aad_octets, job.tag, kGcmTagOctets);
    } else {
      IMB_AES128_GCM_DEC(manager, mb_key(job), &context, job.data, job.data, job.octets, job.nonce, job.aad,
                         job.aad_octets, job.tag, kGcmTagOctets);
    }
  }
}

}  // namespace card
}  // namespace tandem
