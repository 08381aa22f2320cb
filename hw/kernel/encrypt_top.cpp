// SPDX-License-Identifier: Apache-2.0
// Top of the encrypt path up to the engine: ports, pragmas, the order of the stages. RFC 4303 3.3.
#include "hw/kernel/encrypt.hpp"
#include "hw/kernel/tops.hpp"

using namespace tandem::card;

extern "C" void tandem_encrypt(Stream<Word>& wire, Stream<Word>& inject, Stream<ClockWord>& clock, const Line* memory,
                               const Line* flows, const Line* hops, std::uint64_t* totals, Line* outbound,
                               std::uint32_t slots, Stream<KeyWord>& key, Stream<JobWord>& job, Stream<Word>& source,
                               Stream<Line>& plan, Stream<Word>& clear) {
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
#pragma HLS INTERFACE m_axi port = totals offset = slave bundle = totals
#pragma HLS INTERFACE m_axi port = outbound offset = slave bundle = slots
#pragma HLS INTERFACE s_axilite port = memory
#pragma HLS INTERFACE s_axilite port = flows
#pragma HLS INTERFACE s_axilite port = hops
#pragma HLS INTERFACE s_axilite port = totals
#pragma HLS INTERFACE s_axilite port = outbound
#pragma HLS INTERFACE s_axilite port = slots
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
#pragma HLS DATAFLOW
  // A whole packet waits in `payload` until the decisions about it were made; 2 for the rest: stages take turns.
  Stream<Word> payload;
  Stream<Head> heads;
  Stream<Item> seen;
  Stream<Item> looked;
  Stream<Item> numbered;
  Stream<Move> moves;
#pragma HLS STREAM variable = payload depth = 64
#pragma HLS STREAM variable = heads depth = 2
#pragma HLS STREAM variable = seen depth = 2
#pragma HLS STREAM variable = looked depth = 2
#pragma HLS STREAM variable = numbered depth = 2
#pragma HLS STREAM variable = moves depth = 2
  ingress_stage<Port::kInner>(inject, wire, heads, payload);
  classify_stage(heads, clock, memory, Port::kInner, seen);
  flow_stage(seen, flows, looked);
  seal_stage(looked, outbound, totals, slots, key, job, numbered);
  leave_stage(numbered, hops, plan, moves);
  move_stage(moves, payload, source, clear);
}
