// SPDX-License-Identifier: Apache-2.0
// Flows, routes, next hops and rings of a mapped card. RFC 4301 4.4.1.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "driver/atomic_field.hpp"
#include "driver/mapped_card.hpp"
#include "host/base/result.hpp"

namespace tandem::driver {
namespace {

Failure<CardError> fail(CardErrc code, std::string text) { return {CardError{code, std::move(text)}}; }

// The clock algorithm: a way that was used since the hand last passed is spared once. Returns the way to
// take; `hand` moves behind it, so a bucket full of busy entries is replaced in turn.
template <typename Entry>
std::uint32_t idle_way(Entry* ways, std::uint32_t count, std::uint8_t& hand) {
  TANDEM_ASSERT(count > 0);
  std::uint32_t way = hand % count;
  for (std::uint32_t step = 0; step < count && load_field(ways[way].used) != 0; ++step) {
    store_field(ways[way].used, std::uint32_t{0});
    way = (way + 1) % count;
  }
  hand = static_cast<std::uint8_t>((way + 1) % count);
  return way;
}

bool valid_port(card::Port port) { return static_cast<std::uint32_t>(port) < card::kPorts; }

card::FlowKey normal(const card::FlowKey& key) {
  card::FlowKey copy = key;
  copy.reserved[0] = 0;
  copy.reserved[1] = 0;
  return copy;
}

}  // namespace

// Puts a new entry into a bucket. An entry with the same key serves until the new one is valid; a way is
// only written once no batch can be reading it.
template <typename Entry, typename Match, typename Fill>
CardResult<> MappedCard::place(Entry* ways, std::uint32_t count, std::uint8_t& hand, Match match, Fill fill) {
  std::uint32_t free_way = count;
  std::uint32_t same_way = count;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (load_field(ways[i].valid) == 0) {
      free_way = i;
    } else if (match(ways[i])) {
      same_way = i;
    }
  }
  if (free_way == count) {
    fetch(ways, count * sizeof(Entry));  // the card's `used` marks
    free_way = same_way != count ? same_way : idle_way(ways, count, hand);
    store_field(ways[free_way].valid, std::uint32_t{0});
    publish(ways, count * sizeof(Entry));
    table_free_batch_ = batch_after_fence();
  }
  if (!await_batch(table_free_batch_)) {
    return fail(CardErrc::kIo, "the card does not finish its current batch (stopped or starved)");
  }
  Entry& entry = ways[free_way];
  fill(entry);
  // Not idle yet: it has had no time to be hit.
  store_field(entry.used, std::uint32_t{1}, std::memory_order_relaxed);
  publish(&entry, sizeof(entry));
  put(entry.valid, std::uint32_t{1});
  if (same_way != count && same_way != free_way) {
    put(ways[same_way].valid, std::uint32_t{0});
    table_free_batch_ = batch_after_fence();
  }
  return {};
}

CardResult<> MappedCard::set_route(std::uint32_t route, std::uint64_t value) {
  if (route >= card::kRoutes) {
    return fail(CardErrc::kBadIndex, "route " + std::to_string(route) + " is outside the table");
  }
  if (card::route_valid(value) && card::route_index(value) >= slots_) {
    return fail(CardErrc::kBadIndex, "route " + std::to_string(route) + " names an SA slot outside the table");
  }
  routes_touched_.note(route / kRouteGroup);
  put(memory_->routes[route], value);
  return {};
}

CardResult<> MappedCard::add_flow(const card::FlowKey& key, card::FlowAction action, std::uint32_t route) {
  if (route >= card::kRoutes) {
    return fail(CardErrc::kBadIndex, "route " + std::to_string(route) + " is outside the table");
  }
  if (key.family != card::kFamilyIpv4 && key.family != card::kFamilyIpv6) {
    return fail(CardErrc::kInvalid, "a flow's family is neither IPv4 nor IPv6");
  }
  if (action > card::FlowAction::kProtect) {
    return fail(CardErrc::kInvalid, "unknown flow action");
  }
  const card::FlowKey wanted = normal(key);
  const std::uint32_t bucket = card::flow_bucket(wanted);
  card::FlowEntry* ways = &memory_->flows[std::size_t{bucket} * card::kFlowWays];
  const auto action_octet = static_cast<std::uint8_t>(action);
  auto match = [&wanted](const card::FlowEntry& entry) { return card::flow_key_equal(entry.key, wanted); };
  for (std::uint32_t i = 0; i < card::kFlowWays; ++i) {
    if (load_field(ways[i].valid) != 0 && match(ways[i]) && ways[i].action == action_octet) {
      put(ways[i].route, route);  // one store: a flow that moves to another route needs no new entry
      return {};
    }
  }
  flows_touched_.note(bucket);
  return place(ways, card::kFlowWays, flow_hands_[bucket], match, [&](card::FlowEntry& entry) {
    entry.key = wanted;
    entry.route = route;
    entry.action = action_octet;
    std::memset(entry.reserved, 0, sizeof(entry.reserved));
  });
}

void MappedCard::remove_flow(const card::FlowKey& key) {
  const card::FlowKey wanted = normal(key);
  card::FlowEntry* ways = &memory_->flows[std::size_t{card::flow_bucket(wanted)} * card::kFlowWays];
  for (std::uint32_t i = 0; i < card::kFlowWays; ++i) {
    if (load_field(ways[i].valid) != 0 && card::flow_key_equal(ways[i].key, wanted)) {
      put(ways[i].valid, std::uint32_t{0});
    }
  }
  table_free_batch_ = batch_after_fence();
}

void MappedCard::flush_flows() {
  flows_touched_.drain([this](std::uint32_t bucket) {
    for (std::uint32_t way = 0; way < card::kFlowWays; ++way) {
      store_field(memory_->flows[bucket * card::kFlowWays + way].valid, std::uint32_t{0});
    }
  });
  publish(memory_->flows, sizeof(memory_->flows));
  table_free_batch_ = batch_after_fence();
}

CardResult<> MappedCard::set_next_hop(card::Port port, std::uint8_t family, const card::Address& address,
                                      std::span<const std::uint8_t, 6> mac) {
  if (!valid_port(port) || (family != card::kFamilyIpv4 && family != card::kFamilyIpv6)) {
    return fail(CardErrc::kInvalid, "a next hop needs a port and an IPv4 or IPv6 address");
  }
  const std::uint32_t bucket = card::next_hop_bucket(port, family, address);
  card::NextHop* ways = &memory_->next_hops[std::size_t{bucket} * card::kNextHopWays];
  auto match = [&](const card::NextHop& entry) { return card::next_hop_matches(entry, port, family, address); };
  for (std::uint32_t i = 0; i < card::kNextHopWays; ++i) {
    // Neighbours are refreshed often and change rarely.
    if (load_field(ways[i].valid) != 0 && match(ways[i]) && std::equal(mac.begin(), mac.end(), ways[i].mac)) {
      return {};
    }
  }
  next_hops_touched_.note(bucket);
  return place(ways, card::kNextHopWays, next_hop_hands_[bucket], match, [&](card::NextHop& entry) {
    entry.address = address;
    entry.family = family;
    entry.port = static_cast<std::uint8_t>(port);
    std::copy(mac.begin(), mac.end(), entry.mac);
  });
}

void MappedCard::remove_next_hop(card::Port port, std::uint8_t family, const card::Address& address) {
  card::NextHop* ways =
      &memory_->next_hops[std::size_t{card::next_hop_bucket(port, family, address)} * card::kNextHopWays];
  for (std::uint32_t i = 0; i < card::kNextHopWays; ++i) {
    if (load_field(ways[i].valid) != 0 && card::next_hop_matches(ways[i], port, family, address)) {
      put(ways[i].valid, std::uint32_t{0});
    }
  }
  table_free_batch_ = batch_after_fence();
}

// Records that wait in a ring. More than the ring holds cannot be: then none, and the card counts as broken.
std::uint32_t MappedCard::ring_waiting(std::uint64_t produced, std::uint64_t consumed, std::uint32_t size) {
  const std::uint64_t waiting = produced - consumed;
  if (waiting > size) {
    ring_fault_ = true;
    return 0;
  }
  return static_cast<std::uint32_t>(waiting);
}

std::size_t MappedCard::take_events(std::span<card::Event> events) {
  card::RingIndex& index = memory_->event_index;
  const std::uint32_t waiting = ring_waiting(get(index.produced), events_consumed_, card::kEventRingSize);
  const std::size_t count = std::min<std::size_t>(waiting, events.size());
  const std::size_t first = events_consumed_ % card::kEventRingSize;
  const std::size_t to_end = std::min<std::size_t>(count, card::kEventRingSize - first);
  if (count != 0) {
    fetch(&memory_->events[first], to_end * sizeof(card::Event));
  }
  if (count > to_end) {
    fetch(&memory_->events[0], (count - to_end) * sizeof(card::Event));
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(&events[i], &memory_->events[(events_consumed_ + i) % card::kEventRingSize], sizeof(card::Event));
  }
  if (count != 0) {
    events_consumed_ += count;
    put(index.consumed, events_consumed_);
  }
  return count;
}

std::size_t MappedCard::take_punts(std::size_t max, void (*visit)(void* context, const PuntView& punt), void* context) {
  card::RingIndex& index = memory_->punt_index;
  const std::uint32_t waiting = ring_waiting(get(index.produced), punts_consumed_, card::kPuntRingSize);
  const std::size_t count = std::min<std::size_t>(waiting, max);
  for (std::size_t i = 0; i < count; ++i) {
    const card::PuntRecord& record = memory_->punts[punts_consumed_ % card::kPuntRingSize];
    fetch(&record, sizeof(record));
    const std::uint32_t octets = load_field(record.octets);
    const std::uint32_t port = load_field(record.port);
    const std::uint32_t reason = load_field(record.reason);
    const std::uint32_t slot = load_field(record.index);
    const bool sound = octets <= card::kFrameMax && port < card::kPorts &&
                       reason <= static_cast<std::uint32_t>(card::PuntReason::kHostFrame);
    if (sound) {
      std::memcpy(punt_copy_.data(), record.packet, octets);
    }
    ++punts_consumed_;
    put(index.consumed, punts_consumed_);
    if (!sound) {
      ring_fault_ = true;
      continue;
    }
    visit(context, {.reason = static_cast<card::PuntReason>(reason),
                    .port = static_cast<card::Port>(port),
                    .index = slot,
                    .packet = {punt_copy_.data(), octets}});
  }
  return count;
}

CardResult<> MappedCard::inject(card::InjectKind kind, card::Port port, std::span<const std::uint8_t> packet) {
  return put_inject(kind, port, 0, packet);
}

CardResult<> MappedCard::inject_on_route(std::uint32_t route, std::span<const std::uint8_t> packet) {
  if (route >= card::kRoutes) {
    return fail(CardErrc::kBadIndex, "route " + std::to_string(route) + " is outside the table");
  }
  return put_inject(card::InjectKind::kSealRoute, card::Port::kInner, route, packet);
}

CardResult<> MappedCard::put_inject(card::InjectKind kind, card::Port port, std::uint32_t route,
                                    std::span<const std::uint8_t> packet) {
  if (packet.size() > card::kFrameMax) {
    return fail(CardErrc::kTooLarge, "packet of " + std::to_string(packet.size()) + " octets; a card holds " +
                                         std::to_string(card::kFrameMax));
  }
  if (packet.empty() || !valid_port(port) || kind == card::InjectKind::kNone || kind > card::InjectKind::kSealRoute) {
    return fail(CardErrc::kInvalid, "an injected packet needs octets, a port and a kind");
  }
  card::RingIndex& index = memory_->inject_index;
  const std::uint64_t in_ring = injects_produced_ - get(index.consumed);
  if (in_ring > card::kInjectRingSize) {
    ring_fault_ = true;
    return fail(CardErrc::kIo, "the card wrote an impossible inject index; restart it");
  }
  if (in_ring == card::kInjectRingSize) {
    return fail(CardErrc::kRingFull, "inject ring full; the card does not take packets");
  }
  card::InjectRecord& record = memory_->injects[injects_produced_ % card::kInjectRingSize];
  record.kind = static_cast<std::uint32_t>(kind);
  record.port = static_cast<std::uint32_t>(port);
  record.octets = static_cast<std::uint32_t>(packet.size());
  record.route = route;
  std::memset(record.next_hop, 0, sizeof(record.next_hop));
  std::memcpy(record.packet, packet.data(), packet.size());
  publish(&record, offsetof(card::InjectRecord, packet) + packet.size());
  put(index.produced, ++injects_produced_);
  ring_doorbell();
  return {};
}

}  // namespace tandem::driver
