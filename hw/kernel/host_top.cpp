// SPDX-License-Identifier: Apache-2.0
// The host kernel's top: ports, pragmas, its state.
#include "hw/kernel/host.hpp"
#include "hw/kernel/tops.hpp"

using namespace tandem::card;

extern "C" void tandem_host(Stream<Line>& encrypt_report, Stream<Word>& encrypt_frame, Stream<Line>& decrypt_report,
                            Stream<Word>& decrypt_frame, Stream<Word>& encrypt_inject, Stream<Word>& decrypt_inject,
                            Stream<ClockWord>& clock, volatile std::uint64_t* memory, volatile std::uint32_t* marks,
                            std::uint32_t looks) {
#pragma HLS INTERFACE axis port = encrypt_report
#pragma HLS INTERFACE axis port = encrypt_frame
#pragma HLS INTERFACE axis port = decrypt_report
#pragma HLS INTERFACE axis port = decrypt_frame
#pragma HLS INTERFACE axis port = encrypt_inject
#pragma HLS INTERFACE axis port = decrypt_inject
#pragma HLS INTERFACE axis port = clock
#pragma HLS INTERFACE m_axi port = memory offset = slave bundle = memory depth = kBenchWords
#pragma HLS INTERFACE m_axi port = marks offset = slave bundle = marks depth = kBenchMarks
#pragma HLS INTERFACE s_axilite port = memory
#pragma HLS INTERFACE s_axilite port = marks
#pragma HLS INTERFACE s_axilite port = looks
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
  static HostState state;
  host_stage(state, encrypt_report, encrypt_frame, decrypt_report, decrypt_frame, encrypt_inject, decrypt_inject, clock,
             memory, marks, looks);
}
