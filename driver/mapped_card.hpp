// SPDX-License-Identifier: Apache-2.0
// All of Card's table, ring and register logic over a mapped CardMemory block; soft/ and inproc/ add where
// the memory, the clock and the doorbell come from. RFC 4301 4.4; serves N1 (wiped keys), N2/N3 (credit
// order), N5 (one activation store), N7 (lease).
//
// The other side of the block runs at the same time, perhaps in another process: every index read from it
// is bounded, every packet is copied before it is looked at, and a copy that a running batch may still read
// is never rewritten.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "driver/atomic_field.hpp"
#include "driver/card.hpp"
#include "driver/touched.hpp"

namespace tandem::driver {

// Not thread-safe except activate(), activation() and renew_lease() (one other thread).
class MappedCard : public Card {
 public:
  CardInfo info() const override;

  void activate(std::uint32_t epoch, std::uint16_t incarnation, bool armed, bool solo) override;
  std::uint64_t activation() const override;
  void renew_lease(std::uint64_t deadline_ns) override;
  std::uint64_t lease_deadline_ns() const override;
  void hold_wires(std::uint64_t deadline_ns) override;
  void set_grant(std::uint32_t numbers) override;

  // A port whose MAC is all zero or whose MTU is 0 keeps what the card has (the soft card starts with its
  // interface's own). Error kInvalid: too many addresses, an unknown family, an MTU above kFrameMax - 14.
  CardResult<> configure(const card::CardConfig& config) override;

  // kSaValid is set in the copy whatever `policy.flags` says. A live SA of another instance is taken out and
  // wiped first, so that neither the old SA ever runs on the new credit nor its key stays behind.
  // Errors: kBadIndex; kInvalid; kIo when the card does not finish the batch that may read the spare copy.
  CardResult<> install_outbound(std::uint32_t index, const card::OutboundPolicy& policy,
                                const card::Credit& credit) override;
  CardResult<> install_inbound(std::uint32_t index, const card::InboundPolicy& policy,
                               const card::Credit& credit) override;
  // Error kIo: the entry may be out already but its key is not wiped yet, as the card hangs in a batch that
  // may read it; calling again finishes the work.
  CardResult<> remove_outbound(std::uint32_t index) override;
  CardResult<> remove_inbound(std::uint32_t index) override;
  CardResult<> set_outbound_credit(std::uint32_t index, const card::Credit& credit) override;
  CardResult<> set_inbound_credit(std::uint32_t index, const card::Credit& credit) override;
  CardResult<card::OutboundState> outbound_state(std::uint32_t index) const override;
  CardResult<card::InboundState> inbound_state(std::uint32_t index) const override;

  CardResult<> set_route(std::uint32_t route, std::uint64_t value) override;
  // A replaced entry is served by its old version until the new one is complete.
  CardResult<> add_flow(const card::FlowKey& key, card::FlowAction action, std::uint32_t route) override;
  void remove_flow(const card::FlowKey& key) override;
  void flush_flows() override;
  CardResult<> set_next_hop(card::Port port, std::uint8_t family, const card::Address& address,
                            std::span<const std::uint8_t, 6> mac) override;
  void remove_next_hop(card::Port port, std::uint8_t family, const card::Address& address) override;

  // Disarms (epoch and incarnation stay readable) and ends the lease before it touches a table.
  CardResult<> clear() override;

  std::size_t take_events(std::span<card::Event> events) override;
  std::size_t take_punts(std::size_t max, void (*visit)(void* context, const PuntView& punt), void* context) override;
  CardResult<> inject(card::InjectKind kind, card::Port port, std::span<const std::uint8_t> packet) override;
  CardResult<> inject_on_route(std::uint32_t route, std::span<const std::uint8_t> packet) override;
  CardResult<> settle() override;
  std::optional<std::uint16_t> outbound_mtu(std::uint32_t index) const override;

  std::uint64_t counter(card::Counter counter) const override;

  int notify_fd() const override { return -1; }
  void acknowledge_notify() override {}
  // Error kIo, for good, once the card has shown a ring index that no working card writes.
  CardResult<> health() const override;

 protected:
  // `memory`: memory_octets(slots) octets that outlive this object, already checked for magic and version.
  // `slots` <= kSaSlotsMax is taken from here and never read from the memory again.
  // `blank`: the tables are known to be all zero, so that emptying them need not walk them.
  MappedCard(card::CardMemory* memory, std::uint32_t slots, std::string name, bool blank = false);

  // Called after a record went into the inject ring.
  virtual void ring_doorbell() {}

  // Where the mapping is a copy of the card's memory and not that memory itself (a DMA card), these move octets:
  // `fetch` brings what the card owns before it is read, `publish` takes what the host owns to the card after it was
  // written and returns when it is there. What the host owns is never fetched: its copy is the truth.
  // publish() may be called by the lease thread for registers beside any other call.
  virtual void fetch(const void* from, std::size_t octets) const;
  virtual void publish(const void* from, std::size_t octets);

 private:
  CardResult<> put_inject(card::InjectKind kind, card::Port port, std::uint32_t route,
                          std::span<const std::uint8_t> packet);
  template <typename Slot, typename Policy>
  CardResult<> install(Slot& slot, std::uint64_t& commit_batch, Policy policy, const card::Credit& credit);
  template <typename Slot, typename Policy>
  CardResult<> commit(Slot& slot, std::uint64_t& commit_batch, const Policy& policy);
  template <typename Slot>
  CardResult<> take_out(Slot& slot, std::uint64_t& commit_batch);
  template <typename Slot>
  CardResult<> wipe_spare(Slot& slot, std::uint64_t& commit_batch);
  template <typename Entry, typename Match, typename Fill>
  CardResult<> place(Entry* ways, std::uint32_t count, std::uint8_t& hand, Match match, Fill fill);

  // A field that the card writes.
  template <typename T>
  T get(const T& field) const {
    fetch(&field, sizeof(field));
    return load_field(field);
  }
  // A field that the host writes.
  template <typename T>
  void put(T& field, T value) {
    store_field(field, value);
    publish(&field, sizeof(field));
  }
  void put_credit(card::Credit& target, const card::Credit& credit);
  card::OutboundSlot& outbound(std::uint32_t index) const;
  card::InboundSlot& inbound(std::uint32_t index) const;
  CardResult<> check_index(std::uint32_t index) const;
  std::uint64_t batch_after_fence() const;
  bool batch_over(std::uint64_t since) const;
  bool await_batch(std::uint64_t since) const;
  std::uint32_t ring_waiting(std::uint64_t produced, std::uint64_t consumed, std::uint32_t size);

  card::CardMemory* memory_;
  std::uint32_t slots_;
  std::string name_;
  // The card's batch count at the last commit of each entry: once it has moved on, no batch reads the copy
  // that was live before.
  std::vector<std::uint64_t> outbound_commit_batch_;
  std::vector<std::uint64_t> inbound_commit_batch_;
  std::uint64_t config_commit_batch_;
  std::uint64_t table_free_batch_;  // of the last flow or next hop taken out
  // Where the search for an idle way goes on, a bucket each.
  std::vector<std::uint8_t> flow_hands_;
  std::vector<std::uint8_t> next_hop_hands_;
  // What clear() and flush_flows() must empty.
  static constexpr std::uint32_t kRouteGroup = 64;
  Touched flows_touched_;
  Touched next_hops_touched_;
  Touched routes_touched_;
  // Own copies of the indices that this side writes: the card cannot move them.
  std::uint64_t events_consumed_;
  std::uint64_t punts_consumed_;
  std::uint64_t injects_produced_;
  bool ring_fault_ = false;
  std::array<std::uint8_t, card::kFrameMax> punt_copy_;
};

}  // namespace tandem::driver
