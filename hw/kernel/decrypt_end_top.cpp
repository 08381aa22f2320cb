// SPDX-License-Identifier: Apache-2.0
// Top of the decrypt path behind the engine: ports and pragmas. RFC 4303 3.4.
#include "hw/kernel/decrypt.hpp"
#include "hw/kernel/tops.hpp"

using namespace tandem::card;

extern "C" void tandem_decrypt_end(Stream<Line>& plan, Stream<Word>& target, Stream<TagWord>& tag, Stream<Word>& clear,
                                   const Line* memory, Line* inbound, Stream<Word>& wire, Stream<Line>& report,
                                   Stream<Word>& frame) {
#pragma HLS INTERFACE axis port = plan
#pragma HLS INTERFACE axis port = target
#pragma HLS INTERFACE axis port = tag
#pragma HLS INTERFACE axis port = clear
#pragma HLS INTERFACE axis port = wire
#pragma HLS INTERFACE axis port = report
#pragma HLS INTERFACE axis port = frame
#pragma HLS INTERFACE m_axi port = memory offset = slave bundle = memory
#pragma HLS INTERFACE m_axi port = inbound offset = slave bundle = slots
#pragma HLS INTERFACE s_axilite port = memory
#pragma HLS INTERFACE s_axilite port = inbound
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
  open_end_stage(plan, target, tag, clear, memory, inbound, wire, report, frame);
}
