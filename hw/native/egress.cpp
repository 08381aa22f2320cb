// SPDX-License-Identifier: Apache-2.0
// How a packet leaves: dropped, punted, or with an Ethernet header out of a port; and events.
#include <cstring>

#include "hw/native/pipeline_impl.hpp"
#include "hw/stage/classify.hpp"
#include "hw/stage/deliver.hpp"
#include "hw/stage/flow_lookup.hpp"
#include "hw/stage/next_hop.hpp"
#include "hw/stage/report.hpp"

namespace tandem {
namespace card {

// Ends a packet that no stage wants to continue. `ip` and `octets`: what a slow-path punt shows.
void Pipeline::Impl::finish(const Batch& batch, Packet& packet, const Outcome& outcome, const std::uint8_t* ip,
                            std::uint32_t octets, std::uint32_t slot) {
  if (outcome.fate == Fate::kPuntSlow) {
    punt_slow(batch.port, outcome.reason, slot, ip, octets, batch.moment.now_ns, packet);
    return;
  }
  if (outcome.fate == Fate::kPuntHost) {
    packet.verdict = Verdict::kPunt;
    packet.out_port = batch.port;
  } else {
    packet.verdict = Verdict::kDrop;
  }
  count(outcome.counter, 1);
}

void Pipeline::Impl::punt_slow(Port port, PuntReason reason, std::uint32_t slot, const std::uint8_t* ip,
                               std::uint32_t octets, std::uint64_t now_ns, Packet& packet) {
  packet.verdict = Verdict::kTaken;
  report_punt(*memory, port, reason, slot, ip, octets, now_ns);
}

// Puts an Ethernet header in front of the IP packet and makes `packet` describe the frame. False: no neighbour.
bool Pipeline::Impl::add_ethernet(const Batch& batch, Port port, const Address& hop, Packet& packet, std::uint8_t* ip,
                                  std::uint32_t octets) {
  // Packets of a batch mostly share a next hop: the table is asked once a batch and hop.
  if (!last_hop.found || last_port != port || std::memcmp(&last_address, &hop, sizeof(hop)) != 0) {
    const NextHopIn in = {hop, port, kFamilyIpv4};
    NextHop* bucket = memory->next_hops + std::size_t{next_hop_bucket(port, kFamilyIpv4, hop)} * kNextHopWays;
    last_hop = next_hop(bucket, in);
    if (!last_hop.found) {
      return false;
    }
    last_address = hop;
    last_port = port;
    if (load_relaxed(&bucket[last_hop.way].used) == 0) {
      store_relaxed(&bucket[last_hop.way].used, 1u);
    }
  }
  const NextHopOut& out = last_hop;
  std::uint8_t* frame = ip - kEthernetOctets;
  std::memcpy(frame, out.mac, 6);
  std::memcpy(frame + 6, batch.config->ports[static_cast<std::uint32_t>(port)].mac, 6);
  store_be16(frame + 12, kEtherTypeIpv4);
  packet.data = frame;
  packet.octets = octets + kEthernetOctets;
  return true;
}

void Pipeline::Impl::send(Packet& packet, Port port, Counter counter) {
  packet.verdict = Verdict::kSend;
  packet.out_port = port;
  count(counter, 1);
}

// Asks the SPD cache about a packet in clear. True: the encrypt path goes on with it; else it is done.
bool Pipeline::Impl::transit(const Batch& batch, SealWork& work) {
  Packet& packet = *work.packet;
  if (batch.routed) {
    work.route = batch.route < kRoutes ? load_acquire(&memory->routes[batch.route]) : 0;
    return true;
  }
  FlowEntry* bucket = memory->flows + std::size_t{work.bucket} * kFlowWays;
  const FlowOut flow = flow_lookup(bucket, work.key);
  if (flow.hit && load_relaxed(&bucket[flow.way].used) == 0) {
    store_relaxed(&bucket[flow.way].used, 1u);
  }
  const Port out = batch.port == Port::kOuter ? Port::kInner : Port::kOuter;
  const ActionOut decided = flow_action(flow.outcome, flow.action, batch.port, work.octets,
                                        batch.config->ports[static_cast<std::uint32_t>(out)].mtu);
  if (decided.action == Action::kSeal) {
    work.route = flow.route < kRoutes ? load_acquire(&memory->routes[flow.route]) : 0;
    return true;
  }
  if (decided.action == Action::kEnd) {
    finish(batch, packet, decided.outcome, work.ip, work.octets, 0);
    return false;
  }
  if (!add_ethernet(batch, out, work.key.target, packet, work.ip, work.octets)) {
    punt_slow(out, PuntReason::kNoNextHop, 0, work.ip, work.octets, batch.moment.now_ns, packet);
    return false;
  }
  const ForwardOut changed = forward(work.ip, work.tos);
  work.ip[8] = changed.ttl;
  store_be16(work.ip + 10, changed.checksum);
  send(packet, out, Counter::kBypassed);
  return false;
}

}  // namespace card
}  // namespace tandem
