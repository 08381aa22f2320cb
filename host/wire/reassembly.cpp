// SPDX-License-Identifier: Apache-2.0
#include "host/wire/reassembly.hpp"

#include <algorithm>

#include "host/wire/ip_header.hpp"
#include "host/wire/reader.hpp"

namespace tandem::wire {
namespace {

constexpr std::uint8_t kCongestionExperienced = 3;

// A fragment that no sender makes: empty, not in units of 8, or reaching beyond what a packet can hold.
bool is_odd(const Ipv4Packet& packet) {
  const std::size_t end = packet.header.fragment_offset + packet.payload.size();
  return packet.payload.empty() || end > kIpv4DatagramOctetsMax - kIpv4HeaderOctets ||
         (packet.header.more_fragments && packet.payload.size() % 8 != 0);
}

}  // namespace

std::optional<Bytes> Ipv4Reassembler::add(ByteView packet, TimePoint now) {
  expire(now);
  const auto parsed = parse_ipv4(packet);
  if (!parsed) {
    ++counters_.malformed;
    return std::nullopt;
  }
  const Ipv4Header& header = parsed->header;
  if (!header.more_fragments && header.fragment_offset == 0) {
    return to_bytes(packet.first(parsed->header_octets() + parsed->payload.size()));
  }
  if (is_odd(*parsed) || parsed->payload.size() > limits_.octets_max) {
    ++counters_.malformed;
    return std::nullopt;
  }
  const Key key{header.source, header.target, header.protocol, header.id};
  make_room(key, parsed->payload.size());
  const auto [which, created] = pending_.try_emplace(key);
  Pending& pending = which->second;
  if (created) pending.since = now;
  if (!accept(pending, header.fragment_offset, parsed->payload, !header.more_fragments)) {
    ++counters_.malformed;
    forget(which);
    return std::nullopt;
  }
  if (header.fragment_offset == 0) {
    pending.tos = header.tos;
    pending.ttl = header.ttl;
  }
  if ((header.tos & 3) == kCongestionExperienced) pending.congestion = true;
  if (pending.total != pending.octets) return std::nullopt;

  Ipv4Header whole = header;
  whole.tos = static_cast<std::uint8_t>(pending.tos | (pending.congestion ? kCongestionExperienced : 0));
  whole.ttl = pending.ttl;
  whole.more_fragments = false;
  whole.fragment_offset = 0;
  Bytes payload;
  payload.reserve(pending.octets);
  for (const auto& [offset, part] : pending.parts) payload.insert(payload.end(), part.begin(), part.end());
  forget(which);
  ++counters_.completed;
  return build_ipv4(whole, payload);
}

// Puts one fragment into its datagram; false when it contradicts what is there.
bool Ipv4Reassembler::accept(Pending& pending, std::size_t offset, ByteView part, bool last) {
  const std::size_t end = offset + part.size();
  const auto same = pending.parts.find(offset);
  if (same != pending.parts.end() && std::equal(part.begin(), part.end(), same->second.begin(), same->second.end()) &&
      last == (pending.total == end)) {
    return true;
  }
  const auto after = pending.parts.lower_bound(offset);
  if (after != pending.parts.end() && after->first < end) return false;
  if (after != pending.parts.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second.size() > offset) return false;
  }
  if (pending.total && (last || end > *pending.total)) return false;
  if (last) {
    if (after != pending.parts.end()) return false;
    pending.total = end;
  }
  if (pending.parts.size() == limits_.fragments_max) return false;
  pending.parts.emplace(offset, to_bytes(part));
  pending.octets += part.size();
  octets_ += part.size();
  return true;
}

void Ipv4Reassembler::expire(TimePoint now) {
  for (auto which = pending_.begin(); which != pending_.end();) {
    const auto next = std::next(which);
    if (now - which->second.since >= limits_.timeout) {
      ++counters_.expired;
      forget(which);
    }
    which = next;
  }
}

TimePoint Ipv4Reassembler::next_timeout() const {
  TimePoint next = kNever;
  for (const auto& [key, pending] : pending_) next = std::min(next, pending.since + limits_.timeout);
  return next;
}

void Ipv4Reassembler::forget(std::map<Key, Pending>::iterator which) {
  octets_ -= which->second.octets;
  pending_.erase(which);
}

// Evicts the oldest until `octets` more fit, and one datagram more if `key` is new.
void Ipv4Reassembler::make_room(const Key& key, std::size_t octets) {
  while (!pending_.empty() && (octets_ + octets > limits_.octets_max ||
                               (pending_.size() >= limits_.datagrams_max && !pending_.contains(key)))) {
    ++counters_.evicted;
    forget(std::min_element(pending_.begin(), pending_.end(),
                            [](const auto& a, const auto& b) { return a.second.since < b.second.since; }));
  }
}

}  // namespace tandem::wire
