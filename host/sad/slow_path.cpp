// SPDX-License-Identifier: Apache-2.0
#include "host/sad/slow_path.hpp"

#include <algorithm>

namespace tandem::sad {
namespace {

card::Address to_card(const IpAddress& address) {
  card::Address result{};
  std::copy(address.octets.begin(), address.octets.end(), result.octets);
  return result;
}

card::Port other(card::Port port) { return port == card::Port::kOuter ? card::Port::kInner : card::Port::kOuter; }

}  // namespace

SlowPath::SlowPath(Sad& sad, PortNet outer, PortNet inner, Log& log)
    : sad_(sad), outer_(std::move(outer)), inner_(std::move(inner)), log_(log) {}

void SlowPath::handle(TimePoint now, const driver::PuntView& punt) {
  switch (punt.reason) {
    case card::PuntReason::kSpdMiss:
    case card::PuntReason::kNoSa:
    case card::PuntReason::kInnerOptions:
      spd_miss(punt);
      break;
    case card::PuntReason::kNoNextHop:
      no_next_hop(punt);
      break;
    case card::PuntReason::kTooBig:
      too_big(punt);
      break;
    case card::PuntReason::kTtl:
      ttl_expired(punt);
      break;
    case card::PuntReason::kOuterFragment:
      if (const auto whole = reassembler_.add(punt.packet, now)) {
        ++counters_.reassembled;
        inject(card::InjectKind::kOpen, card::Port::kOuter, *whole);
      }
      break;
    case card::PuntReason::kBeyondBound:  // the member's: it knows when the bound rises
    case card::PuntReason::kNone:
      break;
  }
}

void SlowPath::spd_miss(const driver::PuntView& punt) {
  ++counters_.spd_misses;
  const auto key = packet_key(punt.packet);
  if (!key) {
    ++counters_.unsupported;
    return;
  }
  const bool outbound = punt.port == card::Port::kInner;
  const SpdVerdict verdict = outbound ? sad_.decide_outbound(*key) : sad_.decide_inbound_clear(*key);
  if (verdict.acquire) {
    ++counters_.acquires;
    acquires_.insert(*verdict.acquire);
  }
  switch (verdict.action) {
    case card::FlowAction::kDiscard:
      ++counters_.discards;
      break;
    case card::FlowAction::kBypass:
      ++counters_.bypasses;
      want(other(punt.port), key->target);
      inject(card::InjectKind::kIpPacket, other(punt.port), punt.packet);
      break;
    case card::FlowAction::kProtect:
      // The card's cache cannot hold these, so sending them round again would loop.
      if (punt.reason == card::PuntReason::kSpdMiss) {
        inject(card::InjectKind::kSeal, card::Port::kInner, punt.packet);
      } else {
        sad_.card().inject_on_route(verdict.route, punt.packet).ok() ? void() : void(++counters_.unsupported);
      }
      break;
  }
}

std::optional<IpAddress> SlowPath::hop_towards(card::Port port, const IpAddress& target) const {
  return net(port).network.contains(target) ? std::optional(target) : net(port).gateway;
}

void SlowPath::want(card::Port port, const IpAddress& address) {
  const auto hop = hop_towards(port, address);
  if (!hop || on_card_.contains({port, address})) return;
  const auto found = hops_.find({port, *hop});
  if (found != hops_.end() && found->second.mac) {
    found->second.targets.insert(address);
    write_next_hop(port, address, *found->second.mac);
    return;
  }
  if (hops_.size() >= kNextHopsMax) hops_.erase(hops_.begin());
  hops_[{port, *hop}].targets.insert(address);
  wanted_.insert({port, *hop});
}

void SlowPath::no_next_hop(const driver::PuntView& punt) {
  const auto packet = wire::parse_ipv4(punt.packet);
  if (!packet) return;
  const auto hop = hop_towards(punt.port, packet->header.target);
  if (!hop) {
    ++counters_.unresolved_dropped;
    send_icmp(punt.port, std::nullopt);
    return;
  }
  want(punt.port, packet->header.target);
  Hop& entry = hops_[{punt.port, *hop}];
  if (entry.mac) {
    inject(card::InjectKind::kIpPacket, punt.port, punt.packet);
    return;
  }
  if (entry.waiting.size() == kWaitingMax) {
    entry.waiting.pop_front();
    ++counters_.unresolved_dropped;
  }
  entry.waiting.emplace_back(punt.packet.begin(), punt.packet.end());
}

std::vector<SlowPath::Learned> SlowPath::resolved(card::Port port, const IpAddress& address, const wire::Mac& mac) {
  std::vector<Learned> result;
  const auto found = hops_.find({port, address});
  if (found == hops_.end()) return result;
  Hop& hop = found->second;
  hop.mac = mac;
  for (const IpAddress& target : hop.targets) {
    const auto written = on_card_.find({port, target});
    if (written != on_card_.end() && written->second == mac) continue;
    write_next_hop(port, target, mac);
    result.push_back({port, target, mac});
  }
  for (const Bytes& packet : hop.waiting) inject(card::InjectKind::kIpPacket, port, packet);
  hop.waiting.clear();
  return result;
}

void SlowPath::adopt(const Learned& entry) {
  const auto hop = hop_towards(entry.port, entry.address);
  if (!hop) return;
  if (hops_.size() >= kNextHopsMax) hops_.erase(hops_.begin());
  Hop& known = hops_[{entry.port, *hop}];
  known.mac = entry.mac;
  known.targets.insert(entry.address);
  write_next_hop(entry.port, entry.address, entry.mac);
}

void SlowPath::write_next_hop(card::Port port, const IpAddress& target, const wire::Mac& mac) {
  const auto family = target.family == Family::kIpv4 ? card::kFamilyIpv4 : card::kFamilyIpv6;
  if (auto set = sad_.card().set_next_hop(port, family, to_card(target), mac); !set) {
    log_.warning("card: next hop " + to_string(target) + ": " + set.error().text);
    return;
  }
  on_card_[{port, target}] = mac;
}

std::vector<SlowPath::Learned> SlowPath::learned() const {
  std::vector<Learned> result;
  for (const auto& [where, mac] : on_card_) result.push_back({where.port, where.address, mac});
  return result;
}

void SlowPath::too_big(const driver::PuntView& punt) {
  const auto packet = wire::parse_ipv4(punt.packet);
  const auto out = sad_.card().outbound_mtu(punt.index);
  if (!packet || !out) return;
  if (packet->header.dont_fragment) {
    ++counters_.icmp_too_big;
    send_icmp(card::Port::kInner, wire::build_icmp_fragmentation_needed(inner_.address, *out, punt.packet));
    return;
  }
  const auto key = packet_key(punt.packet);
  const auto fragments = wire::fragment_ipv4(punt.packet, *out);
  if (!key || !fragments) return;
  const SpdVerdict verdict = sad_.decide_outbound(*key);
  if (verdict.action != card::FlowAction::kProtect) return;
  ++counters_.fragmented;
  for (const Bytes& fragment : *fragments) {
    if (!sad_.card().inject_on_route(verdict.route, fragment)) ++counters_.unsupported;
  }
}

void SlowPath::ttl_expired(const driver::PuntView& punt) {
  ++counters_.icmp_ttl;
  send_icmp(punt.port, wire::build_icmp_time_exceeded(net(punt.port).address, punt.packet));
}

void SlowPath::send_icmp(card::Port port, const std::optional<Bytes>& packet) {
  if (!packet) return;
  if (const auto parsed = wire::parse_ipv4(*packet)) want(port, parsed->header.target);
  inject(card::InjectKind::kIpPacket, port, *packet);
}

void SlowPath::inject(card::InjectKind kind, card::Port port, ByteView packet) {
  if (auto done = sad_.card().inject(kind, port, packet); !done) log_.warning("card: inject: " + done.error().text);
}

std::vector<SlowPath::Wanted> SlowPath::take_wanted() {
  std::vector<Wanted> result(wanted_.begin(), wanted_.end());
  wanted_.clear();
  return result;
}

std::vector<std::uint32_t> SlowPath::take_acquires() {
  std::vector<std::uint32_t> result(acquires_.begin(), acquires_.end());
  acquires_.clear();
  return result;
}

}  // namespace tandem::sad
