// SPDX-License-Identifier: Apache-2.0
#include "host/sad/slow_path.hpp"

#include <algorithm>

#include "host/sad/card_address.hpp"

namespace tandem::sad {
namespace {

std::uint8_t family_of(const IpAddress& address) {
  return address.family == Family::kIpv4 ? card::kFamilyIpv4 : card::kFamilyIpv6;
}

card::Port other(card::Port port) { return port == card::Port::kOuter ? card::Port::kInner : card::Port::kOuter; }

}  // namespace

SlowPath::SlowPath(Sad& sad, PortNet outer, PortNet inner, Log& log)
    : sad_(sad), outer_(std::move(outer)), inner_(std::move(inner)), log_(log) {}

void SlowPath::handle(TimePoint now, const driver::PuntView& punt) {
  now_ = now;
  if (waiting_held_ > 0 && now >= stale_due_) drop_stale();
  switch (punt.reason) {
    case card::PuntReason::kSpdMiss:
    case card::PuntReason::kNoSa:
      spd_miss(punt);
      break;
    case card::PuntReason::kInnerOptions:
      if (!open_without_options(punt)) spd_miss(punt);
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
    case card::PuntReason::kHostFrame:  // the driver's, which puts it on a TAP: one that comes here came without any
      ++counters_.unsupported;
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
      forward_in_clear(other(punt.port), key->target, punt.packet);
      break;
    case card::FlowAction::kProtect:
      seal(verdict.route, punt.packet);
      break;
  }
}

// ESP to us is as good with options in front of it as without: they are not authenticated, and the tunnel ends here.
bool SlowPath::open_without_options(const driver::PuntView& punt) {
  const auto packet = wire::parse_ipv4(punt.packet);
  if (punt.port != card::Port::kOuter || !packet || packet->header.target != outer_.address) return false;
  inject(card::InjectKind::kOpen, card::Port::kOuter, wire::build_ipv4(packet->header, packet->payload));
  return true;
}

// By its route: a packet that asked the cache again could miss it again.
void SlowPath::seal(std::uint32_t route, ByteView packet) {
  if (!sad_.usable(route)) {
    ++counters_.no_sa;
  } else if (!sad_.card().inject_on_route(route, packet)) {
    ++counters_.unsupported;
  }
}

// As the card forwards the rest of the flow: with one TTL less (RFC 1812 5.3.1).
void SlowPath::forward_in_clear(card::Port port, const IpAddress& target, ByteView packet) {
  constexpr std::size_t kTtlAt = 8;
  constexpr std::size_t kChecksumAt = 10;
  const auto parsed = wire::parse_ipv4(packet);
  if (!parsed || parsed->header.ttl <= 1) return;
  Bytes changed(packet.begin(), packet.end());
  --changed[kTtlAt];
  changed[kChecksumAt] = changed[kChecksumAt + 1] = 0;
  const std::uint16_t sum = wire::internet_checksum(ByteView(changed).first(parsed->header_octets()));
  changed[kChecksumAt] = static_cast<std::uint8_t>(sum >> 8);
  changed[kChecksumAt + 1] = static_cast<std::uint8_t>(sum);
  want(port, target);
  inject(card::InjectKind::kIpPacket, port, changed);
}

std::optional<IpAddress> SlowPath::hop_towards(card::Port port, const IpAddress& target) const {
  return net(port).network.contains(target) ? std::optional(target) : net(port).gateway;
}

SlowPath::Hop& SlowPath::hop_at(const Wanted& where) {
  if (hops_.size() >= kNextHopsMax && !hops_.contains(where)) {
    const auto forget = [this](bool resolved) {
      std::erase_if(hops_, [&](const auto& entry) {
        if (entry.second.mac.has_value() != resolved) return false;
        // An entry of the card that no neighbour updates any more could lead nowhere one day.
        for (const IpAddress& target : entry.second.targets) {
          sad_.card().remove_next_hop(entry.first.port, family_of(target), to_card(target));
          on_card_.erase({entry.first.port, target});
        }
        targets_held_ -= entry.second.targets.size();
        waiting_held_ -= entry.second.waiting.size();
        counters_.unresolved_dropped += entry.second.waiting.size();
        return true;
      });
    };
    forget(false);
    if (hops_.size() >= kNextHopsMax) forget(true);
  }
  return hops_[where];
}

void SlowPath::add_target(Hop& hop, const IpAddress& target) {
  if (hop.targets.contains(target)) return;
  if (targets_held_ >= kTargetsMax) {
    for (const auto& [where, mac] : on_card_) {
      sad_.card().remove_next_hop(where.port, family_of(where.address), to_card(where.address));
    }
    on_card_.clear();
    for (auto& [where, entry] : hops_) entry.targets.clear();
    targets_held_ = 0;
  }
  hop.targets.insert(target);
  ++targets_held_;
}

void SlowPath::ask(const Wanted& where, Hop& hop) {
  if (hop.asked && now_ - *hop.asked < kAskInterval) return;
  if (now_ - asks_since_ >= kAskInterval) {
    asks_since_ = now_;
    asks_ = 0;
  }
  if (asks_ == kAsksMax) return;
  ++asks_;
  hop.asked = now_;
  wanted_.insert(where);
}

void SlowPath::drop_stale() {
  stale_due_ = now_ + kAskInterval;
  for (auto& [where, hop] : hops_) {
    while (!hop.waiting.empty() && now_ - hop.waiting.front().since >= kWaitingTime) {
      hop.waiting.pop_front();
      --waiting_held_;
      ++counters_.unresolved_dropped;
    }
  }
}

void SlowPath::want(card::Port port, const IpAddress& address) {
  const auto hop = hop_towards(port, address);
  if (!hop || on_card_.contains({port, address})) return;
  const Wanted where{port, *hop};
  Hop& entry = hop_at(where);
  add_target(entry, address);
  if (entry.mac) {
    write_next_hop(port, address, *entry.mac);
  } else {
    ask(where, entry);
  }
}

void SlowPath::no_next_hop(const driver::PuntView& punt) {
  const auto packet = wire::parse_ipv4(punt.packet);
  if (!packet) return;
  const IpAddress& target = packet->header.target;
  const auto hop = hop_towards(punt.port, target);
  if (!hop) {
    ++counters_.unresolved_dropped;
    return;
  }
  const Wanted where{punt.port, *hop};
  Hop& entry = hop_at(where);
  add_target(entry, target);
  if (entry.mac) {
    // Written even if it should be there: the card evicts, and is cleared when the role changes.
    if (write_next_hop(punt.port, target, *entry.mac)) inject(card::InjectKind::kIpPacket, punt.port, punt.packet);
    return;
  }
  ask(where, entry);
  if (entry.waiting.size() == kWaitingMax) {
    entry.waiting.pop_front();
    --waiting_held_;
    ++counters_.unresolved_dropped;
  }
  if (waiting_held_ >= kWaitingHeldMax) {
    ++counters_.unresolved_dropped;
    return;
  }
  entry.waiting.push_back({now_, {punt.packet.begin(), punt.packet.end()}});
  ++waiting_held_;
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
    if (write_next_hop(port, target, mac)) result.push_back({port, target, mac});
  }
  for (const Waiting& held : hop.waiting) inject(card::InjectKind::kIpPacket, port, held.packet);
  waiting_held_ -= hop.waiting.size();
  hop.waiting.clear();
  return result;
}

void SlowPath::adopt(const Learned& entry) {
  const auto hop = hop_towards(entry.port, entry.address);
  if (!hop) return;
  Hop& known = hop_at({entry.port, *hop});
  known.mac = entry.mac;
  add_target(known, entry.address);
  write_next_hop(entry.port, entry.address, entry.mac);
}

bool SlowPath::write_next_hop(card::Port port, const IpAddress& target, const wire::Mac& mac) {
  if (auto set = sad_.card().set_next_hop(port, family_of(target), to_card(target), mac); !set) {
    log_.warning("card: next hop " + to_string(target) + ": " + set.error().text);
    return false;
  }
  on_card_[{port, target}] = mac;
  return true;
}

std::vector<SlowPath::Learned> SlowPath::learned() const {
  std::vector<Learned> result;
  for (const auto& [where, mac] : on_card_) result.push_back({where.port, where.address, mac});
  return result;
}

std::vector<SlowPath::Wanted> SlowPath::neighbours() const {
  std::vector<Wanted> result;
  for (const auto& [where, hop] : hops_) {
    if (hop.mac) result.push_back(where);
  }
  return result;
}

void SlowPath::too_big(const driver::PuntView& punt) {
  const auto packet = wire::parse_ipv4(punt.packet);
  const auto key = packet_key(punt.packet);
  // Clear text from outside that is too big for the protected side: nobody there asked for it.
  if (!packet || !key || punt.port != card::Port::kInner) {
    ++counters_.unsupported;
    return;
  }
  const SpdVerdict verdict = sad_.decide_outbound(*key);
  const bool protect = verdict.action == card::FlowAction::kProtect;
  if (!protect && verdict.action != card::FlowAction::kBypass) return;
  // The slot says how much its SA takes; a BYPASS packet has none and meets the outer port itself.
  const auto mtu = protect ? sad_.card().outbound_mtu(punt.index) : std::optional(sad_.outer_mtu());
  if (!mtu) return;
  if (packet->header.dont_fragment) {
    ++counters_.icmp_too_big;
    send_icmp(card::Port::kInner, wire::build_icmp_fragmentation_needed(inner_.address, *mtu, punt.packet));
    return;
  }
  const auto fragments = wire::fragment_ipv4(punt.packet, *mtu);
  if (!fragments) return;
  ++counters_.fragmented;
  for (const Bytes& fragment : *fragments) {
    if (protect) {
      seal(verdict.route, fragment);
    } else {
      forward_in_clear(card::Port::kOuter, key->target, fragment);
    }
  }
}

// What came in at the outer port is told of on the way that it came: an opened packet's source must hear of it through
// its SA, or parts of the packet would leave in clear; and clear text that policy does not let in is not answered.
void SlowPath::ttl_expired(const driver::PuntView& punt) {
  if (punt.port == card::Port::kInner) {
    ++counters_.icmp_ttl;
    return send_icmp(card::Port::kInner, wire::build_icmp_time_exceeded(inner_.address, punt.packet));
  }
  const auto key = packet_key(punt.packet);
  if (key && sad_.spd().inbound_clear(*key).action == card::FlowAction::kBypass) {
    ++counters_.icmp_ttl;
    return send_icmp(card::Port::kOuter, wire::build_icmp_time_exceeded(outer_.address, punt.packet));
  }
  const auto icmp = wire::build_icmp_time_exceeded(inner_.address, punt.packet);
  const auto icmp_key = icmp ? packet_key(*icmp) : std::nullopt;
  const SpdVerdict verdict = icmp_key ? sad_.spd().outbound(*icmp_key) : SpdVerdict{};
  if (verdict.action != card::FlowAction::kProtect || sad_.route_in(punt.index) != verdict.route) {
    ++counters_.discards;
    return;
  }
  ++counters_.icmp_ttl;
  seal(verdict.route, *icmp);
}

void SlowPath::send_icmp(card::Port port, const std::optional<Bytes>& packet) {
  if (!packet) return;
  if (const auto parsed = wire::parse_ipv4(*packet)) want(port, parsed->header.target);
  inject(card::InjectKind::kIpPacket, port, *packet);
}

// Anybody can make packets that are too large put together, or more than the card takes: not a line for each.
void SlowPath::inject(card::InjectKind kind, card::Port port, ByteView packet) {
  if (!sad_.card().inject(kind, port, packet)) ++counters_.unsupported;
}

void SlowPath::clear() {
  hops_.clear();
  on_card_.clear();
  targets_held_ = waiting_held_ = 0;
  wanted_.clear();
  acquires_.clear();
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
