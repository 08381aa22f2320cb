// SPDX-License-Identifier: Apache-2.0
// Two members with their cards and one peer's IKE core, in memory: what the shells would carry is carried here. No ESP
// flows: a test writes into the cards what traffic would have left there.
#pragma once

#include <catch2/catch.hpp>

#include <memory>

#include "driver/inproc/inproc_card.hpp"
#include "host/base/seeded_random.hpp"
#include "host/ha/member.hpp"
#include "tests/unit/host/ike/world.hpp"

namespace tandem::ha::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Keeps what a disk would.
class MemorySecrets final : public SecretStore {
 public:
  Result<std::optional<ike::ClusterSecrets>, StoreError> load() override;
  Result<void, StoreError> save(const ike::ClusterSecrets& secrets) override;
  std::optional<ike::ClusterSecrets> held;
};

struct Side {
  SeededRandom random;
  CapturingLog log;
  std::unique_ptr<driver::InprocCard> card;
  std::unique_ptr<IncarnationStore> store;
  MemorySecrets secrets;
  std::unique_ptr<Member> member;

  explicit Side(std::uint64_t seed) : random(seed) {}
  card::OutboundSlot& outbound(std::uint32_t spi);
  card::InboundSlot& inbound(std::uint32_t spi);
  const card::OutboundPolicy& outbound_policy(std::uint32_t spi);
  const card::InboundPolicy& inbound_policy(std::uint32_t spi);
};

struct Options {
  std::string_view esp = "aes128gcm16-esn";
  sad::UseLimits use = sad::kGcmUseLimits;
  std::uint64_t in_block = 1000;
  ike::SyncPolicy sync = ike::SyncPolicy::kDoubt;
  Duration liveness = seconds(30);  // of the peer
  std::array<std::uint32_t, 2> slots = {64, 64};
};

class MemberWorld {
 public:
  explicit MemberWorld(const Options& options);

  // Carries everything that waits, timers too, until `duration` has passed.
  void run_for(Duration duration);
  // Members meet, the peer connects, the standby is in sync.
  void connect();
  // The active member dies; the other one takes over.
  void kill_active();
  // The standby's member takes over in agreement.
  void hand_over();
  // The peer is a cluster as well: another member of it goes on with what was mirrored.
  void peer_takes_over();
  // All members die in one moment, with all that their stores do not hold.
  void kill_all();
  // Starts one member again, alone.
  void start(Side& side) { make_member(side, &side == &a ? 1 : 2); }
  // The members that died start again and join.
  void restart_dead();

  Side& active() { return a.member && a.member->role() == Role::kActive ? a : b; }
  Side& standby() { return &active() == &a ? b : a; }
  // The cluster's side of the only child.
  std::uint32_t spi();
  // As if the active had sent and received: the numbers and counts of its card rise.
  void traffic(std::uint64_t in_packets, std::uint64_t out_packets, std::uint64_t octets_each);

  TimePoint now{seconds(1000)};
  Side a;
  Side b;
  bool joined = false;

  SeededRandom peer_random{9};
  CapturingLog peer_log;
  ike::test::Slots peer_slots;
  std::unique_ptr<ike::Core> peer;
  std::optional<Endpoint> nat;  // where what the peer sends comes from
  std::vector<ike::OutboundJump> jumps;
  std::vector<ike::Datagram> to_peer;  // all that the cluster sent

 private:
  void make_member(Side& side, std::uint8_t id);
  void turn();
  void carry(Side& from, Side& to);
  void peer_step(ike::Step step);
  Options options_;
  std::vector<ike::Datagram> to_cluster_;
};

}  // namespace tandem::ha::test
