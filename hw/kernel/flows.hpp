// SPDX-License-Identifier: Apache-2.0
// The SPD cache: which flow a packet in clear is of, and what is done with it. RFC 4301 5.1, 5.2.
#pragma once

#include <cstdint>

#include "hw/kernel/item.hpp"
#include "hw/kernel/reader.hpp"
#include "hw/stage/flow_lookup.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kFlowClocks = 4;  // a bucket has four lines
static_assert(kFlowWays == kFlowClocks, "a clock a line");

// Whether the packet's flow is to be looked up: not for what the host has decided.
inline bool flow_wanted(const Item& item) { return item.step == Step::kLookup && item.kind != InjectKind::kSealRoute; }

// II kFlowClocks.
inline void flow_ask_stage(Stream<Item>& in, Stream<Ask>& asks, Stream<Item>& out, std::uint32_t packets) {
flow_asks:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 4 style = flp
    model_step(kFlowClocks);
    const Item item = in.read();
    asks.write(flow_wanted(item) ? ask_run(kFlowLine + flow_bucket(item.key) * kFlowWays, kFlowWays) : ask_none());
    out.write(item);
  }
}

inline void flow_item(const FlowEntry* entries, Item& item) {
  const FlowOut flow = flow_lookup(entries, item.key);
  item.report.flow_mark = flow.hit ? flow_bucket(item.key) * kFlowWays + flow.way + 1 : 0;
  const ActionOut decided = flow_action(flow.outcome, flow.action, item.side, item.octets, item.out_mtu);
  if (decided.action == Action::kSeal) {
    item.step = Step::kSeal;
    item.route = flow.route;
  } else if (decided.action == Action::kEnd) {
    item_end(item, decided.outcome);
  } else {
    item.step = Step::kLeave;
    item.addressed = true;
    item.hop = item.key.target;
    item.counter = Counter::kBypassed;
    item.patched = true;
    item.changed = forward(item.ip, item.tos);
  }
}

// II kFlowClocks. A packet to seal has its route's number then.
inline void flow_stage(Stream<Item>& in, Stream<Line>& lines, Stream<Item>& out, std::uint32_t packets) {
flow_packets:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 4 style = flp
    model_step(kFlowClocks);
    Item item = in.read();
    if (flow_wanted(item)) {
      FlowEntry entries[kFlowWays] = {};
    flow_entries:
      for (std::uint32_t way = 0; way < kFlowWays; ++way) {
#pragma HLS UNROLL
        const Line line = lines.read();
        fields_load(&line, entries[way]);
      }
      flow_item(entries, item);
    } else if (item.step == Step::kLookup) {
      item.step = Step::kSeal;
    }
    out.write(item);
  }
}

}  // namespace card
}  // namespace tandem
