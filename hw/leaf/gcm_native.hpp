// SPDX-License-Identifier: Apache-2.0
// The native bodies behind one face: Intel IPsec-MB; for proof the synthesisable C++ or the simulated Verilog. Not for
// synthesis.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hw/leaf/gcm.hpp"

namespace tandem {
namespace card {

class GcmRtl;

// One engine. Owns the library's manager; not shared between threads.
class GcmEngine {
 public:
  // Throws std::runtime_error when the body cannot run here: IPsec-MB on an unknown CPU, RTL where it is not built in.
  explicit GcmEngine(Crypto body);
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

  // Whether `body` is part of this build.
  static bool built_in(Crypto body);
  EngineFigures figures() const;

 private:
  void* manager_;  // of IPsec-MB, else null
  GcmRtl* rtl_;    // the RTL body, else null
};

}  // namespace card
}  // namespace tandem
