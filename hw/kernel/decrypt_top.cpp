// SPDX-License-Identifier: Apache-2.0
// Top of the decrypt path up to the engine: ports, pragmas, the order of the stages. RFC 4303 3.4.
#include "hw/kernel/decrypt.hpp"
#include "hw/kernel/tops.hpp"

using namespace tandem::card;

extern "C" void tandem_decrypt(Stream<Word>& wire, Stream<Word>& inject, Stream<ClockWord>& clock, const Line* memory,
                               const Line* flows, const Line* hops, const Line* inbound, std::uint32_t slots,
                               Stream<KeyWord>& key, Stream<JobWord>& job, Stream<Word>& source, Stream<Line>& plan,
                               Stream<Word>& clear) {
#pragma HLS INTERFACE axis port = wire
#pragma HLS INTERFACE axis port = inject
#pragma HLS INTERFACE axis port = clock
#pragma HLS INTERFACE axis port = key
#pragma HLS INTERFACE axis port = job
#pragma HLS INTERFACE axis port = source
#pragma HLS INTERFACE axis port = plan
#pragma HLS INTERFACE axis port = clear
#pragma HLS INTERFACE m_axi port = memory offset = slave bundle = memory
#pragma HLS INTERFACE m_axi port = flows offset = slave bundle = flows
#pragma HLS INTERFACE m_axi port = hops offset = slave bundle = hops
#pragma HLS INTERFACE m_axi port = inbound offset = slave bundle = slots
#pragma HLS INTERFACE s_axilite port = memory
#pragma HLS INTERFACE s_axilite port = flows
#pragma HLS INTERFACE s_axilite port = hops
#pragma HLS INTERFACE s_axilite port = inbound
#pragma HLS INTERFACE s_axilite port = slots
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
#pragma HLS DATAFLOW
  // A whole packet waits in `payload` until the decisions about it were made; 2 for the rest: stages take turns.
  Stream<Word> payload;
  Stream<Head> heads;
  Stream<Item> seen;
  Stream<Item> looked;
  Stream<Item> found;
  Stream<OpenPlan> opens;
  Stream<Move> moves;
#pragma HLS STREAM variable = payload depth = 64
#pragma HLS STREAM variable = heads depth = 2
#pragma HLS STREAM variable = seen depth = 2
#pragma HLS STREAM variable = looked depth = 2
#pragma HLS STREAM variable = found depth = 2
#pragma HLS STREAM variable = opens depth = 2
#pragma HLS STREAM variable = moves depth = 2
  ingress_stage<Port::kOuter>(inject, wire, heads, payload);
  classify_stage(heads, clock, memory, Port::kOuter, seen);
  flow_stage(seen, flows, looked);
  open_stage(looked, inbound, slots, key, job, opens, found);
  open_leave_stage(found, opens, hops, plan, moves);
  move_stage(moves, payload, source, clear);
}
