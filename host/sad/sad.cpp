// SPDX-License-Identifier: Apache-2.0
#include "host/sad/sad.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "host/sad/card_address.hpp"

namespace tandem::sad {
namespace {

// As many flows as the card's cache can hold.
constexpr std::size_t kFlowsHeldMax = std::size_t{card::kFlowBuckets} * card::kFlowWays;

// Both policies start with key and salt alike.
template <typename Policy>
void put_key(Policy& policy, ByteView key_and_salt) {
  const std::size_t key_octets = key_and_salt.size() - sizeof policy.salt;
  std::memcpy(policy.key, key_and_salt.data(), key_octets);
  std::memcpy(policy.salt, key_and_salt.data() + key_octets, sizeof policy.salt);
}

template <typename Policy>
void put_limits(Policy& policy, const UseLimits& use) {
  policy.soft_packets = use.soft_packets;
  policy.hard_packets = use.hard_packets;
  policy.soft_octets = use.soft_octets;
  policy.hard_octets = use.hard_octets;
}

std::uint16_t common_flags(const SaPair& pair) {
  return static_cast<std::uint16_t>(card::kSaValid | (pair.esn ? card::kSaEsn : 0) | (pair.udp ? card::kSaUdp : 0) |
                                    (pair.key_bits == 256 ? card::kSaKey256 : 0) |
                                    (pair.remote.address.family == Family::kIpv6 ? card::kSaOuterIpv6 : 0));
}

card::Selector to_selector(const wire::TrafficSelector& remote, const wire::TrafficSelector& local) {
  card::Selector result{};
  result.source_first = to_card(remote.start);
  result.source_last = to_card(remote.end);
  result.target_first = to_card(local.start);
  result.target_last = to_card(local.end);
  result.source_port_first = remote.start_port;
  result.source_port_last = remote.end_port;
  result.target_port_first = local.start_port;
  result.target_port_last = local.end_port;
  result.protocol = remote.protocol != 0 ? remote.protocol : local.protocol;
  result.family = remote.start.family == Family::kIpv4 ? card::kFamilyIpv4 : card::kFamilyIpv6;
  return result;
}

bool pairs_up(const wire::TrafficSelector& local, const wire::TrafficSelector& remote) {
  return local.start.family == remote.start.family &&
         (local.protocol == 0 || remote.protocol == 0 || local.protocol == remote.protocol);
}

}  // namespace

std::size_t selector_pairs(const std::vector<wire::TrafficSelector>& local,
                           const std::vector<wire::TrafficSelector>& remote) {
  std::size_t count = 0;
  for (const auto& l : local) {
    for (const auto& r : remote) count += pairs_up(l, r) ? 1u : 0u;
  }
  return count;
}

Sad::Sad(driver::Card& card, SadConfig config, Spd spd, Random& random, Log& log)
    : card_(card),
      config_(config),
      spd_(std::move(spd)),
      slots_(card.info().slots, config.segment, random),
      log_(log) {}

std::optional<std::uint32_t> Sad::allocate_route() {
  if (routes_.size() >= card::kRoutes) return std::nullopt;
  while (routes_.contains(next_route_)) next_route_ = (next_route_ + 1) % card::kRoutes;
  const std::uint32_t route = next_route_;
  next_route_ = (next_route_ + 1) % card::kRoutes;
  return route;
}

driver::CardResult<> Sad::write_policies(const SaPair& pair, const card::Credit& out, const card::Credit& in) {
  const bool outer_v4 = pair.remote.address.family == Family::kIpv4;
  const std::uint32_t index = card::spi_index(pair.spi_in);
  card::InboundPolicy inbound{};
  put_key(inbound, pair.key_in);
  inbound.spi = pair.spi_in;
  inbound.instance = pair.instance;
  inbound.flags = static_cast<std::uint16_t>(common_flags(pair) | card::kSaFollowPeer);
  inbound.window = config_.replay_window;
  put_limits(inbound, pair.use_in);
  inbound.outer_source = to_card(pair.remote.address);
  inbound.outer_target = to_card(pair.local.address);
  inbound.udp_source_port = pair.udp ? pair.remote.port : std::uint16_t{0};
  inbound.udp_target_port = pair.udp ? pair.local.port : std::uint16_t{0};
  for (const auto& local : *pair.local_ts) {
    for (const auto& remote : *pair.remote_ts) {
      if (pairs_up(local, remote)) inbound.selectors[inbound.selector_count++] = to_selector(remote, local);
    }
  }
  auto written = card_.install_inbound(index, inbound, in);
  wipe(&inbound, sizeof inbound);
  if (!written) return written;

  card::OutboundPolicy outbound{};
  put_key(outbound, pair.key_out);
  outbound.spi = pair.spi_out;
  outbound.instance = pair.instance;
  outbound.flags = common_flags(pair);
  outbound.inner_mtu = inner_mtu(config_.outer_mtu, outer_v4, pair.udp);
  outbound.outer_source = to_card(pair.local.address);
  outbound.outer_target = to_card(pair.remote.address);
  outbound.udp_source_port = pair.udp ? pair.local.port : std::uint16_t{0};
  outbound.udp_target_port = pair.udp ? pair.remote.port : std::uint16_t{0};
  outbound.outer_ttl = config_.outer_ttl;
  put_limits(outbound, pair.use_out);
  outbound.sequence_max = pair.esn ? ~std::uint64_t{0} : 0xffffffffu;
  written = card_.install_outbound(index, outbound, out);
  wipe(&outbound, sizeof outbound);
  return written;
}

driver::CardResult<> Sad::install(const SaPair& pair, const card::Credit& out, const card::Credit& in) {
  const std::size_t key_octets = pair.key_bits / 8u + 4u;
  const std::size_t selectors = selector_pairs(*pair.local_ts, *pair.remote_ts);
  if ((pair.key_bits != 128 && pair.key_bits != 256) || pair.key_in.size() != key_octets ||
      pair.key_out.size() != key_octets) {
    return Failure{driver::CardError{driver::CardErrc::kInvalid, "SA whose keys the card cannot use"}};
  }
  if (selectors == 0 || selectors > card::kSelectorsMax) {
    return Failure{driver::CardError{driver::CardErrc::kInvalid, "SA with " + std::to_string(selectors) +
                                                                     " selector pairs; the card holds 1 to " +
                                                                     std::to_string(card::kSelectorsMax)}};
  }
  const std::uint32_t index = card::spi_index(pair.spi_in);
  // An older SPI of the same slot was released where this one was chosen; or an SA that we were not told the end of.
  if (const auto other = slot_.find(index);
      other != slot_.end() && (other->second != pair.spi_in || pairs_.at(other->second).instance != pair.instance)) {
    remove(other->second);
  }
  const auto found = pairs_.find(pair.spi_in);
  const bool fresh = found == pairs_.end();
  if (fresh && !slots_.take(pair.spi_in)) {
    return Failure{driver::CardError{driver::CardErrc::kBadIndex, "SPI names no slot of this card"}};
  }
  if (fresh || found->second.remote != pair.remote || found->second.local != pair.local ||
      found->second.udp != pair.udp || found->second.use_in != pair.use_in || found->second.use_out != pair.use_out) {
    if (auto written = write_policies(pair, out, in); !written) {
      if (fresh) {
        empty_slot(index);
        slots_.release(pair.spi_in);
      }
      return written;
    }
  }
  const bool pointed = !fresh && found->second.carries_outbound;
  pairs_[pair.spi_in] = {pair.instance, pair.route,  pair.carries_outbound, pair.udp,
                         pair.local,    pair.remote, pair.use_in,           pair.use_out};
  slot_[index] = pair.spi_in;
  if (fresh) ++routes_[pair.route].pairs;
  if (pair.carries_outbound && !pointed) point_route(pair);
  if (!pair.carries_outbound && pointed) idle_routes_.push_back(pair.route);
  return {};
}

void Sad::end_idle_routes() {
  for (const std::uint32_t number : std::exchange(idle_routes_, {})) {
    const auto route = routes_.find(number);
    if (route == routes_.end()) continue;
    const auto carrier = pairs_.find(route->second.carrier);
    if (carrier != pairs_.end() && carrier->second.carries_outbound) continue;
    route->second.carrier = 0;
    close_route(number);
  }
}

void Sad::point_route(const SaPair& pair) {
  if (auto set = card_.set_route(pair.route, card::make_route(card::spi_index(pair.spi_in), pair.instance)); !set) {
    log_.error("card: route " + std::to_string(pair.route) + ": " + set.error().text);
  }
  routes_[pair.route].carrier = pair.spi_in;
  // A rekey that changed the selectors voids what was decided by the old ones.
  if (spd_.set_route(pair.route, *pair.local_ts, *pair.remote_ts)) {
    forget_flows(routes_[pair.route]);
    forget_flows_towards(pair.route, *pair.remote_ts);
    forget_refusals();
  }
}

bool Sad::usable(std::uint32_t route) const {
  const auto found = routes_.find(route);
  return found != routes_.end() && found->second.carrier != 0;
}

void Sad::empty_slot(std::uint32_t index) {
  for (const auto& done : {card_.remove_outbound(index), card_.remove_inbound(index)}) {
    if (!done) log_.error("card: slot " + std::to_string(index) + ": " + done.error().text);
  }
}

void Sad::remove(std::uint32_t spi_in) {
  const auto found = pairs_.find(spi_in);
  if (found == pairs_.end()) return;
  const Entry entry = found->second;
  const std::uint32_t index = card::spi_index(spi_in);
  pairs_.erase(found);
  slot_.erase(index);
  empty_slot(index);
  slots_.release(spi_in);
  Route& route = routes_[entry.route];
  if (route.carrier == spi_in) route.carrier = 0;
  if (--route.pairs == 0) drop_route(entry.route);
}

void Sad::close_route(std::uint32_t route) {
  forget_flows(routes_[route]);
  if (auto set = card_.set_route(route, 0); !set) log_.error("card: " + set.error().text);
  spd_.remove_route(route);
}

void Sad::drop_route(std::uint32_t route) {
  close_route(route);
  routes_.erase(route);
}

void Sad::set_credits(std::uint32_t spi_in, const card::Credit& out, const card::Credit& in) {
  if (!pairs_.contains(spi_in)) return;
  const std::uint32_t index = card::spi_index(spi_in);
  for (const auto& done : {card_.set_outbound_credit(index, out), card_.set_inbound_credit(index, in)}) {
    if (!done) log_.error("card: credit of slot " + std::to_string(index) + ": " + done.error().text);
  }
}

void Sad::clear() {
  if (auto cleared = card_.clear(); !cleared) log_.error("card: clear: " + cleared.error().text);
  pairs_.clear();
  slot_.clear();
  routes_.clear();
  idle_routes_.clear();
  refusals_.clear();
  flows_held_ = 0;
  new_flows_.clear();
  spd_.clear_routes();
  slots_.clear();
}

std::optional<std::uint32_t> Sad::pair_at(std::uint32_t index, std::uint32_t instance) const {
  const auto found = slot_.find(index);
  if (found == slot_.end() || pairs_.at(found->second).instance != instance) return std::nullopt;
  return found->second;
}

std::optional<std::uint32_t> Sad::pair_in(std::uint32_t index) const {
  const auto found = slot_.find(index);
  return found == slot_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::uint32_t> Sad::route_in(std::uint32_t index) const {
  const auto found = slot_.find(index);
  return found == slot_.end() ? std::nullopt : std::optional(pairs_.at(found->second).route);
}

std::vector<std::uint32_t> Sad::pairs() const {
  std::vector<std::uint32_t> result;
  result.reserve(pairs_.size());
  for (const auto& [spi, entry] : pairs_) result.push_back(spi);
  return result;
}

void Sad::forget_refusals() {
  for (const card::FlowKey& flow : refusals_) card_.remove_flow(flow);
  refusals_.clear();
}

void Sad::forget_flows(Route& route) {
  for (const card::FlowKey& flow : route.flows) card_.remove_flow(flow);
  flows_held_ -= route.flows.size();
  route.flows.clear();
}

void Sad::forget_flows_towards(std::uint32_t route, const std::vector<wire::TrafficSelector>& remote) {
  for (const std::uint32_t number : spd_.routes_towards(remote)) {
    const auto other = routes_.find(number);
    if (number == route || other == routes_.end()) continue;
    flows_held_ -= std::erase_if(other->second.flows, [&](const card::FlowKey& flow) {
      const IpAddress target = from_card(flow.target, flow.family);
      const bool meant = std::any_of(remote.begin(), remote.end(), [&target](const wire::TrafficSelector& selector) {
        return selector.start.family == target.family && selector.start <= target && target <= selector.end;
      });
      if (meant) card_.remove_flow(flow);
      return meant;
    });
  }
}

void Sad::forget_all_flows() {
  card_.flush_flows();
  for (auto& [number, route] : routes_) route.flows.clear();
  refusals_.clear();
  flows_held_ = 0;
}

void Sad::remember(const PacketKey& key, const SpdVerdict& verdict) {
  const card::FlowKey flow = key.flow();
  const bool protect = verdict.action == card::FlowAction::kProtect;
  // The card evicts by itself and does not say what: the lists hold no more than the card can, then start afresh.
  if (protect && flows_held_ >= kFlowsHeldMax) forget_all_flows();
  if (!protect && refusals_.size() >= config_.discard_flows_max) forget_refusals();
  if (auto added = card_.add_flow(flow, verdict.action, verdict.route); !added) {
    log_.warning("card: SPD cache: " + added.error().text);
    return;
  }
  // A packet that the card cannot do comes here although its flow is known.
  if (!(protect ? routes_[verdict.route].flows : refusals_).insert(flow).second || !protect) return;
  ++flows_held_;
  if (new_flows_.size() < kNewFlowsMax) new_flows_.push_back(key);
}

std::vector<PacketKey> Sad::take_new_flows() { return std::exchange(new_flows_, {}); }

std::vector<PacketKey> Sad::flows() const {
  std::vector<PacketKey> result;
  result.reserve(flows_held_);
  for (const auto& [number, route] : routes_) {
    for (const card::FlowKey& flow : route.flows) {
      PacketKey key;
      key.source = from_card(flow.source, flow.family);
      key.target = from_card(flow.target, flow.family);
      key.protocol = flow.protocol;
      key.source_port = flow.source_port;
      key.target_port = flow.target_port;
      result.push_back(key);
    }
  }
  return result;
}

void Sad::adopt_flow(const PacketKey& key) {
  const SpdVerdict verdict = spd_.outbound(key);
  if (verdict.action == card::FlowAction::kProtect && !verdict.acquire) remember(key, verdict);
  new_flows_.clear();
}

SpdVerdict Sad::decide_outbound(const PacketKey& key) {
  const SpdVerdict verdict = spd_.outbound(key);
  // A packet that asks for an SA is not remembered: the next one must ask again once the SA is there.
  if (verdict.acquire || key.later_fragment) return verdict;
  const card::FlowAction outside = spd_.inbound_clear(key).action;
  const bool harmless = outside == card::FlowAction::kDiscard || outside == verdict.action;
  if (verdict.action == card::FlowAction::kProtect || harmless) remember(key, verdict);
  return verdict;
}

SpdVerdict Sad::decide_inbound_clear(const PacketKey& key) {
  const SpdVerdict verdict = spd_.inbound_clear(key);
  if (key.later_fragment) return verdict;
  const SpdVerdict inside = spd_.outbound(key);
  const bool refused = inside.action == card::FlowAction::kDiscard;
  if (!inside.acquire && (refused || inside.action == verdict.action)) remember(key, verdict);
  return verdict;
}

}  // namespace tandem::sad
