// SPDX-License-Identifier: Apache-2.0
// Inside of the native pipeline: the card's state, a batch's view of it, and the loops over the stages.
// The loops move octets and read tables; every decision is a stage's.
#pragma once

#include <cstdint>

#include "hw/leaf/gcm_native.hpp"
#include "hw/native/key_cache.hpp"
#include "hw/native/pipeline.hpp"
#include "hw/stage/credit_view.hpp"
#include "hw/stage/next_hop.hpp"
#include "hw/stage/outcome.hpp"
#include "hw/stage/parse_inner.hpp"
#include "hw/stage/parse_outer.hpp"
#include "hw/stage/unknown_spi.hpp"

namespace tandem {
namespace card {

// What is read once a batch.
struct Batch {
  Moment moment;
  Outcome gate;  // may protected and transit traffic pass?
  const CardConfig* config;
  Port port;      // where the frames came in
  bool injected;  // by the host
  bool routed;    // injected under `route`: the SPD cache is not asked
  std::uint32_t route;
};

// A packet on its way through the encrypt path.
struct SealWork {
  Packet* packet;
  std::uint8_t* ip;  // inner IP header
  std::uint32_t octets;
  std::uint32_t bucket;  // of the SPD cache
  std::uint32_t slot;
  std::uint32_t generation;  // of the policy read
  std::uint64_t route;
  const OutboundPolicy* policy;
  FlowKey key;
  std::uint8_t tos;
  bool dont_fragment;
};

// A packet on its way through the decrypt path.
struct OpenWork {
  Packet* packet;
  std::uint8_t* esp;  // ESP header
  std::uint32_t octets;
  std::uint32_t spi;
  std::uint32_t sequence;
  std::uint32_t slot;
  std::uint32_t generation;  // of the policy read
  std::uint64_t number;
  const InboundPolicy* policy;
  const void* key;
  Address source;
  std::uint16_t source_port;
  std::uint8_t tos;
};

struct Pipeline::Impl {
  Impl(void* block, std::uint32_t slots, Crypto crypto, bool simulated);

  // pipeline.cpp
  Batch begin(Port port, std::uint64_t now_ns, bool injected);
  void end();
  void count(Counter counter, std::uint64_t packets);
  void run(const Batch& batch, Packet* packets, std::uint32_t number);
  void take_transit(const InnerOut& inner, Packet& packet, SealWork& work);
  void take_esp(const OuterOut& outer, Packet& packet, OpenWork& work);
  bool inject_one(Batch& batch, const InjectRecord& record, Packet& packet);
  void inject_frame(const Batch& batch, Packet& packet, std::uint32_t octets);
  void inject_ip(const Batch& batch, const InjectRecord& record, Packet& packet, std::uint32_t octets);
  void sweep_keys();
  PortConfig port_config(Port port) const;

  // egress.cpp: ends of a packet
  void finish(const Batch& batch, Packet& packet, const Outcome& outcome, const std::uint8_t* ip, std::uint32_t octets,
              std::uint32_t slot);
  void punt_slow(Port port, PuntReason reason, std::uint32_t slot, const std::uint8_t* ip, std::uint32_t octets,
                 std::uint64_t now_ns, Packet& packet);
  bool add_ethernet(const Batch& batch, Port port, const Address& hop, Packet& packet, std::uint8_t* ip,
                    std::uint32_t octets);
  void send(Packet& packet, Port port, Counter counter);
  bool transit(const Batch& batch, SealWork& work);

  // encrypt.cpp
  void encrypt(const Batch& batch, std::uint32_t works);
  bool seal_lookup(const Batch& batch, SealWork& work);
  bool seal_prepare(const Batch& batch, SealWork& work, GcmJob& job);
  void seal_events(const Batch& batch, const SealWork& work, std::uint32_t events, std::uint64_t value);
  void seal_finish(const Batch& batch, SealWork& work);

  // decrypt.cpp
  void decrypt(const Batch& batch, std::uint32_t works);
  void open_unknown(const Batch& batch, OpenWork& work);
  bool open_lookup(const Batch& batch, OpenWork& work);
  bool open_check(const Batch& batch, OpenWork& work);
  void open_prepare(const OpenWork& work, GcmJob& job, std::uint8_t* tag);
  void open_finish(const Batch& batch, OpenWork& work, bool authentic);
  bool open_update(const Batch& batch, OpenWork& work);
  void open_events(const Batch& batch, const OpenWork& work, std::uint32_t events, std::uint64_t value);
  void open_deliver(const Batch& batch, OpenWork& work);

  CardMemory* memory;
  OutboundSlot* outbound;
  InboundSlot* inbound;
  std::uint32_t slots;
  std::uint32_t sweep_slot = 0;
  UnknownSpi unknown = {};
  NextHopOut last_hop = {};  // of this batch
  Address last_address = {};
  Port last_port = Port::kOuter;
  GcmEngine engine;
  KeyCache outbound_keys;
  KeyCache inbound_keys;
  SealWork seals[kBatchMax];
  OpenWork opens[kBatchMax];
  GcmJob jobs[kBatchMax];
  std::uint8_t tags[kBatchMax][kGcmTagOctets];
};

template <typename T>
inline void prefetch_lines(const T* from, std::size_t octets) {
  const char* line = reinterpret_cast<const char*>(from);
  for (std::size_t at = 0; at < octets; at += 64) {
    __builtin_prefetch(line + at);
  }
}

// Reads the window at `ip`; behind the packet's end lies the buffer's tailroom.
inline void load_window(const std::uint8_t* ip, Window& window) { copy_octets(window.octets, ip, kWindowOctets); }

}  // namespace card
}  // namespace tandem
