// SPDX-License-Identifier: Apache-2.0
// The SAD on the host: pairs of ESP SAs as the owner describes them become entries of the card, and flows
// that missed the card's SPD cache are decided. RFC 4301 4.4.1, 4.4.2; RFC 7296 2.8 (which SA carries).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "driver/card.hpp"
#include "host/base/log.hpp"
#include "host/sad/slots.hpp"
#include "host/sad/spd.hpp"
#include "host/sad/use_limits.hpp"

namespace tandem::sad {

// One CHILD SA: an inbound and an outbound SA that share a slot. Views are only read during the call.
struct SaPair {
  std::uint32_t spi_in = 0;
  std::uint32_t spi_out = 0;
  std::uint32_t instance = 0;
  std::uint32_t route = 0;
  bool carries_outbound = false;
  bool esn = false;
  bool udp = false;  // ESP in UDP (NAT-003)
  std::uint16_t key_bits = 0;
  ByteView key_in;  // AES key and salt (GCM-001)
  ByteView key_out;
  const std::vector<wire::TrafficSelector>* local_ts = nullptr;
  const std::vector<wire::TrafficSelector>* remote_ts = nullptr;
  Endpoint local;
  Endpoint remote;
  UseLimits use_in{};  // as this card is to count
  UseLimits use_out{};
};

struct SadConfig {
  std::uint16_t outer_mtu = 1500;
  std::uint16_t replay_window = card::kReplayWindowDefault;
  std::uint8_t outer_ttl = 64;
  std::uint32_t segment = 0;
  std::uint32_t discard_flows_max = 4096;
};

// Largest inner packet of a tunnel (PMTU-002): AES-GCM with 16-octet ICV.
constexpr std::uint16_t inner_mtu(std::uint16_t outer_mtu, bool outer_ipv4, bool udp) {
  const int payload = outer_mtu - (outer_ipv4 ? 20 : 40) - (udp ? 8 : 0) - 8 - 8 - 16;
  return static_cast<std::uint16_t>((payload & ~3) - 2);
}

// Selector pairs an SA needs on the card: every local with every remote one of its family.
std::size_t selector_pairs(const std::vector<wire::TrafficSelector>& local,
                           const std::vector<wire::TrafficSelector>& remote);

class Sad {
 public:
  static constexpr std::size_t kNewFlowsMax = 4096;

  // The card outlives it. Slots are as many as the card has.
  Sad(driver::Card& card, SadConfig config, Spd spd, Random& random, Log& log);

  Slots& slots() { return slots_; }
  std::optional<std::uint32_t> allocate_route();

  // Puts a pair in, or brings one that is in up to date (peer address, limits of use, which one carries outbound
  // traffic: end_idle_routes() after all pairs of a change). The credits count only for a new one. A pair that cannot
  // go in leaves neither key nor slot behind. Errors: kInvalid (key sizes, no or too many selector pairs), kBadIndex
  // (SPI of no slot), or what the card says.
  driver::CardResult<> install(const SaPair& pair, const card::Credit& out, const card::Credit& in);
  // Routes whose carrier was told to carry no more, and that no other pair took over: their flows are decided anew, by
  // another route or an acquire.
  void end_idle_routes();
  bool installed(std::uint32_t spi_in) const { return pairs_.contains(spi_in); }
  // Some installed pair carries the outbound traffic of this route.
  bool usable(std::uint32_t route) const;
  // Takes a pair out and wipes its keys; its route goes when no other pair has it.
  void remove(std::uint32_t spi_in);
  void set_credits(std::uint32_t spi_in, const card::Credit& out, const card::Credit& in);
  // Everything out of the card, all slots free.
  void clear();

  // The pair in a slot of the card; nothing when it is empty or of another instance.
  std::optional<std::uint32_t> pair_at(std::uint32_t index, std::uint32_t instance) const;
  // The pair in a slot, whatever its instance.
  std::optional<std::uint32_t> pair_in(std::uint32_t index) const;
  // That pair's route.
  std::optional<std::uint32_t> route_in(std::uint32_t index) const;
  std::size_t size() const { return pairs_.size(); }
  std::vector<std::uint32_t> pairs() const;
  driver::Card& card() { return card_; }

  // For packets whose verdict shall not be remembered.
  const Spd& spd() const { return spd_; }
  std::uint16_t outer_mtu() const { return config_.outer_mtu; }
  // PROTECT flows that are remembered, over all routes.
  std::size_t flows_held() const { return flows_held_; }

  // Decides a packet from the protected side that missed the cache and remembers the decision on the card. The cache
  // knows no direction: a decision that would be wrong for the same addresses and ports at the other port is not
  // remembered, so that clear text from outside cannot spoil the flows of the inside.
  SpdVerdict decide_outbound(const PacketKey& key);
  // PROTECT flows remembered since the last call, for the partner: at most kNewFlowsMax, the rest is not told.
  std::vector<PacketKey> take_new_flows();
  // All PROTECT flows that the card may hold.
  std::vector<PacketKey> flows() const;
  // A flow that the partner remembers: decided here anew, by our own SPD and SAs, and remembered if it is PROTECT.
  void adopt_flow(const PacketKey& key);
  // The same for clear text from outside.
  SpdVerdict decide_inbound_clear(const PacketKey& key);

 private:
  struct Entry {
    std::uint32_t instance;
    std::uint32_t route;
    bool carries_outbound;
    bool udp;
    Endpoint local;
    Endpoint remote;
    UseLimits use_in;
    UseLimits use_out;
  };
  struct FlowHash {
    std::size_t operator()(const card::FlowKey& key) const { return card::flow_bucket(key); }
  };
  struct FlowEqual {
    bool operator()(const card::FlowKey& a, const card::FlowKey& b) const { return card::flow_key_equal(a, b); }
  };
  using Flows = std::unordered_set<card::FlowKey, FlowHash, FlowEqual>;
  struct Route {
    std::uint32_t pairs = 0;
    std::uint32_t carrier = 0;  // spi_in of the pair that the card's route names; 0: none
    Flows flows;
  };
  driver::CardResult<> write_policies(const SaPair& pair, const card::Credit& out, const card::Credit& in);
  void point_route(const SaPair& pair);
  void empty_slot(std::uint32_t index);
  // Nothing is decided for it any more, and the card sends nothing by it.
  void close_route(std::uint32_t route);
  void drop_route(std::uint32_t route);
  void forget_refusals();
  void forget_flows(Route& route);
  // What other routes carry to addresses that a new or changed one may be meant for.
  void forget_flows_towards(std::uint32_t route, const std::vector<wire::TrafficSelector>& remote);
  void forget_all_flows();
  void remember(const PacketKey& key, const SpdVerdict& verdict);

  driver::Card& card_;
  SadConfig config_;
  Spd spd_;
  Slots slots_;
  Log& log_;
  std::unordered_map<std::uint32_t, Entry> pairs_;         // by spi_in
  std::unordered_map<std::uint32_t, std::uint32_t> slot_;  // table index -> spi_in
  std::unordered_map<std::uint32_t, Route> routes_;
  std::vector<std::uint32_t> idle_routes_;  // perhaps: their carrier was told to carry no more
  Flows refusals_;                          // DISCARD and BYPASS flows, void when a new route appears
  std::size_t flows_held_ = 0;              // over all routes
  std::uint32_t next_route_ = 0;
  std::vector<PacketKey> new_flows_;
};

}  // namespace tandem::sad
