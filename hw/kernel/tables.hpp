// SPDX-License-Identifier: Apache-2.0
// The card's memory as lines of 64 octets: the fields of hw/contract's structs, and where each table starts.
// Host-owned structs are only read here, card-owned ones read and written whole.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hw/contract/memory.hpp"
#include "hw/kernel/fields.hpp"

namespace tandem {
namespace card {

// The host-owned words of `Registers` that a packet needs: one line, read in one beat.
struct CommandLine {
  std::uint64_t activation;
  std::uint64_t lease_deadline_ns;
  std::uint32_t grant;
  std::uint32_t config_generation;
};
static_assert(offsetof(Registers, activation) % kLineOctets == 0 &&
                  offsetof(Registers, lease_deadline_ns) == offsetof(Registers, activation) + 8 &&
                  offsetof(Registers, grant) == offsetof(Registers, activation) + 16 &&
                  offsetof(Registers, config_generation) == offsetof(Registers, activation) + 20,
              "one line");

struct Route {
  std::uint64_t words[kLineWords];
};
struct Generation {
  std::uint32_t value;
};
struct NextHopPair {
  NextHop ways[2];
};

constexpr std::uint32_t kCommandLine = offsetof(Registers, activation) / kLineOctets;
// Registers::sealed_total has its line to itself: tandem_encrypt alone writes it.
constexpr std::uint32_t kSealedTotalLine = offsetof(Registers, sealed_total) / kLineOctets;
static_assert(offsetof(Registers, sealed_total) % kLineOctets == 0 && kCommandLine == kSealedTotalLine + 1, "lines");
constexpr std::uint32_t kConfigLines = sizeof(CardConfig) / kLineOctets;
constexpr std::uint32_t kConfigLine = offsetof(Registers, config) / kLineOctets;
constexpr std::uint32_t kFlowLine = offsetof(CardMemory, flows) / kLineOctets;
constexpr std::uint32_t kRouteLine = offsetof(CardMemory, routes) / kLineOctets;
constexpr std::uint32_t kNextHopLine = offsetof(CardMemory, next_hops) / kLineOctets;
static_assert(offsetof(Registers, config) % kLineOctets == 0 && sizeof(CardConfig) % kLineOctets == 0, "lines");
static_assert(offsetof(CardMemory, flows) % kLineOctets == 0 && offsetof(CardMemory, routes) % kLineOctets == 0 &&
                  offsetof(CardMemory, next_hops) % kLineOctets == 0,
              "lines");

// What a testbench of the tops has for a memory: a co-simulation must know, a card does not care (`depth` of m_axi).
constexpr std::uint32_t kBenchSlots = 64;
constexpr std::uint32_t kBenchLines = static_cast<std::uint32_t>(memory_octets(kBenchSlots) / kLineOctets);
constexpr std::uint32_t kBenchWords = 8 * kBenchLines;
constexpr std::uint32_t kBenchMarks = 16 * kBenchLines;
static_assert(memory_octets(kBenchSlots) % kLineOctets == 0, "lines");

// Lines of a slot, and where the tables of slots start.
constexpr std::uint32_t kOutboundLine = static_cast<std::uint32_t>(outbound_offset() / kLineOctets);
constexpr std::uint32_t inbound_line(std::uint32_t slots) {
  return static_cast<std::uint32_t>(inbound_offset(slots) / kLineOctets);
}
constexpr std::uint32_t kOutboundLines = sizeof(OutboundSlot) / kLineOctets;
constexpr std::uint32_t kOutboundPolicyLine = offsetof(OutboundSlot, policy) / kLineOctets;
constexpr std::uint32_t kOutboundPolicyLines = sizeof(OutboundPolicy) / kLineOctets;
constexpr std::uint32_t kOutboundCreditLine = offsetof(OutboundSlot, credit) / kLineOctets;
constexpr std::uint32_t kOutboundStateLine = offsetof(OutboundSlot, state) / kLineOctets;
constexpr std::uint32_t kInboundLines = sizeof(InboundSlot) / kLineOctets;
constexpr std::uint32_t kInboundPolicyLine = offsetof(InboundSlot, policy) / kLineOctets;
constexpr std::uint32_t kInboundPolicyLines = sizeof(InboundPolicy) / kLineOctets;
constexpr std::uint32_t kInboundCreditLine = offsetof(InboundSlot, credit) / kLineOctets;
constexpr std::uint32_t kInboundStateLine = offsetof(InboundSlot, state) / kLineOctets;
constexpr std::uint32_t kStateHeads = offsetof(InboundState, seen) / kLineOctets;  // then the window's rows
constexpr std::uint32_t kStateRows = sizeof(InboundState) / kLineOctets - kStateHeads;
// An inbound policy's selectors begin a line.
constexpr std::uint32_t kSelectorLine = offsetof(InboundPolicy, selectors) / kLineOctets;
constexpr std::uint32_t kSelectorLines = kInboundPolicyLines - kSelectorLine;
static_assert(offsetof(InboundPolicy, selectors) % kLineOctets == 0, "lines");
static_assert(kOutboundPolicyLines == kSelectorLine, "what is kept of a policy without selectors is as much");

template <>
struct Fields<CommandLine> {
  static constexpr std::uint32_t kOctets = 24;
  template <typename Walk>
  static void walk(Walk& walk, CommandLine& line) {
    walk.value(line.activation);
    walk.value(line.lease_deadline_ns);
    walk.value(line.grant);
    walk.value(line.config_generation);
  }
};

template <>
struct Fields<Route> {
  static constexpr std::uint32_t kOctets = 64;
  template <typename Walk>
  static void walk(Walk& walk, Route& line) {
  route_words:
    for (std::uint32_t i = 0; i < kLineWords; ++i) {
      walk.value(line.words[i]);
    }
  }
};

template <>
struct Fields<Generation> {
  static constexpr std::uint32_t kOctets = 4;
  template <typename Walk>
  static void walk(Walk& walk, Generation& line) {
    walk.value(line.value);
  }
};

template <>
struct Fields<Address> {
  static constexpr std::uint32_t kOctets = sizeof(Address);
  template <typename Walk>
  static void walk(Walk& walk, Address& address) {
    walk.octets(address.octets, 16);
  }
};

template <>
struct Fields<CardConfig> {
  static constexpr std::uint32_t kOctets = sizeof(CardConfig);
  template <typename Walk>
  static void walk(Walk& walk, CardConfig& config) {
  config_ports:
    for (std::uint32_t n = 0; n < kPorts; ++n) {
      PortConfig& port = config.ports[n];
      walk.octets(port.mac, 6);
      walk.value(port.address_count);
      walk.value(port.mtu);
      walk.value(port.virtual_mask);
      walk.skip(4);
    config_addresses:
      for (std::uint32_t i = 0; i < kPortAddressesMax; ++i) {
        Fields<Address>::walk(walk, port.addresses[i]);
      }
      walk.octets(port.families, kPortAddressesMax);
    }
  }
};

template <>
struct Fields<FlowKey> {
  static constexpr std::uint32_t kOctets = sizeof(FlowKey);
  template <typename Walk>
  static void walk(Walk& walk, FlowKey& key) {
    Fields<Address>::walk(walk, key.source);
    Fields<Address>::walk(walk, key.target);
    walk.value(key.source_port);
    walk.value(key.target_port);
    walk.value(key.protocol);
    walk.value(key.family);
    walk.skip(2);
  }
};

template <>
struct Fields<FlowEntry> {
  static constexpr std::uint32_t kOctets = sizeof(FlowEntry);
  template <typename Walk>
  static void walk(Walk& walk, FlowEntry& entry) {
    Fields<FlowKey>::walk(walk, entry.key);
    walk.value(entry.valid);
    walk.value(entry.route);
    walk.value(entry.action);
    walk.skip(11);
    walk.value(entry.used);
  }
};

template <>
struct Fields<NextHopPair> {
  static constexpr std::uint32_t kOctets = sizeof(NextHopPair);
  template <typename Walk>
  static void walk(Walk& walk, NextHopPair& pair) {
  pair_ways:
    for (std::uint32_t n = 0; n < 2; ++n) {
      NextHop& hop = pair.ways[n];
      Fields<Address>::walk(walk, hop.address);
      walk.value(hop.valid);
      walk.value(hop.family);
      walk.value(hop.port);
      walk.octets(hop.mac, 6);
      walk.value(hop.used);
    }
  }
};

template <>
struct Fields<OutboundPolicy> {
  static constexpr std::uint32_t kOctets = sizeof(OutboundPolicy);
  template <typename Walk>
  static void walk(Walk& walk, OutboundPolicy& policy) {
    walk.octets(policy.key, 32);
    walk.octets(policy.salt, 4);
    walk.value(policy.spi);
    walk.value(policy.instance);
    walk.value(policy.flags);
    walk.value(policy.inner_mtu);
    Fields<Address>::walk(walk, policy.outer_source);
    Fields<Address>::walk(walk, policy.outer_target);
    walk.value(policy.udp_source_port);
    walk.value(policy.udp_target_port);
    walk.value(policy.outer_ttl);
    walk.value(policy.dscp);
    walk.skip(2);
    walk.value(policy.sequence_max);
    walk.value(policy.soft_packets);
    walk.value(policy.hard_packets);
    walk.value(policy.soft_octets);
    walk.value(policy.hard_octets);
    walk.skip(64);
  }
};

template <>
struct Fields<Selector> {
  static constexpr std::uint32_t kOctets = sizeof(Selector);
  template <typename Walk>
  static void walk(Walk& walk, Selector& selector) {
    Fields<Address>::walk(walk, selector.source_first);
    Fields<Address>::walk(walk, selector.source_last);
    Fields<Address>::walk(walk, selector.target_first);
    Fields<Address>::walk(walk, selector.target_last);
    walk.value(selector.source_port_first);
    walk.value(selector.source_port_last);
    walk.value(selector.target_port_first);
    walk.value(selector.target_port_last);
    walk.value(selector.protocol);
    walk.value(selector.family);
    walk.skip(6);
  }
};

struct SelectorList {
  Selector entries[kSelectorsMax];
};

template <>
struct Fields<SelectorList> {
  static constexpr std::uint32_t kOctets = sizeof(SelectorList);
  template <typename Walk>
  static void walk(Walk& walk, SelectorList& list) {
  list_selectors:
    for (std::uint32_t i = 0; i < kSelectorsMax; ++i) {
      Fields<Selector>::walk(walk, list.entries[i]);
    }
  }
};

// An inbound policy without its selectors.
struct InboundTerms {
  InboundPolicy policy;
};

template <>
struct Fields<InboundTerms> {
  static constexpr std::uint32_t kOctets = offsetof(InboundPolicy, selectors);
  template <typename Walk>
  static void walk(Walk& walk, InboundTerms& terms) {
    InboundPolicy& policy = terms.policy;
    walk.octets(policy.key, 32);
    walk.octets(policy.salt, 4);
    walk.value(policy.spi);
    walk.value(policy.instance);
    walk.value(policy.flags);
    walk.value(policy.window);
    Fields<Address>::walk(walk, policy.outer_source);
    Fields<Address>::walk(walk, policy.outer_target);
    walk.value(policy.udp_source_port);
    walk.value(policy.udp_target_port);
    walk.value(policy.selector_count);
    walk.value(policy.soft_packets);
    walk.value(policy.hard_packets);
    walk.value(policy.soft_octets);
    walk.value(policy.hard_octets);
    walk.skip(72);
  }
};

template <>
struct Fields<Credit> {
  static constexpr std::uint32_t kOctets = sizeof(Credit);
  template <typename Walk>
  static void walk(Walk& walk, Credit& credit) {
    walk.value(credit.limit);
    walk.value(credit.notify_at);
    walk.value(credit.epoch);
    walk.skip(4);
    walk.value(credit.floor);
    walk.skip(32);
  }
};

template <>
struct Fields<OutboundState> {
  static constexpr std::uint32_t kOctets = sizeof(OutboundState);
  template <typename Walk>
  static void walk(Walk& walk, OutboundState& state) {
    walk.value(state.next_sequence);
    walk.value(state.iv_counter);
    walk.value(state.epoch);
    walk.value(state.instance);
    walk.value(state.packets);
    walk.value(state.octets);
    walk.value(state.notified_at);
    walk.value(state.raised);
    walk.skip(4);
    walk.value(state.last_used_ns);
  }
};

// An inbound state without the words of its window.
struct StateHead {
  InboundState state;
};

template <>
struct Fields<StateHead> {
  static constexpr std::uint32_t kOctets = offsetof(InboundState, seen);
  template <typename Walk>
  static void walk(Walk& walk, StateHead& head) {
    InboundState& state = head.state;
    walk.value(state.right_edge);
    walk.value(state.epoch);
    walk.value(state.instance);
    walk.value(state.packets);
    walk.value(state.octets);
    walk.value(state.notified_at);
    walk.value(state.raised);
    walk.value(state.peer_changes);
    Fields<Address>::walk(walk, state.peer);
    walk.value(state.peer_port);
    walk.skip(2);
    walk.value(state.auth_failures);
    walk.value(state.last_used_ns);
    walk.value(state.replays);
    walk.value(state.selector_mismatches);
    walk.skip(40);
  }
};

}  // namespace card
}  // namespace tandem
