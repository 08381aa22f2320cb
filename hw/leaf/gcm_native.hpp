// SPDX-License-Identifier: Apache-2.0
// The native bodies behind one face: Intel IPsec-MB, or the synthesisable C++ for proof. Not for synthesis.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hw/leaf/gcm.hpp"

namespace tandem {
namespace card {

// One engine. Owns the library's manager; not shared between threads.
class GcmEngine {
 public:
  // `hls`: the synthesisable body instead of IPsec-MB. Throws std::runtime_error when IPsec-MB cannot start.
  explicit GcmEngine(bool hls);
  ~GcmEngine();
  GcmEngine(const GcmEngine&) = delete;
  GcmEngine& operator=(const GcmEngine&) = delete;

  // Octets an expanded key takes, a multiple of 64; place it on a 64-octet boundary.
  static std::size_t key_octets();

  // Expands `key` (16 octets, or 32 with `key256`) into `out`.
  void expand(const std::uint8_t* key, bool key256, void* out) const;

  // Runs the jobs in order, in place; each job's tag is written, nothing is compared.
  void seal(const GcmJob* jobs, std::uint32_t count) const;
  void open(const GcmJob* jobs, std::uint32_t count) const;

 private:
  void* manager_;
};

}  // namespace card
}  // namespace tandem
