// SPDX-License-Identifier: Apache-2.0
// Top of the encrypt path behind the engine: ports and pragmas. RFC 4303 3.3.
#include "hw/kernel/encrypt.hpp"
#include "hw/kernel/tops.hpp"

using namespace tandem::card;

extern "C" void tandem_encrypt_end(Stream<Line>& plan, Stream<Word>& target, Stream<TagWord>& tag, Stream<Word>& clear,
                                   Stream<Word>& ethernet, Stream<Line>& reports, Stream<Word>& frame,
                                   std::uint32_t packets) {
#pragma HLS INTERFACE axis port = plan
#pragma HLS INTERFACE axis port = target
#pragma HLS INTERFACE axis port = tag
#pragma HLS INTERFACE axis port = clear
#pragma HLS INTERFACE axis port = ethernet
#pragma HLS INTERFACE axis port = reports
#pragma HLS INTERFACE axis port = frame
#pragma HLS INTERFACE s_axilite port = packets
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
#pragma HLS DATAFLOW
  Stream<Join> joins;
#pragma HLS STREAM variable = joins depth = 4
  join_plan_stage(plan, reports, joins, packets);
  join_stage(joins, target, tag, clear, ethernet, frame, packets);
}
