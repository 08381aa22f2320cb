// SPDX-License-Identifier: Apache-2.0
// Entry points of the native data path: batches, classification, injected packets. Serves N5, N7.
#include "hw/native/pipeline.hpp"

#include <cstring>
#include <stdexcept>

#include "hw/native/pipeline_impl.hpp"
#include "hw/stage/classify.hpp"
#include "hw/stage/gate.hpp"
#include "hw/stage/report.hpp"
#include "hw/stage/sa_lookup.hpp"
#include "hw/stage/speaker.hpp"

#ifndef TANDEM_BUILD_ID
#define TANDEM_BUILD_ID ""
#endif

namespace tandem {
namespace card {
namespace {

constexpr int kConfigLooksMax = 3;  // a host commits rarely; a torn copy would need it to do so three times in a row

std::uint8_t hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') {
    return static_cast<std::uint8_t>(digit - '0');
  }
  return digit >= 'a' && digit <= 'f' ? static_cast<std::uint8_t>(digit - 'a' + 10) : std::uint8_t{0};
}

void fill_build_id(std::uint8_t* out) {
  const char text[] = TANDEM_BUILD_ID;
  for (std::size_t i = 0; i < kBuildIdOctets && 2 * i + 1 < sizeof(text) - 1; ++i) {
    out[i] = static_cast<std::uint8_t>(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
  }
}

// `octets`: at least kEthernetOctets.
SpeakerIn speaker_of(const std::uint8_t* frame, std::uint32_t octets, const PortConfig& port) {
  SpeakerIn in;
  load_window(frame + kEthernetOctets, in.window);
  in.octets = octets - kEthernetOctets;
  in.ether_type = load_be16(frame + 12);
  in.port = &port;
  return in;
}

}  // namespace

Pipeline::Impl::Impl(void* block, std::uint32_t slot_count, Crypto crypto, bool simulated)
    : memory(static_cast<CardMemory*>(block)),
      outbound(reinterpret_cast<OutboundSlot*>(static_cast<std::uint8_t*>(block) + outbound_offset())),
      inbound(reinterpret_cast<InboundSlot*>(static_cast<std::uint8_t*>(block) + inbound_offset(slot_count))),
      slots(slot_count),
      engine(crypto),
      outbound_keys(engine, slot_count),
      inbound_keys(engine, slot_count) {
  Registers& registers = memory->registers;
  registers.contract_version = kContractVersion;
  registers.slots = slots;
  registers.simulated = simulated ? 1 : 0;
  fill_build_id(registers.build_id);
  store_relaxed(&registers.idle, 1u);
  store_release(&registers.magic, kContractMagic);
}

// The host waits for "idle" or for the next batch before it reuses a policy copy: so "busy" must be visible
// before any table is read.
Batch Pipeline::Impl::begin(Port port, std::uint64_t now_ns, bool injected) {
  Registers& registers = memory->registers;
  store_relaxed(&registers.idle, 0u);
  full_fence();
  store_relaxed(&registers.now_ns, now_ns);
  Batch batch;
  batch.moment.activation = load_acquire(&registers.activation);
  batch.moment.now_ns = now_ns;
  batch.moment.grant = load_relaxed(&registers.grant);
  GateIn in;
  in.activation = batch.moment.activation;
  in.lease_deadline_ns = load_acquire(&registers.lease_deadline_ns);
  in.now_ns = now_ns;
  batch.gate = gate(in);
  batch.config = &registers.config[load_acquire(&registers.config_generation) & 1u];
  batch.port = port;
  batch.injected = injected;
  batch.routed = false;
  batch.route = 0;
  last_hop.found = false;
  return batch;
}

void Pipeline::Impl::end() {
  sweep_keys();
  Registers& registers = memory->registers;
  store_release(&registers.batch_count, load_relaxed(&registers.batch_count) + 1);
  store_release(&registers.idle, 1u);
}

// One slot a batch: an SA that was taken out and is never asked for again loses its expanded key too.
void Pipeline::Impl::sweep_keys() {
  outbound_keys.wipe_noted();
  inbound_keys.wipe_noted();
  sweep_slot = sweep_slot + 1 < slots ? sweep_slot + 1 : 0;
  if (outbound_keys.holds(sweep_slot)) {
    const OutboundSlot& slot = outbound[sweep_slot];
    if ((slot.policy[load_acquire(&slot.generation) & 1u].flags & kSaValid) == 0) {
      outbound_keys.wipe(sweep_slot);
    }
  }
  if (inbound_keys.holds(sweep_slot)) {
    const InboundSlot& slot = inbound[sweep_slot];
    if ((slot.policy[load_acquire(&slot.generation) & 1u].flags & kSaValid) == 0) {
      inbound_keys.wipe(sweep_slot);
    }
  }
}

void Pipeline::Impl::count(Counter counter, std::uint64_t packets) { report_count(*memory, counter, packets); }

void Pipeline::Impl::take_transit(const InnerOut& inner, Packet& packet, SealWork& work) {
  work.packet = &packet;
  work.ip = packet.data + kEthernetOctets;
  work.octets = inner.ip.total_octets;
  work.key = inner.key;
  work.tos = inner.ip.tos;
  work.dont_fragment = inner.ip.dont_fragment;
  work.bucket = flow_bucket(inner.key);
  __builtin_prefetch(memory->flows + std::size_t{work.bucket} * kFlowWays);
}

void Pipeline::Impl::take_esp(const OuterOut& outer, Packet& packet, OpenWork& work) {
  work.packet = &packet;
  work.esp = packet.data + kEthernetOctets + outer.esp_offset;
  work.octets = outer.esp_octets;
  work.spi = outer.spi;
  work.sequence = outer.sequence;
  work.slot = spi_slot(outer.spi, slots);
  work.source = outer.source;
  work.source_port = outer.source_port;
  work.tos = outer.tos;
}

void Pipeline::Impl::run(const Batch& batch, Packet* packets, std::uint32_t number) {
  ClassifyIn in;
  ClassifyOut out;
  in.gate = batch.gate;
  in.port = &batch.config->ports[static_cast<std::uint32_t>(batch.port)];
  in.side = batch.port;
  in.injected = batch.injected;
  std::memcpy(in.ethernet.mac, in.port->mac, sizeof(in.ethernet.mac));
  std::uint32_t transits = 0;
  std::uint32_t esps = 0;
  for (std::uint32_t i = 0; i < number; ++i) {
    Packet& packet = packets[i];
    packet.verdict = Verdict::kDrop;
    packet.out_port = batch.port;
    std::memcpy(in.ethernet.header, packet.data, kEthernetOctets);
    in.ethernet.octets = packet.octets;
    load_window(packet.data + kEthernetOctets, in.window);
    classify(in, out);
    if (out.path == Path::kTransit) {
      take_transit(out.inner, packet, seals[transits++]);
    } else if (out.path == Path::kEsp) {
      take_esp(out.outer, packet, opens[esps++]);
    } else {
      finish(batch, packet, out.outcome, packet.data + kEthernetOctets, packet.octets - kEthernetOctets, 0);
    }
  }
  std::uint32_t protects = 0;
  for (std::uint32_t i = 0; i < transits; ++i) {
    if (transit(batch, seals[i])) {
      if (protects != i) {
        seals[protects] = seals[i];
      }
      ++protects;
    }
  }
  if (protects != 0) {
    encrypt(batch, protects);
  }
  if (esps != 0) {
    decrypt(batch, esps);
  }
}

// A frame of the host's stack: out as it is, unless it speaks for an address that is not ours to use now.
void Pipeline::Impl::inject_frame(const Batch& batch, Packet& packet, std::uint32_t octets) {
  packet.octets = octets;
  if (octets < kEthernetOctets) {
    finish(batch, packet, drop(Counter::kDropMalformed), packet.data, 0, 0);
    return;
  }
  const SpeakerIn in = speaker_of(packet.data, octets, batch.config->ports[static_cast<std::uint32_t>(batch.port)]);
  if (batch.gate.fate != Fate::kContinue && card::speaks_for_virtual(in)) {
    finish(batch, packet, batch.gate, packet.data, 0, 0);
    return;
  }
  send(packet, batch.port, Counter::kInjected);
}

void Pipeline::Impl::inject_ip(const Batch& batch, const InjectRecord& record, Packet& packet, std::uint32_t octets) {
  std::uint8_t* ip = packet.data;
  SpeakerIn in;
  load_window(ip, in.window);
  in.octets = octets;
  in.ether_type = kEtherTypeIpv4;
  in.port = &batch.config->ports[static_cast<std::uint32_t>(batch.port)];
  const Ipv4 header = parse_ipv4(in.window, octets);
  if (!header.good) {
    finish(batch, packet, drop(Counter::kDropMalformed), ip, 0, 0);
    return;
  }
  if (batch.gate.fate != Fate::kContinue && !speaks_for_itself(in)) {
    finish(batch, packet, batch.gate, ip, 0, 0);
    return;
  }
  Address hop;
  std::uint32_t given = 0;
  for (std::uint32_t i = 0; i < 16; ++i) {
    hop.octets[i] = record.next_hop[i];
    given |= hop.octets[i];
  }
  if (given == 0) {
    hop = header.target;
  }
  if (!add_ethernet(batch, batch.port, hop, packet, ip, header.total_octets)) {
    punt_slow(batch.port, PuntReason::kNoNextHop, 0, ip, header.total_octets, batch.moment.now_ns, packet);
    return;
  }
  send(packet, batch.port, Counter::kInjected);
}

// False: the record held nothing that fits a packet (counted).
bool Pipeline::Impl::inject_one(Batch& batch, const InjectRecord& record, Packet& packet) {
  const std::uint32_t octets = load_relaxed(&record.octets);
  const std::uint32_t port = load_relaxed(&record.port);
  const InjectKind kind = static_cast<InjectKind>(load_relaxed(&record.kind));
  packet.octets = 0;
  packet.verdict = Verdict::kDrop;
  const bool known = kind >= InjectKind::kFrame && kind <= InjectKind::kSealRoute;
  if (port >= kPorts || !known || octets > kFrameMax) {
    count(octets > kFrameMax ? Counter::kDropTooBig : Counter::kDropMalformed, 1);
    return false;
  }
  std::memcpy(packet.data, record.packet, octets);
  batch.port = static_cast<Port>(port);
  if (kind == InjectKind::kFrame) {
    inject_frame(batch, packet, octets);
  } else if (kind == InjectKind::kIpPacket) {
    inject_ip(batch, record, packet, octets);
  } else {
    // Goes through its path as if a neighbour had sent it to us.
    batch.port = kind == InjectKind::kOpen ? Port::kOuter : Port::kInner;
    batch.routed = kind == InjectKind::kSealRoute;
    batch.route = load_relaxed(&record.route);
    packet.data -= kEthernetOctets;
    packet.octets = octets + kEthernetOctets;
    std::memcpy(packet.data, batch.config->ports[static_cast<std::uint32_t>(batch.port)].mac, 6);
    std::memset(packet.data + 6, 0, 6);
    const bool ipv6 = octets != 0 && packet.data[kEthernetOctets] >> 4 == 6;
    store_be16(packet.data + 12, ipv6 ? kEtherTypeIpv6 : kEtherTypeIpv4);
    run(batch, &packet, 1);
  }
  return true;
}

Pipeline::Pipeline(void* memory, std::uint32_t slots, Crypto crypto, bool simulated) : impl_(nullptr) {
  if (memory == nullptr || reinterpret_cast<std::uintptr_t>(memory) % 64 != 0 || slots == 0 || slots > kSaSlotsMax) {
    throw std::runtime_error("Pipeline: memory must be 64-octet aligned, slots 1..65536");
  }
  impl_ = new Impl(memory, slots, crypto, simulated);
}

Pipeline::~Pipeline() { delete impl_; }

void Pipeline::process(Port port, Packet* packets, std::uint32_t count, std::uint64_t now_ns) {
  const Batch batch = impl_->begin(port, now_ns, false);
  impl_->run(batch, packets, count < kBatchMax ? count : kBatchMax);
  impl_->end();
}

std::uint32_t Pipeline::process_injected(Packet* packets, std::uint32_t count, std::uint64_t now_ns) {
  RingIndex& index = impl_->memory->inject_index;
  const std::uint64_t consumed = load_relaxed(&index.consumed);
  const std::uint64_t ready = load_acquire(&index.produced) - consumed;
  if (ready == 0 || ready > kInjectRingSize) {
    return 0;
  }
  Batch batch = impl_->begin(Port::kInner, now_ns, true);
  const std::uint32_t room = count < kBatchMax ? count : kBatchMax;
  std::uint32_t filled = 0;
  std::uint64_t taken = 0;
  for (; taken < ready && filled < room; ++taken) {
    const InjectRecord& record = impl_->memory->injects[(consumed + taken) % kInjectRingSize];
    if (impl_->inject_one(batch, record, packets[filled])) {
      ++filled;
    }
  }
  store_release(&index.consumed, consumed + taken);
  impl_->end();
  return filled;
}

bool Pipeline::may_speak(std::uint64_t now_ns) const {
  const Registers& registers = impl_->memory->registers;
  GateIn in;
  in.activation = load_acquire(&registers.activation);
  in.lease_deadline_ns = load_acquire(&registers.lease_deadline_ns);
  in.now_ns = now_ns;
  return gate(in).fate == Fate::kContinue;
}

bool Pipeline::holds_wires(std::uint64_t now_ns) const {
  const Registers& registers = impl_->memory->registers;
  HoldIn in;
  // The activation last: a card that is armed between the two reads must not be held.
  in.hold_deadline_ns = load_acquire(&registers.hold_deadline_ns);
  in.activation = load_acquire(&registers.activation);
  in.now_ns = now_ns;
  return card::holds_wires(in);
}

// A copy, as the host may commit another configuration meanwhile.
PortConfig Pipeline::Impl::port_config(Port port) const {
  const Registers& registers = memory->registers;
  PortConfig config;
  for (int look = 0; look < kConfigLooksMax; ++look) {
    const std::uint32_t generation = load_acquire(&registers.config_generation);
    std::memcpy(&config, &registers.config[generation & 1u].ports[static_cast<std::uint32_t>(port)], sizeof(config));
    full_fence();
    if (load_acquire(&registers.config_generation) == generation) {
      break;
    }
  }
  return config;
}

bool Pipeline::speaks_for_virtual(Port port, const Packet& frame) const {
  const PortConfig config = impl_->port_config(port);
  return frame.octets >= kEthernetOctets && config.virtual_mask != 0 &&
         card::speaks_for_virtual(speaker_of(frame.data, frame.octets, config));
}

bool Pipeline::leaves_under_lease(Port port, const Packet& frame) const {
  if (frame.octets < kEthernetOctets) {
    return false;
  }
  const PortConfig config = impl_->port_config(port);
  const SpeakerIn in = speaker_of(frame.data, frame.octets, config);
  return in.ether_type == kEtherTypeIpv4 ? !speaks_for_itself(in) : card::speaks_for_virtual(in);
}

EngineFigures Pipeline::engine_figures() const { return impl_->engine.figures(); }

void Pipeline::count(Counter counter, std::uint64_t packets) {
  if (static_cast<std::uint32_t>(counter) < kCounters) {
    impl_->count(counter, packets);
  }
}

}  // namespace card
}  // namespace tandem
