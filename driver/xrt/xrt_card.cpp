// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/xrt_card.hpp"

#include <string.h>
#include <time.h>
#include <xrt/xrt_bo.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <utility>

#include "driver/mapped_card.hpp"
#include "driver/xrt/session.hpp"
#include "driver/xrt/telemetry.hpp"

namespace tandem::driver {
namespace {

constexpr std::size_t kLine = 64;  // the grain of a transfer; card-owned and host-owned words never share one

Failure<CardError> fail(CardErrc code, std::string text) { return {CardError{code, std::move(text)}}; }

class XrtCard final : public MappedCard {
 public:
  XrtCard(XrtSession session, xrt::bo buffer, std::string name)
      : MappedCard(buffer.map<card::CardMemory*>(), session.identity.slots_max, name),
        session_(std::move(session)),
        buffer_(std::move(buffer)),
        memory_(buffer_.map<card::CardMemory*>()),
        name_(std::move(name)) {}

  ~XrtCard() override {
    // The copies of the keys on this side go; the card keeps its own, for the next host.
    ::explicit_bzero(reinterpret_cast<std::uint8_t*>(memory_) + card::outbound_offset(),
                     card::memory_octets(session_.identity.slots_max) - card::outbound_offset());
  }

  CardInfo info() const override {
    CardInfo info = MappedCard::info();
    info.driver = card::DriverKind::kXrt;
    info.build_id = session_.identity.build_id;
    info.simulated = session_.identity.simulated;
    return info;
  }

  // Simulated kernels share the host's boot clock; an Alveo's clock kernel writes its own into the registers.
  std::uint64_t now_ns() const override {
    if (session_.identity.simulated) {
      timespec now{};
      ::clock_gettime(CLOCK_BOOTTIME, &now);
      return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
    }
    fetch(&memory_->registers.now_ns, sizeof(std::uint64_t));
    return load_field(memory_->registers.now_ns);
  }

  CardTelemetry telemetry() const override {
    std::string thermal;
    std::string electrical;
    // A card without one of them still has the other.
    static_cast<void>(xrt_try("thermal", [&] { thermal = session_.device.get_info<xrt::info::device::thermal>(); }));
    static_cast<void>(
        xrt_try("electrical", [&] { electrical = session_.device.get_info<xrt::info::device::electrical>(); }));
    return parse_telemetry(thermal, electrical);
  }

  // A card that fell off the bus fails its transfers, or reads as all ones.
  CardResult<> health() const override {
    fetch(&memory_->registers.magic, sizeof(std::uint64_t));
    if (!gone_ && load_field(memory_->registers.magic) != card::kContractMagic) {
      gone_ = true;
    }
    if (gone_) {
      return fail(CardErrc::kGone, "card " + name_ + ": does not answer any more; the host must give up its role");
    }
    return MappedCard::health();
  }

 protected:
  void fetch(const void* from, std::size_t octets) const override {
    transfer(XCL_BO_SYNC_BO_FROM_DEVICE, from, octets);
  }

  void publish(const void* from, std::size_t octets) override {
    const auto* at = static_cast<const std::uint8_t*>(from);
    const auto* registers = reinterpret_cast<const std::uint8_t*>(&memory_->registers);
    if (at >= registers && at < registers + sizeof(card::Registers)) {
      // Lease and activation share a line and are written by two threads: an older copy must not arrive last.
      const std::lock_guard lock(registers_mutex_);
      transfer(XCL_BO_SYNC_BO_TO_DEVICE, from, octets);
    } else {
      transfer(XCL_BO_SYNC_BO_TO_DEVICE, from, octets);
    }
  }

 private:
  void transfer(xclBOSyncDirection direction, const void* from, std::size_t octets) const {
    if (gone_) {
      return;
    }
    const auto offset =
        static_cast<std::size_t>(static_cast<const std::uint8_t*>(from) - reinterpret_cast<std::uint8_t*>(memory_));
    const std::size_t first = offset / kLine * kLine;
    const std::size_t end = (offset + octets + kLine - 1) / kLine * kLine;
    if (!xrt_try("transfer", [&] { buffer_.sync(direction, end - first, first); })) {
      gone_ = true;
    }
  }

  XrtSession session_;
  mutable xrt::bo buffer_;
  card::CardMemory* memory_;
  std::string name_;
  std::mutex registers_mutex_;
  mutable std::atomic<bool> gone_{false};
};

// Where both kernels look for their tables.
struct Place {
  std::uint64_t memory;
  std::uint64_t outbound;
  std::uint64_t inbound;
  std::uint64_t slots;
};

CardResult<Place> read_place(const XrtSession& session) {
  Place place{};
  const std::pair<const XrtKernel*, const char*> registers[4] = {{&session.encrypt, "memory"},
                                                                 {&session.encrypt, "outbound"},
                                                                 {&session.decrypt, "inbound"},
                                                                 {&session.encrypt, "slots"}};
  std::uint64_t* const targets[4] = {&place.memory, &place.outbound, &place.inbound, &place.slots};
  for (std::size_t i = 0; i < 4; ++i) {
    auto value = registers[i].first->read(registers[i].second);
    if (!value) {
      return Failure<CardError>{value.error()};
    }
    *targets[i] = *value;
  }
  return place;
}

CardResult<> write_place(XrtSession& session, const Place& place) {
  const std::tuple<XrtKernel*, const char*, std::uint64_t> registers[6] = {
      {&session.encrypt, "outbound", place.outbound}, {&session.decrypt, "inbound", place.inbound},
      {&session.encrypt, "slots", place.slots},       {&session.decrypt, "slots", place.slots},
      {&session.decrypt, "memory", place.memory},     {&session.encrypt, "memory", place.memory}};
  for (const auto& [kernel, argument, value] : registers) {
    if (auto written = kernel->write(argument, value); !written) {
      return written;
    }
  }
  return {};
}

bool tables_sound(const card::CardMemory& memory, std::uint32_t slots) {
  const card::Registers& registers = memory.registers;
  return load_field(registers.magic) == card::kContractMagic &&
         load_field(registers.contract_version) == card::kContractVersion && load_field(registers.slots) == slots;
}

// Empty tables under this version's name, on a card whose kernels came out of reset: what its memory holds is chance.
void start_tables(card::CardMemory& memory, const XrtIdentity& identity) {
  std::memset(static_cast<void*>(&memory), 0, card::memory_octets(identity.slots_max));
  memory.registers.magic = card::kContractMagic;
  memory.registers.contract_version = card::kContractVersion;
  memory.registers.slots = identity.slots_max;
  memory.registers.idle = 1;
}

CardResult<> settle_memory(XrtSession& session, xrt::bo& buffer) {
  const std::uint32_t slots = session.identity.slots_max;
  auto* memory = buffer.map<card::CardMemory*>();
  const std::uint64_t address = buffer.address();
  const Place wanted{address, address + card::outbound_offset(), address + card::inbound_offset(slots), slots};
  auto have = read_place(session);
  if (!have) {
    return Failure<CardError>{have.error()};
  }
  auto fetched =
      xrt_try("reading the card's tables", [&] { buffer.sync(XCL_BO_SYNC_BO_FROM_DEVICE, buffer.size(), 0); });
  if (!fetched) {
    return fetched;
  }
  const bool running = have->memory == wanted.memory && have->outbound == wanted.outbound &&
                       have->inbound == wanted.inbound && have->slots == wanted.slots;
  // Simulated kernels make their tables themselves, before any host comes.
  if ((running || session.identity.simulated) && tables_sound(*memory, slots)) {
    return running ? CardResult<>{} : write_place(session, wanted);
  }
  start_tables(*memory, session.identity);
  auto sent = xrt_try("writing the card's tables", [&] { buffer.sync(XCL_BO_SYNC_BO_TO_DEVICE, buffer.size(), 0); });
  return sent ? write_place(session, wanted) : sent;
}

}  // namespace

CardResult<std::unique_ptr<Card>> open_xrt_card(const XrtOptions& options) {
  auto session = open_xrt_session(options.device, options.image, options.build_id);
  if (!session) {
    return Failure<CardError>{session.error()};
  }
  auto bank = session->encrypt.bank("memory");
  if (!bank) {
    return Failure<CardError>{bank.error()};
  }
  xrt::bo buffer;
  auto made = xrt_try("card memory", [&] {
    buffer = xrt::bo(session->device, card::memory_octets(session->identity.slots_max),
                     static_cast<xrt::memory_group>(*bank));
    if (buffer.map<card::CardMemory*>() == nullptr) {
      throw std::runtime_error("no mapping");
    }
  });
  if (!made) {
    return Failure<CardError>{made.error()};
  }
  if (auto ready = settle_memory(*session, buffer); !ready) {
    return Failure<CardError>{ready.error()};
  }
  return std::unique_ptr<Card>(std::make_unique<XrtCard>(std::move(*session), std::move(buffer), options.device));
}

}  // namespace tandem::driver
