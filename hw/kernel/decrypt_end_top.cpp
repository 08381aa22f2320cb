// SPDX-License-Identifier: Apache-2.0
// Top of the decrypt path behind the engine: ports, pragmas, the order of the stages. RFC 4303 3.4.
#include "hw/kernel/decrypt_end.hpp"
#include "hw/kernel/tops.hpp"

using namespace tandem::card;

extern "C" void tandem_decrypt_end(Stream<Line>& plan, Stream<Word>& target, Stream<TagWord>& tag, Stream<Word>& clear,
                                   Stream<Word>& ethernet, Stream<Line>& reports, Stream<Word>& frame,
                                   const Line* settings, const Line* entries, const Line* hops, Line* states,
                                   std::uint32_t slots, std::uint32_t packets) {
#pragma HLS INTERFACE axis port = plan
#pragma HLS INTERFACE axis port = target
#pragma HLS INTERFACE axis port = tag
#pragma HLS INTERFACE axis port = clear
#pragma HLS INTERFACE axis port = ethernet
#pragma HLS INTERFACE axis port = reports
#pragma HLS INTERFACE axis port = frame
#pragma HLS INTERFACE m_axi port = settings offset = slave bundle = settings depth = kBenchLines latency = \
    100 num_read_outstanding = 4 max_read_burst_length = 16
#pragma HLS INTERFACE m_axi port = entries offset = slave bundle = entries depth = kBenchLines latency = \
    100 num_read_outstanding = 128 max_read_burst_length = 16
#pragma HLS INTERFACE m_axi port = hops offset = slave bundle = hops depth = kBenchLines latency = \
    100 num_read_outstanding = 128 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = states offset = slave bundle = states depth = kBenchLines num_write_outstanding = \
    32 max_write_burst_length = 2
#pragma HLS INTERFACE s_axilite port = settings
#pragma HLS INTERFACE s_axilite port = entries
#pragma HLS INTERFACE s_axilite port = hops
#pragma HLS INTERFACE s_axilite port = states
#pragma HLS INTERFACE s_axilite port = slots
#pragma HLS INTERFACE s_axilite port = packets
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
#pragma HLS DATAFLOW
  // `plain` and `raw` hold what comes in until the verdict about its packet is there: at least a whole one.
  Stream<Opened> opens;
  Stream<Take> plain_takes;
  Stream<Take> raw_takes;
  Stream<Ask> entry_asks;
  Stream<Line> entry_lines;
  Stream<Ask> config_asks;
  Stream<Line> config_lines;
  Stream<Word> plain;
  Stream<Word> raw;
  Stream<Facts> facts;
  Stream<Icv> icvs;
  Stream<Delivery> delivered;
  Stream<Ask> hop_asks;
  Stream<Line> hop_lines;
  Stream<Write> writes;
  Stream<Send> sends;
#pragma HLS STREAM variable = opens depth = 64
#pragma HLS STREAM variable = plain_takes depth = 64
#pragma HLS STREAM variable = raw_takes depth = 64
#pragma HLS STREAM variable = entry_asks depth = 64
#pragma HLS STREAM variable = entry_lines depth = 128
#pragma HLS STREAM variable = config_asks depth = 64
#pragma HLS STREAM variable = config_lines depth = 16
#pragma HLS STREAM variable = plain depth = 256
#pragma HLS STREAM variable = raw depth = 256
#pragma HLS STREAM variable = facts depth = 4
#pragma HLS STREAM variable = icvs depth = 4
#pragma HLS STREAM variable = delivered depth = 64
#pragma HLS STREAM variable = hop_asks depth = 4
#pragma HLS STREAM variable = hop_lines depth = 128
#pragma HLS STREAM variable = writes depth = 16
#pragma HLS STREAM variable = sends depth = 4
  open_plan_stage(plan, slots, opens, plain_takes, raw_takes, entry_asks, config_asks, packets);
  read_stage(entry_asks, entries, entry_lines, packets);
  read_stage(config_asks, settings, config_lines, packets);
  plain_stage(plain_takes, target, plain, facts, packets);
  raw_stage(raw_takes, clear, raw, icvs, packets);
  verdict_stage(opens, facts, icvs, tag, entry_lines, config_lines, slots, hop_asks, delivered, writes, packets);
  write_stage(writes, states, packets);
  read_stage(hop_asks, hops, hop_lines, packets);
  deliver_stage(delivered, hop_lines, reports, sends, packets);
  send_stage(sends, plain, raw, ethernet, frame, packets);
}
