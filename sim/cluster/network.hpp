// SPDX-License-Identifier: Apache-2.0
// The networks between members, peers and the host behind the members: the sync session as an ordered stream of octets
// that can be cut or broken, heartbeats and packets that get lost, doubled, late. The members' real transport
// (host/ha/io/tls_session) is the model: who dials, what ends a session, what a dead machine's partner sees.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "host/ike/core.hpp"
#include "hw/contract/address.hpp"
#include "sim/cluster/dice.hpp"
#include "sim/cluster/fault/plan.hpp"
#include "sim/cluster/nat.hpp"
#include "sim/cluster/scheduler.hpp"
#include "sim/cluster/story.hpp"

namespace tandem::sim {

// What the networks do to a member.
class MemberPort {
 public:
  virtual ~MemberPort() = default;
  virtual bool powered() const = 0;  // the machine
  virtual bool serving() const = 0;  // the process, neither dead nor standing still
  virtual void frame(card::Port port, ByteView frame) = 0;
  virtual void ike_datagram(const ike::Datagram& datagram) = 0;
  virtual void heartbeat(const Bytes& datagram) = 0;
  virtual void session_up(const Bytes& key) = 0;
  virtual void session_data(const Bytes& octets) = 0;
  virtual void session_down() = 0;
};

class PeerPort {
 public:
  virtual ~PeerPort() = default;
  virtual void frame(ByteView frame) = 0;
  virtual void ike_datagram(const ike::Datagram& datagram) = 0;
};

class Network {
 public:
  Network(Scheduler& clock, const Plan& plan, std::uint64_t seed, const Story& story);

  void attach(unsigned node, MemberPort& member) { members_.at(node) = &member; }
  void attach(PeerPort& peer) { peers_.push_back(&peer); }
  // Who gets copies of every ESP frame on its way to the cluster.
  std::function<void(const Bytes& frame)> wiretap;

  // --- sync session
  void daemon_started(unsigned node);
  void daemon_died(unsigned node);   // the kernel closes its connection
  void machine_died(unsigned node);  // nobody does
  void send(unsigned node, Bytes octets);
  void drop(unsigned node);
  void cut_sync(Duration length);
  void reset_sync();
  void slow_sync(Duration length);
  // Octets get doubled or replaced: TLS notices most of it and breaks the session, the rest is the link's
  // business.
  void corrupt_sync(Duration length);

  // --- heartbeats
  void send_heartbeat(unsigned node, const Bytes& datagram);
  void cut_heartbeats(unsigned from, Duration length);
  // Neither hears the other.
  bool members_apart() const { return clock_.now() < std::min(heartbeats_cut_until_[0], heartbeats_cut_until_[1]); }

  // --- packets. Frames to the cluster go to whoever announced the virtual addresses last.
  void announce(unsigned node, card::Port port);
  void to_cluster(card::Port port, Bytes frame);
  void from_peer(std::size_t peer, Bytes frame);
  void to_member(unsigned node, Bytes frame);  // the attacker aims
  void ike_to_member(unsigned node, const ike::Datagram& datagram);
  void to_peer(std::size_t peer, const Bytes& frame);
  void ike_from_peer(std::size_t peer, ike::Datagram datagram);
  void ike_to_peer(std::size_t peer, const ike::Datagram& datagram);
  // The NAT of one of the peers that have one.
  void move_nat(std::uint64_t pick);
  void storm(Duration length);
  void damage(Duration length);
  // Announcements of the virtual addresses are not learned before it is over, then the newest counts.
  void stale_switches(Duration length);
  int owner(card::Port port) const { return owner_.at(static_cast<std::size_t>(port)); }
  void set_perfect() { perfect_ = true; }

 private:
  struct End {
    bool up = false;
    std::uint64_t connection = 0;
    TimePoint last_arrival{};  // of what we sent
  };
  void tell_ike(const std::string& way, const ike::Datagram& datagram) const;
  void dial_later(Duration delay);
  void dial();
  void adopt(unsigned node, std::uint64_t connection, const Bytes& key);
  void close_end(unsigned node);
  void close_remote(unsigned node, std::uint64_t connection, Duration delay);
  bool sync_open() const { return clock_.now() >= sync_cut_until_; }
  Duration sync_delay();
  // Calls `deliver` after the wire's delay, not at all, or twice.
  template <typename Deliver>
  void over(const Weather& weather, Deliver deliver);
  const Weather& outside() const;
  // Flips a bit behind the first `headers` octets, at times.
  Bytes damaged(Bytes octets, std::size_t headers);
  ike::Datagram damaged(const ike::Datagram& datagram);
  void learn(card::Port port);
  void deliver_sync(unsigned from, std::uint64_t connection, const Bytes& octets);

  Scheduler& clock_;
  const Plan& plan_;
  Dice dice_;
  const Story& story_;
  std::array<MemberPort*, 2> members_{};
  std::vector<PeerPort*> peers_;
  std::map<std::size_t, Nat> nats_;  // by peer
  std::array<End, 2> ends_;
  std::uint64_t connections_ = 0;
  bool dialling_ = false;
  TimePoint sync_cut_until_{};
  std::array<TimePoint, 2> heartbeats_cut_until_{};
  std::array<int, 2> owner_{-1, -1};
  std::array<int, 2> announced_{-1, -1};  // by whom last, learned or not
  bool perfect_ = false;
  TimePoint slow_sync_until_{};
  TimePoint corrupt_sync_until_{};
  TimePoint storm_until_{};
  TimePoint damage_until_{};
  TimePoint stale_until_{};
};

}  // namespace tandem::sim
