// SPDX-License-Identifier: Apache-2.0
// What the card hands over because it cannot do it: cache misses, unknown next hops, packets that are too
// big, outer fragments, expired TTLs. Pure but for the card; every queue and table has a maximum. A packet is put
// in again only where it cannot come straight back: the card would pass it round for ever.
// RFC 4301 5.1, 8.2.1; RFC 1191; PMTU-003, ESP-008, TUN-005.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "driver/card.hpp"
#include "host/base/ip_prefix.hpp"
#include "host/base/time.hpp"
#include "host/sad/sad.hpp"
#include "host/wire/ip_header.hpp"
#include "host/wire/reassembly.hpp"

namespace tandem::sad {

// One side as IP sees it.
struct PortNet {
  IpPrefix network;                  // on-link addresses
  std::optional<IpAddress> gateway;  // for all others
  IpAddress address;                 // ours, source of ICMP errors
};

struct SlowPathCounters {
  std::uint64_t spd_misses = 0, discards = 0, bypasses = 0, icmp_too_big = 0, icmp_ttl = 0, fragmented = 0,
                reassembled = 0, unresolved_dropped = 0, unsupported = 0, acquires = 0, no_sa = 0;
};

class SlowPath {
 public:
  // A next hop whose MAC is wanted.
  struct Wanted {
    card::Port port;
    IpAddress address;
    friend auto operator<=>(const Wanted&, const Wanted&) = default;
  };
  struct Learned {
    card::Port port;
    IpAddress address;  // as the card looks it up
    wire::Mac mac;
  };

  SlowPath(Sad& sad, PortNet outer, PortNet inner, Log& log);

  // Handles one punted packet. New wishes are left in take_wanted() and take_acquires().
  void handle(TimePoint now, const driver::PuntView& punt);
  // The kernel knows the MAC of an on-link address: entries that rest on it are written, waiting packets leave.
  // Returns what was written to the card, for the partner.
  std::vector<Learned> resolved(card::Port port, const IpAddress& address, const wire::Mac& mac);
  // As the partner learned it.
  void adopt(const Learned& entry);
  // Asks for the next hop towards `address` before the first packet needs it.
  void want(card::Port port, const IpAddress& address);
  // All next hops on the card.
  std::vector<Learned> learned() const;
  // The neighbours that those rest on: their MACs should stay fresh.
  std::vector<Wanted> neighbours() const;
  // Packets that wait for a MAC.
  std::size_t waiting() const { return waiting_held_; }

  // The card was emptied: nothing is on it, nothing waits for it.
  void clear();

  std::vector<Wanted> take_wanted();
  // Tags of PROTECT rules that want an SA.
  std::vector<std::uint32_t> take_acquires();
  const SlowPathCounters& counters() const { return counters_; }

 private:
  static constexpr std::size_t kWaitingMax = 64;                     // packets per next hop: the oldest goes
  static constexpr std::size_t kWaitingHeldMax = 1024;               // over all of them: the new one goes
  static constexpr Duration kWaitingTime = std::chrono::seconds(3);  // then a packet is too old to be sent
  static constexpr Duration kAskInterval = std::chrono::seconds(1);  // between two wishes for one MAC
  static constexpr std::size_t kAsksMax = 1024;                      // wishes in that time, over all neighbours
  static constexpr std::size_t kNextHopsMax = 8192;                  // neighbours: the unresolved are forgotten
  static constexpr std::size_t kTargetsMax =                         // addresses the card looks up: all are
      std::size_t{card::kNextHopBuckets} * card::kNextHopWays;       // forgotten, the next packets bring them back

  struct Waiting {
    TimePoint since;
    Bytes packet;
  };
  struct Hop {
    std::optional<wire::Mac> mac;
    std::optional<TimePoint> asked;
    std::set<IpAddress> targets;  // addresses the card looks up that go through this hop
    std::deque<Waiting> waiting;
  };
  const PortNet& net(card::Port port) const { return port == card::Port::kOuter ? outer_ : inner_; }
  std::optional<IpAddress> hop_towards(card::Port port, const IpAddress& target) const;
  void spd_miss(const driver::PuntView& punt);
  bool open_without_options(const driver::PuntView& punt);
  void no_next_hop(const driver::PuntView& punt);
  void too_big(const driver::PuntView& punt);
  void ttl_expired(const driver::PuntView& punt);
  Hop& hop_at(const Wanted& where);
  void add_target(Hop& hop, const IpAddress& target);
  void ask(const Wanted& where, Hop& hop);
  void drop_stale();
  void forward_in_clear(card::Port port, const IpAddress& target, ByteView packet);
  void seal(std::uint32_t route, ByteView packet);
  void send_icmp(card::Port port, const std::optional<Bytes>& packet);
  void inject(card::InjectKind kind, card::Port port, ByteView packet);
  bool write_next_hop(card::Port port, const IpAddress& target, const wire::Mac& mac);

  Sad& sad_;
  PortNet outer_;
  PortNet inner_;
  Log& log_;
  wire::Ipv4Reassembler reassembler_;
  std::map<Wanted, Hop> hops_;
  std::map<Wanted, wire::Mac> on_card_;
  std::size_t targets_held_ = 0;  // over all hops
  std::size_t waiting_held_ = 0;
  TimePoint now_{};  // of the last punt
  TimePoint stale_due_{};
  TimePoint asks_since_{};
  std::size_t asks_ = 0;  // since then
  std::set<Wanted> wanted_;
  std::set<std::uint32_t> acquires_;
  SlowPathCounters counters_;
};

}  // namespace tandem::sad
