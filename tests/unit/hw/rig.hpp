// SPDX-License-Identifier: Apache-2.0
// A card in a test: memory, pipeline, and short ways to fill its tables, build packets and read results.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "hw/leaf/checksum.hpp"
#include "hw/leaf/octets.hpp"
#include "hw/native/pipeline.hpp"

namespace tandem::card::test {

using Octets = std::vector<std::uint8_t>;

inline Address ipv4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  Address address = {};
  address.octets[0] = a;
  address.octets[1] = b;
  address.octets[2] = c;
  address.octets[3] = d;
  return address;
}

struct Inner {
  Address source;
  Address target;
  std::uint32_t octets = 100;  // whole IP packet, at least 20
  std::uint8_t protocol = 17;
  std::uint16_t source_port = 1000;
  std::uint16_t target_port = 2000;
  std::uint8_t ttl = 64;
  std::uint8_t tos = 0;
  std::uint16_t fragment = 0x4000;
  std::uint32_t option_words = 0;
};

inline void fix_checksum(std::uint8_t* ip) {
  store_be16(ip + 10, 0);
  store_be16(ip + 10, static_cast<std::uint16_t>(~ones_sum(ip, (ip[0] & 15u) * 2)));
}

inline Octets inner_packet(const Inner& in) {
  const std::uint32_t header = 20 + 4 * in.option_words;
  Octets packet(std::max(in.octets, header));
  for (std::size_t i = header; i < packet.size(); ++i) {
    packet[i] = static_cast<std::uint8_t>(i * 7 + 3);
  }
  packet[0] = static_cast<std::uint8_t>(0x45 + in.option_words);
  packet[1] = in.tos;
  store_be16(&packet[2], static_cast<std::uint32_t>(packet.size()));
  store_be16(&packet[6], in.fragment);
  packet[8] = in.ttl;
  packet[9] = in.protocol;
  std::memcpy(&packet[12], in.source.octets, 4);
  std::memcpy(&packet[16], in.target.octets, 4);
  for (std::uint32_t i = 0; i < in.option_words * 4; ++i) {
    packet[20 + i] = 1;
  }
  if (packet.size() >= header + 4) {
    store_be16(&packet[header], in.source_port);
    store_be16(&packet[header + 2], in.target_port);
  }
  fix_checksum(packet.data());
  return packet;
}

inline Octets frame(const std::array<std::uint8_t, 6>& target, const Octets& packet, std::uint16_t type = 0x0800) {
  Octets out(14 + packet.size());
  std::memcpy(out.data(), target.data(), 6);
  out[6] = 0x02;
  store_be16(&out[12], type);
  std::copy(packet.begin(), packet.end(), out.begin() + 14);
  return out;
}

struct Result {
  Verdict verdict;
  Port out_port;
  Octets frame;

  Octets packet() const { return frame.size() < 14 ? Octets{} : Octets(frame.begin() + 14, frame.end()); }
};

struct SaOptions {
  bool esn = false;
  bool udp = false;
  bool key256 = false;
  std::uint16_t window = 1024;
  std::uint16_t extra_flags = 0;
  std::uint64_t limit = std::uint64_t{1} << 62;
  std::uint32_t epoch = 1;
  std::uint32_t instance = 7;
  std::uint16_t inner_mtu = 1500;
};

// One card. `left`: 192.0.2.1 / 10.1.0.0/16, else 192.0.2.2 / 10.2.0.0/16; the other one is its peer.
class Rig {
 public:
  explicit Rig(bool left, Crypto crypto = Crypto::kNative, std::uint32_t slots = 64)
      : slots_(slots),
        memory_(std::aligned_alloc(64, (memory_octets(slots) + 63) / 64 * 64), &std::free),
        buffers_(kBatchMax * kBufferOctets) {
    std::memset(memory_.get(), 0, memory_octets(slots));
    pipeline_ = std::make_unique<Pipeline>(memory_.get(), slots, crypto, true);
    ours = left ? ipv4(192, 0, 2, 1) : ipv4(192, 0, 2, 2);
    peer = left ? ipv4(192, 0, 2, 2) : ipv4(192, 0, 2, 1);
    inner_ours = left ? ipv4(10, 1, 0, 1) : ipv4(10, 2, 0, 1);
    host = left ? ipv4(10, 1, 0, 9) : ipv4(10, 2, 0, 9);
    remote = left ? ipv4(10, 2, 0, 9) : ipv4(10, 1, 0, 9);
    const std::uint8_t side = left ? 1 : 2;
    outer_mac = {2, 0, 0, 0, 0, side};
    inner_mac = {2, 0, 0, 0, 1, side};
    CardConfig& config = registers().config[0];
    fill_port(config.ports[0], outer_mac, ours);
    fill_port(config.ports[1], inner_mac, inner_ours);
    activate(1, 0x0401, true, false);
    registers().lease_deadline_ns = ~std::uint64_t{0};
    next_hop(Port::kOuter, peer, {2, 0, 0, 0, 9, 1});
    next_hop(Port::kInner, host, {2, 0, 0, 0, 9, 2});
    next_hop(Port::kOuter, remote, {2, 0, 0, 0, 9, 3});
  }

  CardMemory& memory() { return *static_cast<CardMemory*>(memory_.get()); }
  Registers& registers() { return memory().registers; }
  Pipeline& pipeline() { return *pipeline_; }
  OutboundSlot& outbound(std::uint32_t slot) {
    return reinterpret_cast<OutboundSlot*>(static_cast<std::uint8_t*>(memory_.get()) + outbound_offset())[slot];
  }
  InboundSlot& inbound(std::uint32_t slot) {
    return reinterpret_cast<InboundSlot*>(static_cast<std::uint8_t*>(memory_.get()) + inbound_offset(slots_))[slot];
  }

  void activate(std::uint32_t epoch, std::uint16_t incarnation, bool armed, bool solo) {
    registers().activation = make_activation(epoch, incarnation, armed, solo);
  }

  static void fill_key(std::uint8_t key[32], std::uint8_t salt[4], std::uint32_t slot) {
    for (std::uint32_t i = 0; i < 32; ++i) {
      key[i] = static_cast<std::uint8_t>(slot * 31 + i * 11 + 1);
    }
    for (std::uint32_t i = 0; i < 4; ++i) {
      salt[i] = static_cast<std::uint8_t>(slot * 5 + i + 200);
    }
  }

  static std::uint16_t flags(const SaOptions& options) {
    return static_cast<std::uint16_t>(kSaValid | (options.esn ? kSaEsn : 0) | (options.udp ? kSaUdp : 0) |
                                      (options.key256 ? kSaKey256 : 0) | options.extra_flags);
  }

  OutboundPolicy outbound_policy(std::uint32_t slot, const SaOptions& options) {
    OutboundPolicy policy = {};
    fill_key(policy.key, policy.salt, slot);
    policy.spi = make_spi(0, 3, slot);
    policy.instance = options.instance;
    policy.flags = flags(options);
    policy.inner_mtu = options.inner_mtu;
    policy.outer_source = ours;
    policy.outer_target = peer;
    policy.udp_source_port = 4500;
    policy.udp_target_port = 4500;
    policy.outer_ttl = 64;
    policy.sequence_max = options.esn ? ~std::uint64_t{0} : 0xffffffffu;
    return policy;
  }

  InboundPolicy inbound_policy(std::uint32_t slot, const SaOptions& options) {
    InboundPolicy policy = {};
    fill_key(policy.key, policy.salt, slot);
    policy.spi = make_spi(0, 3, slot);
    policy.instance = options.instance;
    policy.flags = flags(options);
    policy.window = options.window;
    policy.outer_source = peer;
    policy.outer_target = ours;
    policy.udp_source_port = options.udp ? 4500 : 0;
    policy.selector_count = 1;
    Selector& selector = policy.selectors[0];
    selector.family = kFamilyIpv4;
    selector.source_first = ipv4(10, 0, 0, 0);
    selector.source_last = ipv4(10, 255, 255, 255);
    selector.target_first = ipv4(10, 0, 0, 0);
    selector.target_last = ipv4(10, 255, 255, 255);
    selector.source_port_last = 0xffff;
    selector.target_port_last = 0xffff;
    return policy;
  }

  void commit(std::uint32_t slot, const OutboundPolicy& policy, const Credit& credit) {
    OutboundSlot& entry = outbound(slot);
    entry.policy[(entry.generation + 1) & 1u] = policy;
    entry.credit = credit;
    ++entry.generation;
  }
  void commit(std::uint32_t slot, const InboundPolicy& policy, const Credit& credit) {
    InboundSlot& entry = inbound(slot);
    entry.policy[(entry.generation + 1) & 1u] = policy;
    entry.credit = credit;
    ++entry.generation;
  }

  static Credit credit(const SaOptions& options) {
    Credit out = {};
    out.limit = options.limit;
    out.epoch = options.epoch;
    return out;
  }

  // Outbound SA in `slot` with route `slot` and a flow for the default inner packet from port 1000 + slot.
  void add_outbound(std::uint32_t slot, const SaOptions& options = {}) {
    commit(slot, outbound_policy(slot, options), credit(options));
    memory().routes[slot] = make_route(slot, options.instance);
    flow(flow_for(slot), FlowAction::kProtect, slot);
  }
  void add_inbound(std::uint32_t slot, const SaOptions& options = {}) {
    commit(slot, inbound_policy(slot, options), credit(options));
  }

  FlowKey flow_for(std::uint32_t slot) const {
    FlowKey key = {};
    key.source = host;
    key.target = remote;
    key.source_port = static_cast<std::uint16_t>(1000 + slot);
    key.target_port = 2000;
    key.protocol = 17;
    key.family = kFamilyIpv4;
    return key;
  }

  // False: the bucket is full.
  bool try_flow(const FlowKey& key, FlowAction action, std::uint32_t route) {
    FlowEntry* bucket = &memory().flows[flow_bucket(key) * kFlowWays];
    for (std::uint32_t way = 0; way < kFlowWays; ++way) {
      if (bucket[way].valid == 0 || flow_key_equal(bucket[way].key, key)) {
        bucket[way].key = key;
        bucket[way].action = static_cast<std::uint8_t>(action);
        bucket[way].route = route;
        bucket[way].valid = 1;
        return true;
      }
    }
    return false;
  }
  void flow(const FlowKey& key, FlowAction action, std::uint32_t route) {
    if (!try_flow(key, action, route)) {
      std::abort();
    }
  }

  void next_hop(Port port, const Address& address, const std::array<std::uint8_t, 6>& mac) {
    NextHop* bucket = &memory().next_hops[next_hop_bucket(port, kFamilyIpv4, address) * kNextHopWays];
    for (std::uint32_t way = 0; way < kNextHopWays; ++way) {
      if (bucket[way].valid == 0 || next_hop_matches(bucket[way], port, kFamilyIpv4, address)) {
        bucket[way].address = address;
        bucket[way].family = kFamilyIpv4;
        bucket[way].port = static_cast<std::uint8_t>(port);
        std::memcpy(bucket[way].mac, mac.data(), 6);
        bucket[way].valid = 1;
        return;
      }
    }
    std::abort();
  }
  void remove_next_hop(Port port, const Address& address) {
    NextHop* bucket = &memory().next_hops[next_hop_bucket(port, kFamilyIpv4, address) * kNextHopWays];
    for (std::uint32_t way = 0; way < kNextHopWays; ++way) {
      if (next_hop_matches(bucket[way], port, kFamilyIpv4, address)) {
        bucket[way].valid = 0;
      }
    }
  }

  std::vector<Result> process(Port port, const std::vector<Octets>& frames) {
    std::array<Packet, kBatchMax> packets = {};
    for (std::size_t i = 0; i < frames.size(); ++i) {
      std::uint8_t* buffer = buffers_.data() + i * kBufferOctets;
      std::memset(buffer, 0xaa, kBufferOctets);
      packets[i].data = buffer + kHeadroom;
      packets[i].octets = static_cast<std::uint32_t>(frames[i].size());
      std::copy_n(frames[i].begin(), std::min<std::size_t>(frames[i].size(), kFrameMax + kTailroom), packets[i].data);
    }
    pipeline_->process(port, packets.data(), static_cast<std::uint32_t>(frames.size()), now_ns);
    return results(packets.data(), frames.size());
  }
  Result process(Port port, const Octets& one) { return process(port, std::vector<Octets>{one})[0]; }

  void inject(InjectKind kind, Port port, const Octets& packet) {
    RingIndex& index = memory().inject_index;
    InjectRecord& record = memory().injects[index.produced % kInjectRingSize];
    record = InjectRecord{};
    record.kind = static_cast<std::uint32_t>(kind);
    record.port = static_cast<std::uint32_t>(port);
    record.octets = static_cast<std::uint32_t>(packet.size());
    std::copy_n(packet.begin(), std::min<std::size_t>(packet.size(), kFrameMax), record.packet);
    ++index.produced;
  }
  std::vector<Result> process_injected() {
    std::array<Packet, kBatchMax> packets = {};
    for (std::size_t i = 0; i < kBatchMax; ++i) {
      packets[i].data = buffers_.data() + i * kBufferOctets + kHeadroom;
    }
    const std::uint32_t filled = pipeline_->process_injected(packets.data(), kBatchMax, now_ns);
    return results(packets.data(), filled);
  }

  // The default inner packet of `slot`, as a frame at the inner port.
  Octets inner_frame(std::uint32_t slot, std::uint32_t octets = 100) const {
    Inner in;
    in.octets = octets;
    return inner_frame(slot, in);
  }
  Octets inner_frame(std::uint32_t slot, Inner in) const {
    in.source = host;
    in.target = remote;
    in.source_port = static_cast<std::uint16_t>(1000 + slot);
    return frame(inner_mac, inner_packet(in));
  }
  Octets to_outer(const Octets& packet) const { return frame(outer_mac, packet); }

  std::uint64_t counter(Counter which) { return registers().counters[static_cast<std::uint32_t>(which)]; }
  std::uint64_t counters_total() {
    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < kCounters; ++i) {
      total += i == static_cast<std::uint32_t>(Counter::kEventsLost) ? 0 : registers().counters[i];
    }
    return total;
  }

  std::deque<Event> take_events() {
    std::deque<Event> out;
    RingIndex& index = memory().event_index;
    for (; index.consumed < index.produced; ++index.consumed) {
      out.push_back(memory().events[index.consumed % kEventRingSize]);
    }
    return out;
  }
  std::uint32_t count_events(EventKind kind) {
    std::uint32_t count = 0;
    for (const Event& event : take_events()) {
      count += event.kind == static_cast<std::uint32_t>(kind) ? 1 : 0;
    }
    return count;
  }

  struct Punt {
    PuntReason reason;
    Port port;
    std::uint32_t index;
    Octets packet;
  };
  std::vector<Punt> take_punts() {
    std::vector<Punt> out;
    RingIndex& index = memory().punt_index;
    for (; index.consumed < index.produced; ++index.consumed) {
      const PuntRecord& record = memory().punts[index.consumed % kPuntRingSize];
      out.push_back({static_cast<PuntReason>(record.reason), static_cast<Port>(record.port), record.index,
                     Octets(record.packet, record.packet + record.octets)});
    }
    return out;
  }

  std::uint64_t now_ns = 1000;
  Address ours;
  Address peer;
  Address inner_ours;
  Address host;
  Address remote;
  std::array<std::uint8_t, 6> outer_mac;
  std::array<std::uint8_t, 6> inner_mac;

 private:
  static void fill_port(PortConfig& port, const std::array<std::uint8_t, 6>& mac, const Address& address) {
    std::memcpy(port.mac, mac.data(), 6);
    port.mtu = 1500;
    port.address_count = 1;
    port.addresses[0] = address;
    port.families[0] = kFamilyIpv4;
  }
  std::vector<Result> results(const Packet* packets, std::size_t count) {
    std::vector<Result> out;
    for (std::size_t i = 0; i < count; ++i) {
      Result result = {packets[i].verdict, packets[i].out_port, {}};
      if (packets[i].verdict == Verdict::kSend || packets[i].verdict == Verdict::kPunt) {
        result.frame.assign(packets[i].data, packets[i].data + packets[i].octets);
      }
      out.push_back(std::move(result));
    }
    return out;
  }

  std::uint32_t slots_;
  std::unique_ptr<void, decltype(&std::free)> memory_;
  Octets buffers_;
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace tandem::card::test
