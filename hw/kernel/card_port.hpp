// SPDX-License-Identifier: Apache-2.0
// What both kernels share around the stages: the card's memory behind AXI, the ends of a packet, and the SPD
// lookup of cleartext. No decision of its own.
#pragma once

#include <cstdint>

#include "hw/contract/memory.hpp"
#include "hw/kernel/lanes.hpp"
#include "hw/kernel/movers.hpp"
#include "hw/leaf/gcm_hls.hpp"
#include "hw/stage/classify.hpp"
#include "hw/stage/credit_view.hpp"
#include "hw/stage/deliver.hpp"
#include "hw/stage/flow_lookup.hpp"
#include "hw/stage/gate.hpp"
#include "hw/stage/next_hop.hpp"
#include "hw/stage/report.hpp"

namespace tandem {
namespace card {

// One packet's view of the card.
struct KernelCard {
  CardMemory* memory;
  const CardConfig* config;
  Moment moment;
  Outcome gate;
  std::uint32_t slots;
  Port side;
};

enum class Exit : std::uint8_t { kGone = 0, kWire = 1, kHost = 2 };

struct KernelOut {
  Exit exit;
  Port port;
};

inline KernelCard kernel_card(CardMemory* memory, std::uint32_t slots, Port side, std::uint64_t now_ns) {
  KernelCard card;
  const Registers& registers = memory->registers;
  card.memory = memory;
  card.slots = slots;
  card.side = side;
  card.moment.activation = load_acquire(&registers.activation);
  card.moment.now_ns = now_ns;
  card.moment.grant = load_relaxed(&registers.grant);
  card.gate = gate({card.moment.activation, load_acquire(&registers.lease_deadline_ns), now_ns});
  card.config = &registers.config[load_acquire(&registers.config_generation) & 1u];
  return card;
}

inline void kernel_window(const PacketStore& store, std::uint32_t at, Window& window) {
  copy_octets(window.octets, store.octets + at, kWindowOctets);
}

inline KernelOut kernel_finish(const KernelCard& card, const Outcome& outcome, const PacketStore& store,
                               std::uint32_t ip, std::uint32_t octets, std::uint32_t slot) {
  if (outcome.fate == Fate::kPuntSlow) {
    report_punt(*card.memory, card.side, outcome.reason, slot, store.octets + ip, octets, card.moment.now_ns);
    return {Exit::kGone, card.side};
  }
  report_count(*card.memory, outcome.counter, 1);
  return {outcome.fate == Fate::kPuntHost ? Exit::kHost : Exit::kGone, card.side};
}

// Ethernet header in front of the packet at `ip`, or the punt for want of a neighbour.
inline KernelOut kernel_leave(const KernelCard& card, PacketStore& store, Port port, const Address& hop,
                              std::uint32_t ip, std::uint32_t octets, std::uint32_t slot, Counter counter) {
  const std::uint32_t bucket = next_hop_bucket(port, kFamilyIpv4, hop) * kNextHopWays;
  const NextHopOut out = next_hop(card.memory->next_hops + bucket, {hop, port, kFamilyIpv4});
  if (!out.found) {
    report_punt(*card.memory, port, PuntReason::kNoNextHop, slot, store.octets + ip, octets, card.moment.now_ns);
    return {Exit::kGone, port};
  }
  store_relaxed(&card.memory->next_hops[bucket + out.way].used, 1u);
  store.at = ip - kEthernetOctets;
  store.count = octets + kEthernetOctets;
  copy_octets(store.octets + store.at, out.mac, 6);
  copy_octets(store.octets + store.at + 6, card.config->ports[static_cast<std::uint32_t>(port)].mac, 6);
  store_be16(store.octets + store.at + 12, kEtherTypeIpv4);
  report_count(*card.memory, counter, 1);
  return {Exit::kWire, port};
}

inline void kernel_forward(PacketStore& store, std::uint32_t ip, std::uint8_t tos) {
  const ForwardOut changed = forward(store.octets + ip, tos);
  store.octets[ip + 1] = changed.tos;
  store.octets[ip + 8] = changed.ttl;
  store_be16(store.octets + ip + 10, changed.checksum);
}

inline void kernel_classify(const KernelCard& card, const PacketStore& store, ClassifyOut& out) {
  ClassifyIn in;
  in.gate = card.gate;
  in.port = &card.config->ports[static_cast<std::uint32_t>(card.side)];
  in.side = card.side;
  in.injected = false;
  copy_octets(in.ethernet.mac, in.port->mac, 6);
  copy_octets(in.ethernet.header, store.octets + store.at, kEthernetOctets);
  in.ethernet.octets = store.count;
  kernel_window(store, store.at + kEthernetOctets, in.window);
  classify(in, out);
}

// Asks the SPD cache. True: PROTECT, `route` is its route; else `out` says how the packet left.
inline bool kernel_transit(const KernelCard& card, PacketStore& store, const InnerOut& inner, std::uint64_t& route,
                           KernelOut& out) {
  const std::uint32_t ip = store.at + kEthernetOctets;
  const std::uint32_t bucket = flow_bucket(inner.key) * kFlowWays;
  const FlowOut flow = flow_lookup(card.memory->flows + bucket, inner.key);
  if (flow.hit) {
    store_relaxed(&card.memory->flows[bucket + flow.way].used, 1u);
  }
  const Port port = card.side == Port::kOuter ? Port::kInner : Port::kOuter;
  const std::uint32_t octets = inner.ip.total_octets;
  const ActionOut decided = flow_action(flow.outcome, flow.action, card.side, octets,
                                        card.config->ports[static_cast<std::uint32_t>(port)].mtu);
  if (decided.action == Action::kSeal) {
    route = flow.route < kRoutes ? load_acquire(&card.memory->routes[flow.route]) : 0;
    return true;
  }
  if (decided.action == Action::kEnd) {
    out = kernel_finish(card, decided.outcome, store, ip, octets, 0);
    return false;
  }
  kernel_forward(store, ip, inner.ip.tos);
  out = kernel_leave(card, store, port, inner.key.target, ip, octets, 0, Counter::kBypassed);
  return false;
}

// The packet's last step: out of its port, to the host, or nowhere.
inline void kernel_exit(const KernelOut& out, const PacketStore& store, Stream<Word>& wire, Stream<Word>& host) {
  if (out.exit == Exit::kWire) {
    egress(wire, store, static_cast<std::uint32_t>(out.port));
  } else if (out.exit == Exit::kHost) {
    egress(host, store, static_cast<std::uint32_t>(out.port));
  }
}

}  // namespace card
}  // namespace tandem
