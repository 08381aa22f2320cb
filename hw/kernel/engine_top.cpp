// SPDX-License-Identifier: Apache-2.0
// The AES-GCM engine's top: ports, pragmas, the key memory. Free-running: each call takes one packet.
#include "hw/kernel/engine.hpp"
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
  engine_stage(keys, key, job, source, target, tag);
}
