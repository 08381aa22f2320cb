// SPDX-License-Identifier: Apache-2.0
// Jobs on their way to the engine, with the keys that it lacks in front of them.
#pragma once

#include <cstdint>

#include "hw/kernel/engine_port.hpp"

namespace tandem {
namespace card {

// What a packet wants of the engine, if anything.
struct Task {
  bool wanted;
  bool seal;
  std::uint32_t slot;
  std::uint8_t key[32];
  std::uint32_t octets;
  std::uint32_t aad_octets;
  bool key256;
  std::uint8_t nonce[kGcmNonceOctets];
  std::uint8_t aad[kGcmAadMax];
};

inline Task make_task(const GcmJob& job, std::uint32_t slot, const std::uint8_t* key, bool seal) {
  Task task = {};
  task.wanted = true;
  task.seal = seal;
  task.slot = slot;
  copy_octets(task.key, key, 32);
  task.octets = job.octets;
  task.aad_octets = job.aad_octets;
  task.key256 = job.key256;
  copy_octets(task.nonce, job.nonce, kGcmNonceOctets);
  copy_octets(task.aad, job.aad, kGcmAadMax);
  return task;
}

// Not pipelined: some 8 clocks a packet whose key the engine holds, some 200 for a new key. `kSide`: each path has an
// engine, and keeps what it was given.
template <int kSide>
void key_stage(Stream<Task>& tasks, Stream<KeyWord>& key, Stream<JobWord>& jobs, std::uint32_t packets) {
  static HeldKeys held;
key_packets:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
    model_step(8);
    const Task task = tasks.read();
    if (task.wanted) {
      GcmJob job = {};
      job.octets = task.octets;
      job.aad_octets = task.aad_octets;
      job.key256 = task.key256;
      copy_octets(job.nonce, task.nonce, kGcmNonceOctets);
      copy_octets(job.aad, task.aad, kGcmAadMax);
      const std::uint32_t rows = engine_key_send(held, task.slot, task.key, task.key256, key);
      model_step(rows == 0 ? 0 : 200);
      engine_job_send(job, task.slot, task.seal, rows, jobs);
    }
  }
}

}  // namespace card
}  // namespace tandem
