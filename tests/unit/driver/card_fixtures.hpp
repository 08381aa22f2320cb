// SPDX-License-Identifier: Apache-2.0
// Cards for the contract suite: one in this process, one a real tandem-softcard in a network namespace of
// its own. Both let a test look at the raw memory and stop the card's work.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "driver/card.hpp"
#include "driver/inproc/inproc_card.hpp"
#include "driver/unique_fd.hpp"

namespace tandem::driver::test {

constexpr std::uint32_t kSlots = 64;

// Runs a shell command without a shell; true when it ended with 0.
bool run_command(const std::vector<std::string>& words);

// True when this process may make namespaces and TAPs; else prints once which tests are left out.
bool may_make_namespaces(const char* what);

card::OutboundPolicy outbound_policy(std::uint32_t instance, std::uint8_t key_octet);
card::InboundPolicy inbound_policy(std::uint32_t instance, std::uint8_t key_octet);

// A veth pair's two ends with offloads off and no stack behind them.
void quiet_interface(const std::string& name_space, const std::string& interface_name);

// A card's process: a tandem-softcard, or another `program` with the same options and more behind them.
class SoftcardProcess {
 public:
  SoftcardProcess(std::string name_space, std::string socket, std::string outer, std::string inner,
                  std::uint32_t slots = kSlots, const std::string& program = TANDEM_SOFTCARD_PATH,
                  const std::vector<std::string>& more = {});
  ~SoftcardProcess();
  SoftcardProcess(const SoftcardProcess&) = delete;
  SoftcardProcess& operator=(const SoftcardProcess&) = delete;

  bool ready() const { return ready_; }
  pid_t pid() const { return pid_; }
  const std::string& socket() const { return socket_; }
  // Returns its wait status.
  int stop(int signal);
  void pause();
  void resume();

 private:
  std::string socket_;
  pid_t pid_ = -1;
  bool ready_ = false;
};

// The card's memory as the card gives it to anybody who may connect; the place is free again afterwards.
class PeekedMemory {
 public:
  explicit PeekedMemory(const std::string& socket);
  ~PeekedMemory();
  PeekedMemory(const PeekedMemory&) = delete;
  PeekedMemory& operator=(const PeekedMemory&) = delete;
  card::CardMemory* memory() const { return memory_; }
  std::size_t octets() const { return octets_; }

 private:
  card::CardMemory* memory_ = nullptr;
  std::size_t octets_ = 0;
};

struct InprocFixture {
  InprocFixture();
  bool available() const { return true; }
  Card& card() { return *card_; }
  card::CardMemory& memory() { return card_->mutable_memory(); }
  std::size_t octets() const { return card::memory_octets(kSlots); }
  void pause() {}
  void resume() {}
  // Lets the card work off what was injected.
  void settle();

  std::unique_ptr<InprocCard> card_;
};

struct SoftFixture {
  SoftFixture();
  ~SoftFixture();
  bool available() const { return available_; }
  Card& card() { return *card_; }
  card::CardMemory& memory() { return *peeked_->memory(); }
  std::size_t octets() const { return peeked_->octets(); }
  void pause() { process_->pause(); }
  void resume() { process_->resume(); }
  void settle();
  // Starts a card process in this fixture's namespace at this fixture's socket.
  std::unique_ptr<SoftcardProcess> start();

  bool available_ = false;
  std::string name_space_;
  std::string socket_;
  std::unique_ptr<SoftcardProcess> process_;
  std::unique_ptr<PeekedMemory> peeked_;
  std::unique_ptr<Card> card_;
};

card::OutboundSlot& outbound_slot(card::CardMemory& memory, std::uint32_t index);
card::InboundSlot& inbound_slot(card::CardMemory& memory, std::uint32_t index);

// Whether 16 octets of that value stand anywhere in the card's memory.
bool holds_key(const card::CardMemory& memory, std::size_t octets, std::uint8_t key_octet);

}  // namespace tandem::driver::test
