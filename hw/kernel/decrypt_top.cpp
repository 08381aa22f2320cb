// SPDX-License-Identifier: Apache-2.0
// Top of the decrypt path up to the engine: ports, pragmas, the order of the stages. RFC 4303 3.4.
#include "hw/kernel/classifier.hpp"
#include "hw/kernel/decrypt.hpp"
#include "hw/kernel/tops.hpp"

using namespace tandem::card;

extern "C" void tandem_decrypt(Stream<Word>& ethernet, Stream<Word>& inject, Stream<ClockWord>& clock,
                               Stream<KeyWord>& key, Stream<JobWord>& job, Stream<Word>& source, Stream<Line>& plan,
                               Stream<Word>& clear, const Line* command, const Line* settings, const Line* flows,
                               const Line* generations, const Line* entries, const Line* windows, const Line* hops,
                               std::uint32_t slots, std::uint32_t packets) {
#pragma HLS INTERFACE axis port = ethernet
#pragma HLS INTERFACE axis port = inject
#pragma HLS INTERFACE axis port = clock
#pragma HLS INTERFACE axis port = key
#pragma HLS INTERFACE axis port = job
#pragma HLS INTERFACE axis port = source
#pragma HLS INTERFACE axis port = plan
#pragma HLS INTERFACE axis port = clear
#pragma HLS INTERFACE m_axi port = command offset = slave bundle = command depth = kBenchLines latency = \
    100 num_read_outstanding = 128 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = settings offset = slave bundle = settings depth = kBenchLines latency = \
    100 num_read_outstanding = 4 max_read_burst_length = 16
#pragma HLS INTERFACE m_axi port = flows offset = slave bundle = flows depth = kBenchLines latency = \
    100 num_read_outstanding = 128 max_read_burst_length = 4
#pragma HLS INTERFACE m_axi port = generations offset = slave bundle = generations depth = kBenchLines latency = \
    100 num_read_outstanding = 64 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = entries offset = slave bundle = entries depth = kBenchLines latency = \
    100 num_read_outstanding = 128 max_read_burst_length = 4
#pragma HLS INTERFACE m_axi port = windows offset = slave bundle = windows depth = kBenchLines latency = \
    100 num_read_outstanding = 128 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = hops offset = slave bundle = hops depth = kBenchLines latency = \
    100 num_read_outstanding = 128 max_read_burst_length = 2
#pragma HLS INTERFACE s_axilite port = command
#pragma HLS INTERFACE s_axilite port = settings
#pragma HLS INTERFACE s_axilite port = flows
#pragma HLS INTERFACE s_axilite port = generations
#pragma HLS INTERFACE s_axilite port = entries
#pragma HLS INTERFACE s_axilite port = windows
#pragma HLS INTERFACE s_axilite port = hops
#pragma HLS INTERFACE s_axilite port = slots
#pragma HLS INTERFACE s_axilite port = packets
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
#pragma HLS DATAFLOW
  // A queue beside a read holds what comes in while the read is under way, `payload` what comes in while all of them
  // are: at least a whole frame. The others let a stage and the next take turns.
  Stream<Word> payload;
  Stream<Head> heads;
  Stream<bool> stamps;
  Stream<std::uint64_t> times;
  Stream<Ask> command_asks;
  Stream<Line> command_lines;
  Stream<Command> commands;
  Stream<Ask> config_asks;
  Stream<Line> config_lines;
  Stream<Item> sorted;
  Stream<Ask> flow_asks;
  Stream<Item> asked;
  Stream<Line> flow_lines;
  Stream<Item> looked;
  Stream<Item> named;
  Stream<Ask> generation_asks;
  Stream<Line> generation_lines;
  Stream<Item> found;
  Stream<Ask> entry_asks;
  Stream<Line> entry_lines;
  Stream<Item> guessed;
  Stream<Guess> guesses;
  Stream<Ask> window_asks;
  Stream<Line> window_lines;
  Stream<Task> tasks;
  Stream<OpenPlan> opens;
  Stream<Item> checked;
  Stream<Item> leaving;
  Stream<Ask> hop_asks;
  Stream<Line> hop_lines;
  Stream<Move> moves;
#pragma HLS STREAM variable = payload depth = 1024
#pragma HLS STREAM variable = heads depth = 64
#pragma HLS STREAM variable = stamps depth = 4
#pragma HLS STREAM variable = times depth = 64
#pragma HLS STREAM variable = command_asks depth = 4
#pragma HLS STREAM variable = command_lines depth = 128
#pragma HLS STREAM variable = commands depth = 4
#pragma HLS STREAM variable = config_asks depth = 4
#pragma HLS STREAM variable = config_lines depth = 16
#pragma HLS STREAM variable = sorted depth = 4
#pragma HLS STREAM variable = flow_asks depth = 4
#pragma HLS STREAM variable = asked depth = 64
#pragma HLS STREAM variable = flow_lines depth = 256
#pragma HLS STREAM variable = looked depth = 4
#pragma HLS STREAM variable = named depth = 64
#pragma HLS STREAM variable = generation_asks depth = 4
#pragma HLS STREAM variable = generation_lines depth = 128
#pragma HLS STREAM variable = found depth = 64
#pragma HLS STREAM variable = entry_asks depth = 4
#pragma HLS STREAM variable = entry_lines depth = 256
#pragma HLS STREAM variable = guessed depth = 64
#pragma HLS STREAM variable = guesses depth = 64
#pragma HLS STREAM variable = window_asks depth = 4
#pragma HLS STREAM variable = window_lines depth = 128
#pragma HLS STREAM variable = tasks depth = 4
#pragma HLS STREAM variable = opens depth = 64
#pragma HLS STREAM variable = checked depth = 4
#pragma HLS STREAM variable = leaving depth = 64
#pragma HLS STREAM variable = hop_asks depth = 4
#pragma HLS STREAM variable = hop_lines depth = 128
#pragma HLS STREAM variable = moves depth = 4
  ingress_stage<Port::kOuter>(inject, ethernet, heads, payload, stamps, command_asks, packets);
  clock_stage(stamps, clock, times, packets);
  read_stage(command_asks, command, command_lines, packets);
  command_stage(command_lines, commands, config_asks, packets);
  read_stage(config_asks, settings, config_lines, packets);
  classify_stage(heads, times, commands, config_lines, Port::kOuter, sorted, packets);
  flow_ask_stage(sorted, flow_asks, asked, packets);
  read_stage(flow_asks, flows, flow_lines, packets);
  flow_stage(asked, flow_lines, looked, packets);
  spi_stage(looked, slots, generation_asks, named, packets);
  read_stage(generation_asks, generations, generation_lines, packets);
  inbound_ask_stage(named, generation_lines, slots, entry_asks, found, packets);
  read_stage(entry_asks, entries, entry_lines, packets);
  guess_stage(found, entry_lines, slots, window_asks, guessed, guesses, packets);
  read_stage(window_asks, windows, window_lines, packets);
  open_stage(guessed, guesses, window_lines, tasks, opens, checked, packets);
  key_stage<1>(tasks, key, job, packets);
  hop_ask_stage(checked, hop_asks, leaving, packets);
  read_stage(hop_asks, hops, hop_lines, packets);
  open_leave_stage(leaving, opens, hop_lines, plan, moves, packets);
  move_stage(moves, payload, source, clear, packets);
}
