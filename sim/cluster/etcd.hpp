// SPDX-License-Identifier: Apache-2.0
// The third place: etcd with the owner key, and the links to it, which can be cut, slow, or lose answers. It goes down
// and comes back with all that it had: a cluster of etcd that loses data is not simulated, as nothing could be proved
// then.
#pragma once

#include <array>
#include <functional>
#include <map>

#include "host/ha/witness.hpp"
#include "sim/cluster/dice.hpp"
#include "sim/cluster/scheduler.hpp"
#include "sim/cluster/story.hpp"

namespace tandem::sim {

class Etcd {
 public:
  Etcd(Scheduler& clock, std::uint64_t seed, const Story& story) : clock_(clock), dice_(seed), story_(story) {}

  // `done` is called once, or never when request or answer is lost. Requests overtake each other: each may be on a
  // connection of its own, and one that its sender gave up may still be carried out.
  void ask(unsigned node, const ha::WitnessAsk& ask, std::function<void(const ha::WitnessReply&)> done);
  // As the key stands.
  std::optional<ha::OwnerKey> owner();

  // --- faults of a member's link
  void cut(unsigned node, Duration length);
  void lose_answers(unsigned node, Duration length);
  void slow(unsigned node, Duration length);
  // Of the service. Leases do not end meanwhile, and live for a whole ttl when it is back, as after an election.
  void go_down(Duration length);

 private:
  struct Lease {
    Duration ttl{};
    TimePoint ends{};     // not renewed any more from here on
    TimePoint revoked{};  // and its key goes only here
  };
  struct Link {
    TimePoint cut_until{}, answers_lost_until{}, slow_until{};
  };
  bool down() const { return clock_.now() < down_until_; }
  Duration delay(const Link& link);
  void renew(Lease& lease);
  void expire();
  ha::WitnessReply serve(const ha::WitnessAsk& ask);
  ha::WitnessReply grant(const ha::LeaseGrant& ask);
  ha::WitnessReply keep(const ha::LeaseKeep& ask);
  ha::WitnessReply swap(const ha::KeySwap& ask);
  ha::KeyAnswer read() const;

  Scheduler& clock_;
  Dice dice_;
  const Story& story_;
  std::array<Link, 2> links_;
  TimePoint down_until_{};
  std::map<std::int64_t, Lease> leases_;
  std::int64_t ids_ = 0;
  std::int64_t revision_ = 1;
  struct Key {
    std::string value;
    std::int64_t lease = 0, mod_revision = 0, create_revision = 0;
  };
  std::optional<Key> key_;
};

}  // namespace tandem::sim
