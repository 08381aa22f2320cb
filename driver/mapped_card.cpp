// SPDX-License-Identifier: Apache-2.0
// Registers, port configuration and SA entries of a mapped card. RFC 4301 4.4.2.1; serves N1, N2, N3, N5, N7.
#include "driver/mapped_card.hpp"

#include <string.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <type_traits>
#include <utility>

#include "driver/atomic_field.hpp"

namespace tandem::driver {
namespace {

// How long a commit waits for the card to finish a batch: yields first (a batch is some 50 us), then naps,
// as the card may have lost its core. Some 50 ms in all; longer means that it is stopped.
constexpr int kAwaitYields = 2000;
constexpr int kAwaitNaps = 300;
constexpr std::chrono::microseconds kAwaitNap{100};

constexpr std::uint32_t kEthernetOctets = 14;
constexpr std::uint16_t kSaFlagsKnown = card::kSaValid | card::kSaEsn | card::kSaUdp | card::kSaKey256 |
                                        card::kSaOuterIpv6 | card::kSaDfSet | card::kSaDfClear | card::kSaDscpFixed |
                                        card::kSaFollowPeer;

Failure<CardError> fail(CardErrc code, std::string text) { return {CardError{code, std::move(text)}}; }

Failure<CardError> hung() {
  return fail(CardErrc::kIo,
              "the card does not finish its current batch (stopped or starved); try again or restart it");
}

template <typename T>
bool all_zero(const T& object) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto* octets = reinterpret_cast<const std::uint8_t*>(&object);
  std::uint8_t seen = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    seen = static_cast<std::uint8_t>(seen | octets[i]);
  }
  return seen == 0;
}

CardResult<> check_flags(std::uint16_t flags) {
  if ((flags & card::kSaTransport) != 0) {
    return fail(CardErrc::kInvalid, "transport mode is not in this contract version");
  }
  if ((flags & ~kSaFlagsKnown) != 0) {
    return fail(CardErrc::kInvalid, "SA flags that this contract version does not know");
  }
  if ((flags & card::kSaDfSet) != 0 && (flags & card::kSaDfClear) != 0) {
    return fail(CardErrc::kInvalid, "outer DF cannot be set and clear at once");
  }
  return {};
}

CardResult<> check_policy(const card::OutboundPolicy& policy) { return check_flags(policy.flags); }

CardResult<> check_policy(const card::InboundPolicy& policy) {
  if (policy.window < card::kReplayWindowMin || policy.window > card::kReplayWindowMax ||
      (policy.window & (policy.window - 1)) != 0) {
    return fail(CardErrc::kInvalid, "the replay window must be a power of two from 64 to 4096");
  }
  if (policy.selector_count > card::kSelectorsMax) {
    return fail(CardErrc::kInvalid, "more selectors than an entry holds");
  }
  for (std::uint32_t i = 0; i < policy.selector_count; ++i) {
    const std::uint8_t family = policy.selectors[i].family;
    if (family != card::kFamilyIpv4 && family != card::kFamilyIpv6) {
      return fail(CardErrc::kInvalid, "a selector's family is neither IPv4 nor IPv6");
    }
  }
  return check_flags(policy.flags);
}

}  // namespace

std::string_view to_string(CardErrc code) {
  switch (code) {
    case CardErrc::kBusy:
      return "busy";
    case CardErrc::kGone:
      return "gone";
    case CardErrc::kNotFound:
      return "not found";
    case CardErrc::kWrongVersion:
      return "wrong version";
    case CardErrc::kBadIndex:
      return "bad index";
    case CardErrc::kTableFull:
      return "table full";
    case CardErrc::kRingFull:
      return "ring full";
    case CardErrc::kTooLarge:
      return "too large";
    case CardErrc::kInvalid:
      return "invalid";
    case CardErrc::kIo:
      return "io";
  }
  return "unknown";
}

MappedCard::MappedCard(card::CardMemory* memory, std::uint32_t slots, std::string name, bool blank)
    : memory_(memory),
      slots_(slots),
      name_(std::move(name)),
      config_commit_batch_(batch_after_fence()),
      table_free_batch_(config_commit_batch_),
      flow_hands_(card::kFlowBuckets),
      next_hop_hands_(card::kNextHopBuckets),
      flows_touched_(card::kFlowBuckets, !blank),
      next_hops_touched_(card::kNextHopBuckets, !blank),
      routes_touched_(card::kRoutes / kRouteGroup, !blank),
      events_consumed_(load_field(memory->event_index.consumed)),
      punts_consumed_(load_field(memory->punt_index.consumed)),
      injects_produced_(load_field(memory->inject_index.produced)),
      punt_copy_{} {
  TANDEM_ASSERT(slots >= 1 && slots <= card::kSaSlotsMax);
  // A host before this one may have committed anything up to this very batch.
  outbound_commit_batch_.assign(slots, config_commit_batch_);
  inbound_commit_batch_.assign(slots, config_commit_batch_);
}

void MappedCard::fetch(const void* from, std::size_t octets) const {
  static_cast<void>(from);
  static_cast<void>(octets);
}

void MappedCard::publish(const void* from, std::size_t octets) {
  static_cast<void>(from);
  static_cast<void>(octets);
}

// The order of sa_entry.hpp: a card that reads in between sees less credit than it has, never more.
void MappedCard::put_credit(card::Credit& target, const card::Credit& credit) {
  store_field(target.notify_at, credit.notify_at, std::memory_order_relaxed);
  store_field(target.floor, credit.floor, std::memory_order_relaxed);
  store_field(target.epoch, credit.epoch, std::memory_order_release);
  store_field(target.limit, credit.limit, std::memory_order_release);
  publish(&target, sizeof(target));
}

CardInfo MappedCard::info() const {
  static constexpr char kHex[] = "0123456789abcdef";
  const card::Registers& registers = memory_->registers;
  std::string build_id;
  for (const std::uint8_t octet : registers.build_id) {
    build_id.push_back(kHex[octet >> 4]);
    build_id.push_back(kHex[octet & 15]);
  }
  return {.driver = card::DriverKind::kSoft,
          .name = name_,
          .contract_version = registers.contract_version,
          .build_id = std::move(build_id),
          .slots = slots_,
          .simulated = registers.simulated != 0};
}

void MappedCard::activate(std::uint32_t epoch, std::uint16_t incarnation, bool armed, bool solo) {
  put(memory_->registers.activation, card::make_activation(epoch, incarnation, armed, solo));
}

std::uint64_t MappedCard::activation() const { return load_field(memory_->registers.activation); }

void MappedCard::renew_lease(std::uint64_t deadline_ns) { put(memory_->registers.lease_deadline_ns, deadline_ns); }

std::uint64_t MappedCard::lease_deadline_ns() const { return load_field(memory_->registers.lease_deadline_ns); }

void MappedCard::hold_wires(std::uint64_t deadline_ns) { put(memory_->registers.hold_deadline_ns, deadline_ns); }

void MappedCard::set_grant(std::uint32_t numbers) { put(memory_->registers.grant, numbers); }

CardResult<> MappedCard::configure(const card::CardConfig& config) {
  card::Registers& registers = memory_->registers;
  const std::uint32_t generation = load_field(registers.config_generation);
  const card::CardConfig& live = registers.config[generation & 1];
  card::CardConfig next = config;
  for (std::uint32_t i = 0; i < card::kPorts; ++i) {
    card::PortConfig& port = next.ports[i];
    if (port.address_count > card::kPortAddressesMax) {
      return fail(CardErrc::kInvalid, "more addresses than a port holds");
    }
    for (std::uint32_t a = 0; a < port.address_count; ++a) {
      if (port.families[a] != card::kFamilyIpv4 && port.families[a] != card::kFamilyIpv6) {
        return fail(CardErrc::kInvalid, "a port address is neither IPv4 nor IPv6");
      }
    }
    if (port.mtu > card::kFrameMax - kEthernetOctets) {
      return fail(CardErrc::kInvalid, "port MTU above what a frame buffer holds");
    }
    if (all_zero(port.mac)) {
      std::memcpy(port.mac, live.ports[i].mac, sizeof(port.mac));
    }
    if (port.mtu == 0) {
      port.mtu = live.ports[i].mtu;
    }
  }
  if (!await_batch(config_commit_batch_)) {
    return hung();
  }
  card::CardConfig& spare = registers.config[(generation + 1) & 1];
  std::memcpy(&spare, &next, sizeof(next));
  publish(&spare, sizeof(spare));
  put(registers.config_generation, generation + 1);
  config_commit_batch_ = batch_after_fence();
  return {};
}

template <typename Slot, typename Policy>
CardResult<> MappedCard::commit(Slot& slot, std::uint64_t& commit_batch, const Policy& policy) {
  if (!await_batch(commit_batch)) {
    return hung();
  }
  const std::uint32_t generation = load_field(slot.generation);
  Policy& spare = slot.policy[(generation + 1) & 1];
  std::memcpy(&spare, &policy, sizeof(policy));
  publish(&spare, sizeof(spare));
  put(slot.generation, generation + 1);
  commit_batch = batch_after_fence();
  return {};
}

template <typename Slot>
CardResult<> MappedCard::take_out(Slot& slot, std::uint64_t& commit_batch) {
  auto& live = slot.policy[load_field(slot.generation) & 1];
  if (all_zero(live)) {
    return {};
  }
  const std::remove_reference_t<decltype(live)> empty{};
  if (auto done = commit(slot, commit_batch, empty); !done) {
    return done;
  }
  put(slot.credit.limit, std::uint64_t{0});
  return {};
}

template <typename Slot>
CardResult<> MappedCard::wipe_spare(Slot& slot, std::uint64_t& commit_batch) {
  auto& spare = slot.policy[(load_field(slot.generation) + 1) & 1];
  if (all_zero(spare)) {
    return {};
  }
  // A key that a running batch may still read must not turn into zeros under it.
  if (!await_batch(commit_batch)) {
    return hung();
  }
  ::explicit_bzero(&spare, sizeof(spare));
  publish(&spare, sizeof(spare));
  return {};
}

template <typename Slot, typename Policy>
CardResult<> MappedCard::install(Slot& slot, std::uint64_t& commit_batch, Policy policy, const card::Credit& credit) {
  CardResult<> result = check_policy(policy);
  if (result) {
    const Policy& live = slot.policy[load_field(slot.generation) & 1];
    if ((live.flags & card::kSaValid) != 0 && live.instance != policy.instance) {
      result = take_out(slot, commit_batch);
      if (result) {
        result = wipe_spare(slot, commit_batch);
      }
    }
  }
  // A stopped card must leave the live SA's credit as it was: find out before writing it.
  if (result && !await_batch(commit_batch)) {
    result = hung();
  }
  if (result) {
    policy.flags = static_cast<std::uint16_t>(policy.flags | card::kSaValid);
    put_credit(slot.credit, credit);
    result = commit(slot, commit_batch, policy);
  }
  ::explicit_bzero(&policy, sizeof(policy));
  return result;
}

CardResult<> MappedCard::install_outbound(std::uint32_t index, const card::OutboundPolicy& policy,
                                          const card::Credit& credit) {
  if (auto checked = check_index(index); !checked) {
    return checked;
  }
  return install(outbound(index), outbound_commit_batch_[index], policy, credit);
}

CardResult<> MappedCard::install_inbound(std::uint32_t index, const card::InboundPolicy& policy,
                                         const card::Credit& credit) {
  if (auto checked = check_index(index); !checked) {
    return checked;
  }
  return install(inbound(index), inbound_commit_batch_[index], policy, credit);
}

CardResult<> MappedCard::remove_outbound(std::uint32_t index) {
  if (auto checked = check_index(index); !checked) {
    return checked;
  }
  if (auto done = take_out(outbound(index), outbound_commit_batch_[index]); !done) {
    return done;
  }
  return wipe_spare(outbound(index), outbound_commit_batch_[index]);
}

CardResult<> MappedCard::remove_inbound(std::uint32_t index) {
  if (auto checked = check_index(index); !checked) {
    return checked;
  }
  if (auto done = take_out(inbound(index), inbound_commit_batch_[index]); !done) {
    return done;
  }
  return wipe_spare(inbound(index), inbound_commit_batch_[index]);
}

CardResult<> MappedCard::set_outbound_credit(std::uint32_t index, const card::Credit& credit) {
  auto checked = check_index(index);
  if (checked) {
    put_credit(outbound(index).credit, credit);
  }
  return checked;
}

CardResult<> MappedCard::set_inbound_credit(std::uint32_t index, const card::Credit& credit) {
  auto checked = check_index(index);
  if (checked) {
    put_credit(inbound(index).credit, credit);
  }
  return checked;
}

CardResult<card::OutboundState> MappedCard::outbound_state(std::uint32_t index) const {
  if (auto checked = check_index(index); !checked) {
    return Failure<CardError>{checked.error()};
  }
  const card::OutboundState& live = outbound(index).state;
  fetch(&live, sizeof(live));
  card::OutboundState copy{};
  copy.instance = load_field(live.instance);
  copy.epoch = load_field(live.epoch);
  copy.next_sequence = load_field(live.next_sequence);
  copy.iv_counter = load_field(live.iv_counter);
  copy.packets = load_field(live.packets);
  copy.octets = load_field(live.octets);
  copy.notified_at = load_field(live.notified_at);
  copy.raised = load_field(live.raised);
  copy.last_used_ns = load_field(live.last_used_ns);
  return copy;
}

CardResult<card::InboundState> MappedCard::inbound_state(std::uint32_t index) const {
  if (auto checked = check_index(index); !checked) {
    return Failure<CardError>{checked.error()};
  }
  const card::InboundState& live = inbound(index).state;
  fetch(&live, sizeof(live));
  card::InboundState copy{};
  copy.instance = load_field(live.instance);
  copy.epoch = load_field(live.epoch);
  copy.right_edge = load_field(live.right_edge);
  copy.packets = load_field(live.packets);
  copy.octets = load_field(live.octets);
  copy.notified_at = load_field(live.notified_at);
  copy.raised = load_field(live.raised);
  copy.peer_changes = load_field(live.peer_changes);
  for (std::size_t i = 0; i < sizeof(copy.peer.octets); ++i) {
    copy.peer.octets[i] = load_field(live.peer.octets[i], std::memory_order_relaxed);
  }
  copy.peer_port = load_field(live.peer_port);
  copy.auth_failures = load_field(live.auth_failures);
  copy.last_used_ns = load_field(live.last_used_ns);
  copy.replays = load_field(live.replays);
  copy.selector_mismatches = load_field(live.selector_mismatches);
  for (std::uint32_t i = 0; i < card::kReplayWords; ++i) {
    copy.seen[i] = load_field(live.seen[i], std::memory_order_relaxed);
  }
  return copy;
}

CardResult<> MappedCard::clear() {
  const std::uint64_t word = activation();
  activate(card::activation_epoch(word), card::activation_incarnation(word), false, false);
  renew_lease(0);
  flush_flows();
  routes_touched_.drain([this](std::uint32_t group) {
    for (std::uint32_t i = 0; i < kRouteGroup; ++i) {
      store_field(memory_->routes[group * kRouteGroup + i], std::uint64_t{0});
    }
  });
  publish(memory_->routes, sizeof(memory_->routes));
  next_hops_touched_.drain([this](std::uint32_t bucket) {
    for (std::uint32_t way = 0; way < card::kNextHopWays; ++way) {
      store_field(memory_->next_hops[bucket * card::kNextHopWays + way].valid, std::uint32_t{0});
    }
  });
  publish(memory_->next_hops, sizeof(memory_->next_hops));
  table_free_batch_ = batch_after_fence();
  // All entries out first, then all keys: one batch of waiting for the whole table. A failed slot does not
  // keep the others' keys alive.
  CardResult<> result;
  auto keep_first = [&result](CardResult<> step) {
    if (result && !step) {
      result = std::move(step);
    }
  };
  for (std::uint32_t i = 0; i < slots_; ++i) {
    keep_first(take_out(outbound(i), outbound_commit_batch_[i]));
    keep_first(take_out(inbound(i), inbound_commit_batch_[i]));
    if (!result) {
      break;  // the card hangs: every further slot would only wait again
    }
  }
  for (std::uint32_t i = 0; i < slots_ && result; ++i) {
    keep_first(wipe_spare(outbound(i), outbound_commit_batch_[i]));
    keep_first(wipe_spare(inbound(i), inbound_commit_batch_[i]));
  }
  return result;
}

std::uint64_t MappedCard::counter(card::Counter counter) const {
  const auto index = static_cast<std::uint32_t>(counter);
  return index < card::kCounters ? get(memory_->registers.counters[index]) : 0;
}

CardResult<> MappedCard::health() const {
  if (ring_fault_) {
    return fail(CardErrc::kIo, name_ + ": the card wrote an impossible ring index; restart it");
  }
  return {};
}

card::OutboundSlot& MappedCard::outbound(std::uint32_t index) const {
  auto* base = reinterpret_cast<std::uint8_t*>(memory_);
  return reinterpret_cast<card::OutboundSlot*>(base + card::outbound_offset())[index];
}

card::InboundSlot& MappedCard::inbound(std::uint32_t index) const {
  auto* base = reinterpret_cast<std::uint8_t*>(memory_);
  return reinterpret_cast<card::InboundSlot*>(base + card::inbound_offset(slots_))[index];
}

CardResult<> MappedCard::check_index(std::uint32_t index) const {
  if (index >= slots_) {
    return fail(CardErrc::kBadIndex,
                "SA slot " + std::to_string(index) + " of a card with " + std::to_string(slots_) + " slots");
  }
  return {};
}

// The fence pairs with the card's between "not idle" and its first table read: either the card sees the
// store before this call, or this side sees that batch.
std::uint64_t MappedCard::batch_after_fence() const {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return get(memory_->registers.batch_count);
}

bool MappedCard::batch_over(std::uint64_t since) const {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return get(memory_->registers.idle) == 1 || card::batches_over(since, load_field(memory_->registers.batch_count));
}

CardResult<> MappedCard::settle() {
  if (!await_batch(batch_after_fence())) {
    return hung();
  }
  return {};
}

std::optional<std::uint16_t> MappedCard::outbound_mtu(std::uint32_t index) const {
  if (index >= slots_) {
    return std::nullopt;
  }
  const card::OutboundSlot& slot = outbound(index);
  const card::OutboundPolicy& live = slot.policy[load_field(slot.generation) & 1];
  if ((live.flags & card::kSaValid) == 0) {
    return std::nullopt;
  }
  return live.inner_mtu;
}

bool MappedCard::await_batch(std::uint64_t since) const {
  for (int i = 0; i < kAwaitYields; ++i) {
    if (batch_over(since)) {
      return true;
    }
    std::this_thread::yield();
  }
  for (int i = 0; i < kAwaitNaps; ++i) {
    if (batch_over(since)) {
      return true;
    }
    std::this_thread::sleep_for(kAwaitNap);
  }
  return batch_over(since);
}

}  // namespace tandem::driver
