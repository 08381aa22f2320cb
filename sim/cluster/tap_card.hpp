// SPDX-License-Identifier: Apache-2.0
// A card with an observer between host and driver: it knows which key an SPI has, what a takeover writes (N5), and is
// the seam at which mutants break the card's rules. Everything goes on to the in-process card.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "driver/inproc/inproc_card.hpp"
#include "sim/cluster/checker/keys.hpp"
#include "sim/cluster/fault/steps.hpp"
#include "sim/cluster/mutant.hpp"

namespace tandem::sim {

class TapCard final : public driver::Card {
 public:
  // `steps`: counts the host's writes; null for a card whose host never dies.
  TapCard(std::unique_ptr<driver::InprocCard> inner, KeyTable& keys, Steps* steps, Mutant mutant);

  driver::InprocCard& inner() { return *inner_; }
  // Where the mutant that keeps its first incarnation keeps it, over the lives of cards.
  void remember_in(std::uint16_t& first_incarnation) { first_incarnation_ = &first_incarnation; }

  // Called when activation or lease has changed.
  std::function<void()> on_right;

  // --- what the observer saw
  struct Step {
    unsigned writes_before_activation = 0;  // to single SAs
    unsigned activations = 0;               // armed
    bool cleared = false;
  };
  void begin_step() { step_ = {}; }
  const Step& step() const { return step_; }
  // The key that packets to `target` (outer IPv4) under `spi` are sealed with; 0: none known. Peers choose SPIs without
  // asking each other, so the SPI alone names no key.
  KeyId key_out(std::uint32_t target, std::uint32_t spi) const;
  std::size_t installed() const { return installed_.size(); }
  // The lease as the host meant it.
  std::uint64_t meant_lease_ns() const { return meant_lease_ns_; }

  // An event that the card did not raise, for a mutant.
  void forge(const card::Event& event) { forged_ = event; }

  // --- driver::Card
  driver::CardInfo info() const override { return inner_->info(); }
  std::uint64_t now_ns() const override { return inner_->now_ns(); }
  void activate(std::uint32_t epoch, std::uint16_t incarnation, bool armed, bool solo) override;
  std::uint64_t activation() const override { return inner_->activation(); }
  void renew_lease(std::uint64_t deadline_ns) override;
  std::uint64_t lease_deadline_ns() const override { return inner_->lease_deadline_ns(); }
  void hold_wires(std::uint64_t deadline_ns) override { inner_->hold_wires(deadline_ns); }
  void set_grant(std::uint32_t numbers) override { inner_->set_grant(numbers); }
  driver::CardResult<> configure(const card::CardConfig& config) override { return inner_->configure(config); }
  driver::CardResult<> install_outbound(std::uint32_t index, const card::OutboundPolicy& policy,
                                        const card::Credit& credit) override;
  driver::CardResult<> install_inbound(std::uint32_t index, const card::InboundPolicy& policy,
                                       const card::Credit& credit) override;
  driver::CardResult<> remove_outbound(std::uint32_t index) override;
  driver::CardResult<> remove_inbound(std::uint32_t index) override;
  driver::CardResult<> set_outbound_credit(std::uint32_t index, const card::Credit& credit) override;
  driver::CardResult<> set_inbound_credit(std::uint32_t index, const card::Credit& credit) override;
  driver::CardResult<card::OutboundState> outbound_state(std::uint32_t index) const override {
    return inner_->outbound_state(index);
  }
  driver::CardResult<card::InboundState> inbound_state(std::uint32_t index) const override {
    return inner_->inbound_state(index);
  }
  driver::CardResult<> set_route(std::uint32_t route, std::uint64_t value) override;
  driver::CardResult<> add_flow(const card::FlowKey& key, card::FlowAction action, std::uint32_t route) override {
    return inner_->add_flow(key, action, route);
  }
  void remove_flow(const card::FlowKey& key) override { inner_->remove_flow(key); }
  void flush_flows() override { inner_->flush_flows(); }
  driver::CardResult<> set_next_hop(card::Port port, std::uint8_t family, const card::Address& address,
                                    std::span<const std::uint8_t, 6> mac) override {
    return inner_->set_next_hop(port, family, address, mac);
  }
  void remove_next_hop(card::Port port, std::uint8_t family, const card::Address& address) override {
    inner_->remove_next_hop(port, family, address);
  }
  driver::CardResult<> clear() override;
  std::size_t take_events(std::span<card::Event> events) override;
  std::size_t take_punts(std::size_t max, void (*visit)(void* context, const driver::PuntView& punt),
                         void* context) override {
    return inner_->take_punts(max, visit, context);
  }
  driver::CardResult<> inject(card::InjectKind kind, card::Port port, std::span<const std::uint8_t> packet) override {
    return inner_->inject(kind, port, packet);
  }
  driver::CardResult<> inject_on_route(std::uint32_t route, std::span<const std::uint8_t> packet) override {
    return inner_->inject_on_route(route, packet);
  }
  driver::CardResult<> settle() override { return inner_->settle(); }
  std::optional<std::uint16_t> outbound_mtu(std::uint32_t index) const override { return inner_->outbound_mtu(index); }
  std::uint64_t counter(card::Counter counter) const override { return inner_->counter(counter); }
  int notify_fd() const override { return -1; }
  void acknowledge_notify() override {}
  driver::CardResult<> health() const override { return inner_->health(); }

 private:
  void count_step() {
    if (steps_ != nullptr) steps_->step();
  }
  // Of a single SA.
  void note_write() {
    count_step();
    if (step_.activations == 0) ++step_.writes_before_activation;
  }
  card::Credit out_credit(card::Credit credit) const;
  card::Credit in_credit(card::Credit credit) const;

  std::unique_ptr<driver::InprocCard> inner_;
  KeyTable& keys_;
  Steps* steps_;
  Mutant mutant_;
  Step step_;
  struct Outbound {
    std::uint32_t target;
    std::uint32_t spi;
    KeyId key;
  };
  std::map<std::uint32_t, Outbound> outbound_;  // by slot
  // Target and SPI -> key. What was sealed may wait for its next hop until after its SA is gone.
  std::map<std::pair<std::uint32_t, std::uint32_t>, KeyId> removed_;
  std::set<std::uint32_t> installed_;  // slots with an inbound SA
  std::uint64_t meant_lease_ns_ = 0;
  std::optional<card::Event> forged_;
  std::uint32_t first_epoch_ = 0;
  std::uint16_t own_first_incarnation_ = 0;
  std::uint16_t* first_incarnation_ = &own_first_incarnation_;
};

}  // namespace tandem::sim
