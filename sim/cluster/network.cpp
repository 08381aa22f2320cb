// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/network.hpp"

namespace tandem::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Duration kRedial = milliseconds(100);
constexpr Duration kHandshake = milliseconds(3);
constexpr Duration kKeepalive = std::chrono::seconds(2);
constexpr Duration kUserTimeout = milliseconds(1000);
constexpr std::size_t kKeyOctets = 32;
constexpr Weather kStorm{15, 15, microseconds(100), milliseconds(40)};
constexpr double kDamagePercent = 15;
constexpr std::size_t kEspAt = 34;  // in a frame: behind Ethernet and IPv4, which ESP does not protect

}  // namespace

Network::Network(Scheduler& clock, const Plan& plan, std::uint64_t seed, const Story& story)
    : clock_(clock), plan_(plan), dice_(seed), story_(story) {
  for (std::size_t peer = 0; peer < plan.behind_nat.size(); ++peer) {
    if (plan.behind_nat[peer]) nats_.emplace(peer, Nat(peer));
  }
}

// --- sync session: member 1 dials.

void Network::daemon_started(unsigned) { dial_later(milliseconds(5)); }

void Network::dial_later(Duration delay) {
  if (dialling_) return;
  dialling_ = true;
  clock_.after(delay, [this] {
    dialling_ = false;
    dial();
  });
}

void Network::dial() {
  if (ends_[0].up || !members_[0]->powered()) return;
  if (!members_[0]->serving() || !members_[1]->serving() || !sync_open()) {
    dial_later(kRedial);
    return;
  }
  const std::uint64_t connection = ++connections_;
  Bytes key(kKeyOctets);
  dice_.random().fill(key);
  clock_.after(kHandshake, [this, connection, key] {
    if (!members_[0]->serving() || !members_[1]->serving() || !sync_open()) {
      dial_later(kRedial);
      return;
    }
    // The dialler waits for the listener's word; what the listener says then comes behind it.
    const Duration word = sync_delay();
    clock_.after(word, [this, connection, key] {
      if (members_[0]->serving() && ends_[1].up && ends_[1].connection == connection) {
        adopt(0, connection, key);
      } else {
        close_remote(1, connection, microseconds(300));
        dial_later(kRedial);
      }
    });
    adopt(1, connection, key);
    ends_[1].last_arrival = clock_.now() + word;
  });
}

void Network::adopt(unsigned node, std::uint64_t connection, const Bytes& key) {
  if (ends_[node].up) drop(node);
  ends_[node] = {true, connection, clock_.now()};
  if (story_.told())
    story_.tell("network", "member " + std::to_string(node + 1) + " has session " + std::to_string(connection));
  members_[node]->session_up(key);
}

// The handler is owed, the dialler tries again.
void Network::close_end(unsigned node) {
  ends_[node].up = false;
  members_[node]->session_down();
  if (node == 0) dial_later(kRedial);
}

void Network::close_remote(unsigned node, std::uint64_t connection, Duration delay) {
  const TimePoint when = std::max(clock_.now(), sync_cut_until_) + delay;
  clock_.at(when, [this, node, connection] {
    if (!ends_[node].up || ends_[node].connection != connection) return;
    close_end(node);
    // An end that missed this hears it from TCP's keepalive.
    close_remote(1 - node, connection, kKeepalive);
  });
}

void Network::drop(unsigned node) {
  if (!ends_[node].up) return;
  close_end(node);
  close_remote(1 - node, ends_[node].connection, sync_delay());
}

void Network::daemon_died(unsigned node) {
  if (!ends_[node].up) {
    return;
  }
  ends_[node].up = false;
  close_remote(1 - node, ends_[node].connection, sync_delay());
}

void Network::machine_died(unsigned node) {
  if (!ends_[node].up) return;
  ends_[node].up = false;
  close_remote(1 - node, ends_[node].connection, dice_.between(kUserTimeout, 2 * kUserTimeout));
}

void Network::send(unsigned node, Bytes octets) {
  End& end = ends_[node];
  if (!end.up) return;
  const std::uint64_t connection = end.connection;
  end.last_arrival = std::max({end.last_arrival, clock_.now() + sync_delay(), sync_cut_until_ + milliseconds(1)});
  unsigned copies = 1;
  if (clock_.now() < corrupt_sync_until_ && dice_.chance(20)) {
    switch (dice_.below(3)) {
      case 0:
        copies = 2;
        break;
      case 1:
        dice_.random().fill(std::span(octets).subspan(std::min<std::size_t>(octets.size(), dice_.below(8))));
        break;
      default:
        reset_sync();
        break;
    }
  }
  for (; copies > 0; --copies) {
    clock_.at(end.last_arrival, [this, node, connection, octets] { deliver_sync(node, connection, octets); });
  }
}

void Network::deliver_sync(unsigned from, std::uint64_t connection, const Bytes& octets) {
  const unsigned other = 1 - from;
  if (ends_[other].up && ends_[other].connection == connection) {
    members_[other]->session_data(octets);
  } else if (members_[other]->powered()) {
    // Nobody is there: reset.
    close_remote(from, connection, microseconds(200));
  }
}

void Network::slow_sync(Duration length) { slow_sync_until_ = std::max(slow_sync_until_, clock_.now() + length); }
void Network::corrupt_sync(Duration length) {
  corrupt_sync_until_ = std::max(corrupt_sync_until_, clock_.now() + length);
}
void Network::storm(Duration length) { storm_until_ = std::max(storm_until_, clock_.now() + length); }
void Network::damage(Duration length) { damage_until_ = std::max(damage_until_, clock_.now() + length); }

Duration Network::sync_delay() {
  const Duration delay = dice_.between(plan_.sync.delay_min, plan_.sync.delay_max);
  return clock_.now() < slow_sync_until_ ? delay + dice_.between(milliseconds(20), milliseconds(250)) : delay;
}

void Network::cut_sync(Duration length) {
  sync_cut_until_ = std::max(sync_cut_until_, clock_.now() + length);
  const std::array<End, 2> now = ends_;
  // What waits longer than TCP's user timeout ends the session.
  clock_.after(kUserTimeout, [this, now] {
    if (sync_open()) return;
    for (unsigned node = 0; node < 2; ++node) {
      const std::uint64_t connection = ends_[node].connection;
      if (!ends_[node].up || connection != now[node].connection) continue;
      close_end(node);
      // The other may have opened its end after the cut began.
      close_remote(1 - node, connection, kKeepalive);
    }
  });
}

void Network::reset_sync() {
  for (unsigned node = 0; node < 2; ++node) {
    if (ends_[node].up) close_remote(node, ends_[node].connection, sync_delay());
  }
}

// --- packets

template <typename Deliver>
void Network::over(const Weather& weather, Deliver deliver) {
  if (!perfect_ && dice_.chance(weather.loss_percent)) return;
  const bool twice = !perfect_ && dice_.chance(weather.copy_percent);
  clock_.after(dice_.between(weather.delay_min, weather.delay_max), deliver);
  if (twice) clock_.after(dice_.between(weather.delay_min, 4 * weather.delay_max), deliver);
}

void Network::send_heartbeat(unsigned node, const Bytes& datagram) {
  if (clock_.now() < heartbeats_cut_until_[node]) return;
  over(plan_.heartbeat, [this, node, datagram] { members_[1 - node]->heartbeat(datagram); });
}

void Network::cut_heartbeats(unsigned from, Duration length) {
  heartbeats_cut_until_[from] = std::max(heartbeats_cut_until_[from], clock_.now() + length);
}

const Weather& Network::outside() const { return clock_.now() < storm_until_ ? kStorm : plan_.outer; }

Bytes Network::damaged(Bytes octets, std::size_t headers) {
  if (clock_.now() < damage_until_ && octets.size() > headers && dice_.chance(kDamagePercent)) {
    octets[headers + dice_.below(octets.size() - headers)] ^= static_cast<std::uint8_t>(1u << dice_.below(8));
  }
  return octets;
}

ike::Datagram Network::damaged(const ike::Datagram& datagram) {
  return {datagram.local, datagram.remote, damaged(datagram.octets, 0)};
}

void Network::announce(unsigned node, card::Port port) {
  clock_.after(dice_.between(microseconds(50), microseconds(300)), [this, node, port] {
    announced_[static_cast<std::size_t>(port)] = static_cast<int>(node);
    if (clock_.now() >= stale_until_) learn(port);
  });
}

void Network::learn(card::Port port) {
  int& owner = owner_[static_cast<std::size_t>(port)];
  const int announced = announced_[static_cast<std::size_t>(port)];
  if (owner == announced) return;
  owner = announced;
  if (!story_.told()) return;
  story_.tell("network", std::string(port == card::Port::kOuter ? "outer" : "inner") + " address moves to member " +
                             std::to_string(announced + 1));
}

void Network::stale_switches(Duration length) {
  stale_until_ = std::max(stale_until_, clock_.now() + length);
  clock_.at(stale_until_, [this] {
    if (clock_.now() < stale_until_) return;
    learn(card::Port::kOuter);
    learn(card::Port::kInner);
  });
}

void Network::to_cluster(card::Port port, Bytes frame) {
  if (port == card::Port::kOuter && wiretap) wiretap(frame);
  static constexpr Weather kLan{0, 0, microseconds(20), microseconds(100)};
  if (port == card::Port::kOuter) frame = damaged(std::move(frame), kEspAt);
  over(port == card::Port::kOuter ? outside() : kLan, [this, port, frame = std::move(frame)] {
    const int node = owner(port);
    if (node >= 0) members_[static_cast<std::size_t>(node)]->frame(port, frame);
  });
}

void Network::to_member(unsigned node, Bytes frame) {
  clock_.after(microseconds(50),
               [this, node, frame = std::move(frame)] { members_[node]->frame(card::Port::kOuter, frame); });
}

void Network::ike_to_member(unsigned node, const ike::Datagram& datagram) {
  clock_.after(microseconds(50), [this, node, datagram] { members_[node]->ike_datagram(datagram); });
}

void Network::from_peer(std::size_t peer, Bytes frame) {
  const auto nat = nats_.find(peer);
  to_cluster(card::Port::kOuter, nat == nats_.end() ? std::move(frame) : nat->second.outward(std::move(frame)));
}

void Network::to_peer(std::size_t peer, const Bytes& frame) {
  over(outside(), [this, peer, frame = damaged(frame, kEspAt)] {
    const auto nat = nats_.find(peer);
    const auto inside = nat == nats_.end() ? std::optional(frame) : nat->second.inward(frame);
    if (inside) peers_[peer]->frame(*inside);
  });
}

void Network::move_nat(std::uint64_t pick) {
  if (nats_.empty()) return;
  auto nat = nats_.begin();
  std::advance(nat, static_cast<std::ptrdiff_t>(pick % nats_.size()));
  nat->second.move(pick / nats_.size());
  if (story_.told()) story_.tell("nat", "peer " + std::to_string(nat->first) + " is now at " + nat->second.mapping());
}

void Network::tell_ike(const std::string& way, const ike::Datagram& datagram) const {
  const std::size_t marker = datagram.local.port == 4500 || datagram.remote.port == 4500 ? 4 : 0;
  if (!story_.told() || datagram.octets.size() < marker + 28) return;
  const std::uint8_t* at = datagram.octets.data() + marker;
  const unsigned id = static_cast<unsigned>(at[20]) << 24 | static_cast<unsigned>(at[21]) << 16 |
                      static_cast<unsigned>(at[22]) << 8 | at[23];
  story_.tell("ike", way + ": exchange " + std::to_string(at[18]) +
                         ((at[19] & 0x20) != 0 ? " response " : " request ") + std::to_string(id));
}

void Network::ike_from_peer(std::size_t peer, ike::Datagram datagram) {
  const auto nat = nats_.find(peer);
  if (nat != nats_.end()) datagram.remote = nat->second.outward(datagram.remote);
  if (story_.told()) tell_ike(to_string(datagram.remote.address) + " to cluster", datagram);
  over(outside(), [this, datagram = damaged(datagram)] {
    const int node = owner(card::Port::kOuter);
    if (node >= 0) members_[static_cast<std::size_t>(node)]->ike_datagram(datagram);
  });
}

void Network::ike_to_peer(std::size_t peer, const ike::Datagram& datagram) {
  if (story_.told()) tell_ike("to peer " + std::to_string(peer), datagram);
  over(outside(), [this, peer, datagram = damaged(datagram)]() mutable {
    if (const auto nat = nats_.find(peer); nat != nats_.end()) {
      const auto inside = nat->second.inward(datagram.local);
      if (!inside) return;
      datagram.local = *inside;
    }
    peers_[peer]->ike_datagram(datagram);
  });
}

}  // namespace tandem::sim
