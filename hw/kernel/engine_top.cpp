// SPDX-License-Identifier: Apache-2.0
// The AES-GCM engine's top: ports, pragmas, the key memory. Free-running: each call takes what key rows are there,
// then a packet if there is one.
#include "hw/kernel/tops.hpp"

using namespace tandem::card;

extern "C" void tandem_engine(Stream<KeyWord>& key, Stream<JobWord>& job, Stream<Word>& source, Stream<Word>& target,
                              Stream<TagWord>& tag) {
#pragma HLS INTERFACE axis port = key
#pragma HLS INTERFACE axis port = job
#pragma HLS INTERFACE axis port = source
#pragma HLS INTERFACE axis port = target
#pragma HLS INTERFACE axis port = tag
#pragma HLS INTERFACE ap_ctrl_none port = return
  static EngineKeys keys;
top_rows:
  for (std::uint32_t n = 0; n < kEngineKeyRows; ++n) {
    if (!key.empty()) {
      engine_key_row(keys, key.read());
    }
  }
  if (!job.empty()) {
    engine_packet(keys, job.read(), source, target, tag);
  }
}
