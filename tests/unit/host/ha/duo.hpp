// SPDX-License-Identifier: Apache-2.0
// Two members over a session in memory, without peers: what they say and do is carried at once.
#pragma once

#include <array>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "driver/inproc/inproc_card.hpp"
#include "host/base/seeded_random.hpp"
#include "host/ha/member.hpp"

namespace tandem::ha::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A disk that can be full, or slow.
class Disk final : public IncarnationStore {
 public:
  std::uint64_t durable() const override { return durable_; }
  Result<void, StoreError> reserve(std::uint64_t activation) override {
    if (full) return Failure{StoreError{StoreErrc::kIo, "no space left on device"}};
    if (on_reserve) on_reserve();
    durable_ = activation;
    return {};
  }
  bool full = false;
  std::function<void()> on_reserve;  // while it is at work

 private:
  std::uint64_t durable_ = 0;
};

class Duo {
 public:
  struct Side {
    std::unique_ptr<driver::InprocCard> card;
    std::unique_ptr<Disk> store = std::make_unique<Disk>();
    SeededRandom random{1};
    CapturingLog log;
    std::optional<Member> member;
    HeartbeatFacts facts;
    std::vector<WitnessClaim> claims;
    unsigned releases = 0;
  };

  Duo() {
    for (std::uint8_t i = 0; i < 2; ++i) config[i] = plain(i);
  }
  static MemberConfig plain(std::uint8_t i) {
    MemberConfig config;
    config.cluster = "test";
    config.id = static_cast<std::uint8_t>(i + 1);
    config.priority = i == 0 ? 100 : 50;
    config.life = 1000u + i;
    config.config_items = {{"outer", "1"}, {"peer.branch", "2"}};
    return config;
  }

  void start() {
    for (std::size_t i = 0; i < 2; ++i) start(i);
    connect();
  }
  // One member's process, anew if it ran; its disk stays.
  void start(std::size_t i) {
    auto made = driver::InprocCard::create(64, card::Crypto::kNative);
    REQUIRE(made.ok());
    side[i].member.reset();
    side[i].card = std::move(*made);
    side[i].card->set_now(to_ns(now));
    Member::Hooks hooks;
    hooks.eligible = [this, i] { return eligible[i]; };
    hooks.partner = [this, i] {
      const HeartbeatFacts& other = side[1 - i].facts;
      const TimePoint heard = !connected ? TimePoint::min() : deaf ? last_heard : now;
      return PartnerView{connected,      other.role,
                         other.solo,     other.in_sync,
                         other.epoch,    other.activation,
                         other.may_lead, heard,
                         heard,          ungranted[i] ? TimePoint::min() : heard,
                         missed};
    };
    side[i].member.emplace(std::move(config[i]), *side[i].card, *side[i].store, side[i].random, std::move(hooks),
                           side[i].log);
    REQUIRE(side[i].member->start(now).ok());
  }
  // The first one has asked the witness; returns what it asks.
  std::vector<WitnessClaim>& start_with_witness() {
    config[0].witness = config[1].witness = true;
    start();
    REQUIRE(side[0].claims.size() == 1);
    return side[0].claims;
  }
  void connect() {
    connected = true;
    for (Side& s : side) s.member->session_up(now);
    pump();
  }
  // Carries octets to and fro until both are silent. A dropped session is made anew at once, a refused one is not.
  void pump() {
    for (int round = 0; round < 50; ++round) {
      std::array<Member::Output, 2> output;
      for (std::size_t i = 0; i < 2; ++i) {
        output[i] = side[i].member->take_output(now);
        if (output[i].facts) side[i].facts = *output[i].facts;
        if (output[i].release) ++side[i].releases;
        if (output[i].claim) side[i].claims.push_back(*output[i].claim);
      }
      bool quiet = true;
      for (std::size_t i = 0; i < 2; ++i) {
        if (output[i].session_octets.empty() || !connected || cut) continue;
        quiet = false;
        side[1 - i].member->session_data(now, output[i].session_octets);
      }
      if (output[0].drop_session || output[1].drop_session) {
        quiet = false;
        connected = !output[0].refused && !output[1].refused;
        for (Side& s : side) s.member->session_down(now);
        for (Side& s : side) {
          if (connected) s.member->session_up(now);
        }
      }
      if (quiet) return;
    }
    FAIL("the members never fall silent");
  }
  void pass(Duration time) {
    now += time;
    for (Side& s : side) s.card->set_now(to_ns(now));
    for (Side& s : side) s.member->timers(now);
    pump();
  }
  // Time enough for a planned takeover: the old active looks twice whether its card has gone through its wires.
  void settle() {
    pump();
    for (int look = 0; look < 3; ++look) pass(milliseconds(10));
  }
  // The first one, active, hands over; the order is lost, as from just before it the session carries nothing.
  void lose_handover() {
    settle();
    REQUIRE(b().in_sync());
    REQUIRE(a().take_over(now).ok());
    pump();
    cut = true;
    for (int look = 0; look < 3; ++look) pass(milliseconds(10));
    REQUIRE(a().role() == Role::kStandby);
  }
  // The next frame that a member put out of its card; empty: none.
  Bytes injected(std::size_t i) {
    std::array<std::uint8_t, card::kBufferOctets> buffer{};
    card::Packet packet{};
    packet.data = buffer.data() + card::kHeadroom;
    return side[i].card->process_injected(&packet, 1) == 0 ? Bytes{} : Bytes(packet.data, packet.data + packet.octets);
  }
  Member& a() { return *side[0].member; }
  Member& b() { return *side[1].member; }

  TimePoint now = from_ns(1'000'000'000);
  bool connected = false;
  bool cut = false;   // the session carries nothing
  bool deaf = false;  // for heartbeats, since last_heard
  TimePoint last_heard = now;
  TimePoint missed = TimePoint::min();  // when a heartbeat thread slept last
  std::array<bool, 2> eligible{};
  std::array<bool, 2> ungranted{};  // whose view lacks the partner's grant
  std::array<MemberConfig, 2> config;
  std::array<Side, 2> side;
};

}  // namespace tandem::ha::test
