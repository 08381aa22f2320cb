// SPDX-License-Identifier: Apache-2.0
// Host and card at the same time: a commit is seen whole or not at all.
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "rig.hpp"

using namespace tandem::card;
using namespace tandem::card::test;

namespace {

// Writes as the contract demands: the copy that was live until the last commit only once the card moved on.
void commit_forever(Rig& rig, const OutboundPolicy (&policies)[2], const std::atomic<bool>& stop) {
  OutboundSlot& slot = rig.outbound(0);
  Registers& registers = rig.registers();
  for (std::uint32_t i = 0; !stop; ++i) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const std::uint64_t batch = __atomic_load_n(&registers.batch_count, __ATOMIC_ACQUIRE);
    while (!stop && __atomic_load_n(&registers.idle, __ATOMIC_ACQUIRE) == 0 &&
           __atomic_load_n(&registers.batch_count, __ATOMIC_ACQUIRE) == batch) {
    }
    const std::uint32_t next = slot.generation + 1;
    slot.policy[next & 1u] = policies[i & 1u];
    __atomic_store_n(&slot.generation, next, __ATOMIC_RELEASE);
  }
}

}  // namespace

TEST_CASE("an SA that is taken out amid a batch seals nothing by a key that is wiped", "[N1]") {
  Rig left(true);
  Rig right(false);
  right.add_inbound(0);
  left.add_outbound(0);
  OutboundSlot& slot = left.outbound(0);
  const std::vector<Octets> frames(kBatchMax, left.inner_frame(0));
  std::uint64_t sealed_total = 0;
  std::uint32_t cut_batches = 0;
  for (std::uint32_t round = 0; round < 400 || (cut_batches == 0 && round < 20000); ++round) {
    // The spare copy is all zero, as a removal writes it: it comes into force once the batch has begun to seal.
    slot.policy[(slot.generation + 1) & 1u] = OutboundPolicy{};
    const std::uint64_t before = slot.state.packets;
    std::atomic<bool> ready{false};
    std::thread host([&] {
      ready = true;
      while (__atomic_load_n(&slot.state.packets, __ATOMIC_ACQUIRE) == before) {
      }
      __atomic_store_n(&slot.generation, slot.generation + 1, __ATOMIC_RELEASE);
    });
    while (!ready) {
    }
    std::vector<Octets> sealed;
    for (const Result& result : left.process(Port::kInner, frames)) {
      if (result.verdict == Verdict::kSend) {
        sealed.push_back(right.to_outer(result.packet()));
      }
    }
    host.join();
    cut_batches += sealed.size() < frames.size() ? 1 : 0;
    sealed_total += sealed.size();
    right.process(Port::kOuter, sealed);
    left.take_events();
    left.take_punts();
    right.take_events();
    left.commit(0, left.outbound_policy(0, {}), Rig::credit({}));
  }
  REQUIRE(cut_batches > 0);
  REQUIRE(right.counter(Counter::kOpened) == sealed_total);
}

TEST_CASE("packets sealed while the host commits carry one policy, key and SPI together", "[N2]") {
  Rig left(true);
  Rig right(false);
  OutboundPolicy policies[2];
  for (std::uint32_t i = 0; i < 2; ++i) {
    policies[i] = left.outbound_policy(i + 1, {});
    right.add_inbound(i + 1);
  }
  left.add_outbound(0);
  right.add_inbound(0);
  std::atomic<bool> stop{false};
  std::thread host([&] { commit_forever(left, policies, stop); });
  std::uint64_t sent = 0;
  for (std::uint32_t round = 0; round < 3000; ++round) {
    std::vector<Octets> frames(16, left.inner_frame(0));
    std::vector<Octets> sealed;
    for (const Result& result : left.process(Port::kInner, frames)) {
      sealed.push_back(right.to_outer(result.packet()));
    }
    sent += sealed.size();
    right.process(Port::kOuter, sealed);
    right.take_events();
    left.take_events();
  }
  stop = true;
  host.join();
  REQUIRE(right.counter(Counter::kOpened) == sent);
  REQUIRE(right.inbound(1).state.packets > 0);
  REQUIRE(right.inbound(2).state.packets > 0);
}
