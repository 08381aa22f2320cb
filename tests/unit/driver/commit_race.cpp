// SPDX-License-Identifier: Apache-2.0
// A reader that keeps the card's side of the rules never sees half a policy, half a flow or too much credit.
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include "driver/atomic_field.hpp"
#include "tests/unit/driver/card_fixtures.hpp"

using namespace tandem;
using namespace tandem::driver;
using namespace tandem::driver::test;

namespace {

// Makes a batch long enough for several commits, if they did not wait for it.
void linger() {
  for (int i = 0; i < 500; ++i) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
}

// Runs `read` as the card runs a batch, over and over, until destroyed.
template <typename Read>
class Reader {
 public:
  Reader(card::Registers& registers, Read read)
      : thread_([this, &registers, read]() {
          while (!stop_.load()) {
            store_field(registers.idle, std::uint32_t{0});
            std::atomic_thread_fence(std::memory_order_seq_cst);
            read();
            store_field(registers.batch_count, registers.batch_count + 1);
            store_field(registers.idle, std::uint32_t{1});
            ++batches_;
          }
        }) {}
  ~Reader() {
    stop_ = true;
    thread_.join();
  }
  std::uint64_t batches() const { return batches_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> batches_{0};
  std::thread thread_;
};

}  // namespace

TEST_CASE("a batch sees the old policy or the new one, never a mix", "[card][N1]") {
  InprocFixture fixture;
  card::OutboundSlot& slot = outbound_slot(fixture.memory(), 0);
  std::atomic<std::uint64_t> mixed{0};
  auto read = [&]() {
    const card::OutboundPolicy& live = slot.policy[load_field(slot.generation) & 1];
    for (int look = 0; look < 3; ++look) {
      linger();
      card::OutboundPolicy copy;
      std::memcpy(&copy, const_cast<const card::OutboundPolicy*>(&live), sizeof(copy));
      for (const std::uint8_t octet : copy.key) {
        // Every policy of this test has all key octets equal to its port's low octet.
        mixed += octet != static_cast<std::uint8_t>(copy.udp_source_port) ? 1 : 0;
      }
    }
  };
  Reader reader(fixture.memory().registers, read);
  while (reader.batches() == 0) {
    std::this_thread::yield();
  }
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    auto policy = outbound_policy(1, static_cast<std::uint8_t>(i));
    policy.udp_source_port = static_cast<std::uint8_t>(i);
    REQUIRE(fixture.card().install_outbound(0, policy, {}).ok());
  }
  CHECK(mixed == 0);
}

TEST_CASE("a batch never sees more credit than was given for its epoch", "[card][N2]") {
  InprocFixture fixture;
  card::OutboundSlot& slot = outbound_slot(fixture.memory(), 0);
  std::atomic<std::uint64_t> exceeded{0};
  // Limit n is always given for epoch n: a reader may pair a limit with a later epoch, never with an earlier.
  auto read = [&]() {
    for (int look = 0; look < 8; ++look) {
      const std::uint64_t limit = load_field(slot.credit.limit);
      exceeded += limit > load_field(slot.credit.epoch, std::memory_order_relaxed) ? 1 : 0;
    }
  };
  Reader reader(fixture.memory().registers, read);
  while (reader.batches() == 0) {
    std::this_thread::yield();
  }
  for (std::uint32_t i = 1; i < 200'000; ++i) {
    card::Credit credit{};
    credit.limit = i;
    credit.epoch = i;
    REQUIRE(fixture.card().set_outbound_credit(0, credit).ok());
  }
  CHECK(exceeded == 0);
}

TEST_CASE("a batch finds every flow complete while its bucket is replaced over and over", "[card]") {
  InprocFixture fixture;
  card::FlowKey key{};
  key.family = card::kFamilyIpv4;
  std::vector<card::FlowKey> keys;
  for (std::uint32_t i = 0; keys.size() < 6; ++i) {
    key.source_port = static_cast<std::uint16_t>(i);
    key.target_port = static_cast<std::uint16_t>(i >> 16);
    if (card::flow_bucket(key) == 17) {
      keys.push_back(key);
    }
  }
  std::atomic<std::uint64_t> mixed{0};
  card::FlowEntry* ways = &fixture.memory().flows[17 * card::kFlowWays];
  auto read = [&]() {
    for (std::uint32_t way = 0; way < card::kFlowWays; ++way) {
      if (load_field(ways[way].valid) == 0) {
        continue;
      }
      // Key n goes with routes n and 1000 + n only, and the latter with kBypass.
      const card::FlowKey seen = ways[way].key;
      const std::uint8_t action = ways[way].action;
      linger();
      const std::uint32_t route = load_field(ways[way].route);
      const bool bypass = action == static_cast<std::uint8_t>(card::FlowAction::kBypass);
      const std::uint32_t number = bypass ? route - 1000 : route;
      mixed += number >= keys.size() || !card::flow_key_equal(seen, keys[number]) ? 1 : 0;
    }
  };
  Reader reader(fixture.memory().registers, read);
  while (reader.batches() == 0) {
    std::this_thread::yield();
  }
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    const std::uint32_t number = i * 7 % 6;
    const bool bypass = i % 3 == 0;
    REQUIRE(fixture.card()
                .add_flow(keys[number], bypass ? card::FlowAction::kBypass : card::FlowAction::kProtect,
                          bypass ? 1000 + number : number)
                .ok());
  }
  CHECK(mixed == 0);
}
