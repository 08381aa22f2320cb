// SPDX-License-Identifier: Apache-2.0
// A peer of the cluster: an ordinary gateway with one IKE core and one card, no partner, no ledger. It calls the
// cluster, keeps its SA up, and notices only by liveness when the other side forgot it.
#pragma once

#include "host/sad/slow_path.hpp"
#include "sim/cluster/card_runner.hpp"
#include "sim/cluster/environment.hpp"

namespace tandem::sim {

class Peer final : public PeerPort, private ike::ChildSlots {
 public:
  Peer(Environment& environment, std::size_t number, std::uint64_t seed);

  void start();
  // A packet of its host.
  void send_traffic(std::uint64_t number);
  std::function<void(std::uint64_t number)> on_delivered;
  void rekey_child();
  void rekey_ike();
  void reconnect();
  // Of a peer that is itself a cluster: its other member takes over.
  void jump(std::uint64_t pick);
  // One act of a hostile peer: something that it sent before, changed or as it was, or a wish at a bad moment.
  void misbehave(Dice& dice);
  bool hostile() const { return temperament_ == Temperament::kHostile; }
  Temperament temperament() const { return temperament_; }
  std::size_t on_card() const { return card_.installed(); }

  const ike::Core& core() const { return core_; }
  const std::string& name() const { return name_; }
  std::size_t number() const { return number_; }
  // IKE SAs asked for so far, by authentication or by a ticket.
  unsigned connects() const { return connects_; }

  void frame(ByteView frame) override;
  void ike_datagram(const ike::Datagram& datagram) override;

 private:
  std::optional<ike::ChildSlot> allocate() override;
  void release(std::uint32_t spi) override { sad_.slots().release(spi); }
  std::optional<std::uint32_t> allocate_route() override { return sad_.allocate_route(); }

  void apply(ike::Step step);
  void install(const ike::IkeSaState& state);
  // The outbound number of an SA rises by `delta` (RFC 6311 5.2).
  void raise_outbound(std::uint32_t spi_in, std::uint64_t delta);
  void remove(ike::LocalSpi owner, const std::set<std::uint32_t>& keep);
  void emit(card::Port port, ByteView frame);
  void look_at_card();
  void scan();
  void arm();
  std::optional<ike::LocalSpi> sa() const;

  Environment& env_;
  std::size_t number_;
  Temperament temperament_;
  std::string name_;
  SeededRandom random_;
  StoryLog log_;
  TapCard card_;
  sad::Sad sad_;
  sad::SlowPath slow_path_;
  ike::Core core_;
  CardRunner runner_;
  std::map<std::uint32_t, ike::LocalSpi> owners_;
  std::map<std::uint32_t, std::uint64_t> packets_;
  TimePoint timer_at_ = kNever;
  unsigned connects_ = 0;
  std::uint32_t epoch_ = 1;
  std::deque<ike::Datagram> sent_;  // by a hostile one
};

}  // namespace tandem::sim
