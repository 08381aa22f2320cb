// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/bring_up.hpp"

#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "driver/atomic_field.hpp"
#include "driver/xrt/call.hpp"

namespace tandem::driver {
namespace {

// Kernels that run come round in microseconds; a simulated card may wait for a core.
constexpr int kComeUpTries = 2000;
constexpr std::chrono::milliseconds kComeUpPause{1};
constexpr std::size_t kLine = 64;
static_assert(offsetof(card::Registers, now_ns) / kLine == 0 && offsetof(card::Registers, batch_count) / kLine == 0,
              "one transfer brings clock and batch count");

Failure<CardError> fail(CardErrc code, std::string text) { return {CardError{code, std::move(text)}}; }

card::CardMemory& memory_of(xrt::bo& buffer) { return *buffer.map<card::CardMemory*>(); }

CardResult<> fetch_moving(xrt::bo& buffer) {
  return xrt_try("reading the card's registers", [&] { buffer.sync(XCL_BO_SYNC_BO_FROM_DEVICE, kLine, 0); });
}

bool tables_sound(const card::CardMemory& memory, std::uint32_t slots) {
  const card::Registers& registers = memory.registers;
  return load_field(registers.magic) == card::kContractMagic &&
         load_field(registers.contract_version) == card::kContractVersion && load_field(registers.slots) == slots;
}

// Empty tables under this version's name: what a card's memory holds after its image was loaded is chance. The kernels
// read no other constant.
void start_tables(card::CardMemory& memory, const XrtIdentity& identity) {
  std::memset(static_cast<void*>(&memory), 0, card::memory_octets(identity.slots_max));
  card::Registers& registers = memory.registers;
  registers.magic = card::kContractMagic;
  registers.contract_version = card::kContractVersion;
  registers.slots = identity.slots_max;
  registers.simulated = identity.simulated ? 1 : 0;
}

Failure<CardError> needs_reset(const std::string& why) {
  return fail(CardErrc::kIo, why + ": reset the card (tandemctl card reset), which ends its SAs, and start again");
}

CardResult<> await_running(xrt::bo& buffer) {
  const card::Registers& registers = memory_of(buffer).registers;
  if (auto fetched = fetch_moving(buffer); !fetched) {
    return fetched;
  }
  const std::uint64_t batch = load_field(registers.batch_count);
  const std::uint64_t now_ns = load_field(registers.now_ns);
  for (int i = 0; i < kComeUpTries; ++i) {
    if (auto fetched = fetch_moving(buffer); !fetched) {
      return fetched;
    }
    if (card::batches_over(batch, load_field(registers.batch_count)) && load_field(registers.now_ns) != now_ns) {
      return {};
    }
    std::this_thread::sleep_for(kComeUpPause);
  }
  if (load_field(registers.now_ns) == now_ns) {
    return needs_reset("kernel tandem_host was started but writes no time: it, or the clock kernel, does not run");
  }
  return needs_reset(
      "kernels were started but packets do not come through: what tandem_host sends into tandem_encrypt "
      "and tandem_decrypt does not come back from both ends of a path");
}

}  // namespace

CardResult<> bring_up(XrtSession& session, xrt::bo& buffer) {
  const TablePlace place{buffer.address(), session.identity.slots_max};
  auto state = session.kernels.state(place);
  if (!state) {
    return Failure<CardError>{state.error()};
  }
  if (*state == KernelsState::kElsewhere) {
    return needs_reset("the card's kernels work on memory of an earlier host, which this one was not given again");
  }
  auto fetched =
      xrt_try("reading the card's tables", [&] { buffer.sync(XCL_BO_SYNC_BO_FROM_DEVICE, buffer.size(), 0); });
  if (!fetched) {
    return fetched;
  }
  if (*state == KernelsState::kStopped) {
    start_tables(memory_of(buffer), session.identity);
    auto sent = xrt_try("writing the card's tables", [&] { buffer.sync(XCL_BO_SYNC_BO_TO_DEVICE, buffer.size(), 0); });
    if (!sent) {
      return sent;
    }
  } else if (!tables_sound(memory_of(buffer), place.slots)) {
    return needs_reset("the card's kernels work on tables that are none of this version's");
  }
  if (auto started = session.kernels.start(place); !started) {
    return started;
  }
  return await_running(buffer);
}

}  // namespace tandem::driver
