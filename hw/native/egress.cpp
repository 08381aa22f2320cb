// SPDX-License-Identifier: Apache-2.0
// How a packet leaves: dropped, punted, or with an Ethernet header out of a port; and events.
#include <cstring>

#include "hw/native/pipeline_impl.hpp"
#include "hw/stage/deliver.hpp"
#include "hw/stage/flow_lookup.hpp"
#include "hw/stage/next_hop.hpp"
#include "hw/stage/parse_ethernet.hpp"
#include "hw/stage/parse_inner.hpp"

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
  if (octets > kFrameMax) {
    packet.verdict = Verdict::kDrop;
    count(Counter::kDropTooBig, 1);
    return;
  }
  RingIndex& index = memory->punt_index;
  const std::uint64_t produced = load_relaxed(&index.produced);
  if (produced - load_acquire(&index.consumed) >= kPuntRingSize) {
    count(Counter::kDropRingFull, 1);
    return;
  }
  PuntRecord& record = memory->punts[produced % kPuntRingSize];
  record.reason = static_cast<std::uint32_t>(reason);
  record.port = static_cast<std::uint32_t>(port);
  record.index = slot;
  record.octets = octets;
  record.when_ns = now_ns;
  std::memcpy(record.packet, ip, octets);
  store_release(&index.produced, produced + 1);
  count(Counter::kPuntedSlow, 1);
}

// Puts an Ethernet header in front of the IP packet and makes `packet` describe the frame. False: no neighbour.
bool Pipeline::Impl::add_ethernet(const Batch& batch, Port port, const Address& hop, Packet& packet, std::uint8_t* ip,
                                  std::uint32_t octets) {
  const NextHopIn in = {hop, port, kFamilyIpv4};
  NextHop* bucket = memory->next_hops + std::size_t{next_hop_bucket(port, kFamilyIpv4, hop)} * kNextHopWays;
  const NextHopOut out = next_hop(bucket, in);
  if (!out.found) {
    return false;
  }
  if (load_relaxed(&bucket[out.way].used) == 0) {
    store_relaxed(&bucket[out.way].used, 1u);
  }
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

void Pipeline::Impl::raise(const Event& event) {
  RingIndex& index = memory->event_index;
  const std::uint64_t produced = load_relaxed(&index.produced);
  if (produced - load_acquire(&index.consumed) >= kEventRingSize) {
    count(Counter::kEventsLost, 1);
    return;
  }
  std::memcpy(&memory->events[produced % kEventRingSize], &event, sizeof(event));
  store_release(&index.produced, produced + 1);
}

// A packet in clear that wants to be forwarded. What the SPD cache says PROTECT of is put into `protect`
// (encrypt path); outside, cleartext of a PROTECT flow is dropped (RFC 4301 5.2).
void Pipeline::Impl::transit(const Batch& batch, Packet& packet, std::uint8_t* ip, std::uint32_t octets,
                             SealWork* protect, std::uint32_t& protects) {
  InnerIn in;
  load_window(ip, in.window);
  in.octets = octets;
  in.port = &batch.config->ports[static_cast<std::uint32_t>(batch.port)];
  in.injected = batch.injected;
  const InnerOut parsed = parse_inner(in);
  if (parsed.transit && batch.gate.fate != Fate::kContinue) {
    finish(batch, packet, batch.gate, ip, octets, 0);
    return;
  }
  if (parsed.outcome.fate != Fate::kContinue) {
    finish(batch, packet, parsed.outcome, ip, octets, 0);
    return;
  }
  octets = parsed.ip.total_octets;
  FlowEntry* bucket = memory->flows + std::size_t{flow_bucket(parsed.key)} * kFlowWays;
  const FlowOut flow = flow_lookup(bucket, parsed.key);
  if (flow.hit && load_relaxed(&bucket[flow.way].used) == 0) {
    store_relaxed(&bucket[flow.way].used, 1u);
  }
  if (flow.outcome.fate != Fate::kContinue) {
    finish(batch, packet, flow.outcome, ip, octets, 0);
    return;
  }
  if (flow.action == FlowAction::kProtect) {
    if (batch.port == Port::kOuter) {
      finish(batch, packet, drop(Counter::kDropPolicy), ip, octets, 0);
      return;
    }
    SealWork& work = protect[protects++];
    work.packet = &packet;
    work.ip = ip;
    work.octets = octets;
    work.key = parsed.key;
    work.tos = parsed.ip.tos;
    work.dont_fragment = parsed.ip.dont_fragment;
    work.route = flow.route < kRoutes ? load_acquire(&memory->routes[flow.route]) : 0;
    return;
  }
  const Port out = batch.port == Port::kOuter ? Port::kInner : Port::kOuter;
  if (octets > batch.config->ports[static_cast<std::uint32_t>(out)].mtu) {
    finish(batch, packet, card::punt_slow(PuntReason::kTooBig), ip, octets, 0);
    return;
  }
  if (!add_ethernet(batch, out, parsed.key.target, packet, ip, octets)) {
    punt_slow(out, PuntReason::kNoNextHop, 0, ip, octets, batch.moment.now_ns, packet);
    return;
  }
  const ForwardOut changed = forward(ip, ip[1]);
  ip[8] = changed.ttl;
  store_be16(ip + 10, changed.checksum);
  send(packet, out, Counter::kBypassed);
}

}  // namespace card
}  // namespace tandem
