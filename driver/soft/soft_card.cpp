// SPDX-License-Identifier: Apache-2.0
// The Card over an attached soft card: its clock is the host's boot time, its doorbell an eventfd.
#include "driver/soft/soft_card.hpp"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "driver/atomic_field.hpp"
#include "driver/mapped_card.hpp"
#include "driver/soft/attachment.hpp"

namespace tandem::driver {
namespace {

// A card that has not turned for so many looks, each this much after the one before, hangs. Looks, not time: what
// pauses the whole machine pauses them too.
constexpr std::uint64_t kLookNs = 20'000'000;
constexpr unsigned kLooksInVain = 250;
constexpr unsigned kLooksPerRing = 25;

class SoftCard final : public MappedCard {
 public:
  SoftCard(SoftAttachment attachment, std::string path)
      : MappedCard(attachment.mapping.memory(), attachment.slots, path),
        attachment_(std::move(attachment)),
        path_(std::move(path)) {}

  std::uint64_t now_ns() const override {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
  }

  int notify_fd() const override { return attachment_.notify.get(); }

  void acknowledge_notify() override {
    std::uint64_t count = 0;
    // Not readable: somebody acknowledged before, which is as good.
    static_cast<void>(!::read(attachment_.notify.get(), &count, sizeof(count)));
  }

  CardResult<> health() const override {
    if (auto alive = soft_card_alive(attachment_, path_); !alive) {
      return alive;
    }
    if (!turns()) {
      return Failure<CardError>{{CardErrc::kIo, "soft card at " + path_ + ": its process does not react"}};
    }
    return MappedCard::health();
  }

 protected:
  void ring_doorbell() override { ring(); }

 private:
  void ring() const {
    const std::uint64_t one = 1;
    // A full counter means that the bell rings already.
    static_cast<void>(!::write(attachment_.doorbell.get(), &one, sizeof(one)));
  }

  // The card takes what the bell has counted in each turn that finds any.
  bool turns() const {
    if (now_ns() - looked_ns_ >= kLookNs) {
      look();
    }
    return looks_in_vain_ < kLooksInVain;
  }

  void look() const {
    looked_ns_ = now_ns();
    pollfd bell{attachment_.doorbell.get(), POLLIN, 0};
    if (::poll(&bell, 1, 0) > 0) {
      ++looks_in_vain_;
      return;
    }
    looks_in_vain_ = 0;
    if (++looks_ % kLooksPerRing == 0) {
      ring();
    }
  }

  SoftAttachment attachment_;
  std::string path_;
  mutable std::uint64_t looked_ns_ = 0;
  mutable unsigned looks_ = 0;
  mutable unsigned looks_in_vain_ = 0;
};

}  // namespace

CardResult<std::unique_ptr<Card>> attach_soft_card(const std::string& socket_path) {
  auto attached = attach_soft_memory(socket_path);
  if (!attached) {
    return Failure<CardError>{attached.error()};
  }
  const card::Registers& registers = attached->mapping.memory()->registers;
  if (attached->driver_kind != static_cast<std::uint32_t>(card::DriverKind::kSoft)) {
    return Failure<CardError>{
        {CardErrc::kInvalid, "card at " + socket_path + ": is no soft card; its driver is another"}};
  }
  if (load_field(registers.magic) != card::kContractMagic ||
      load_field(registers.contract_version) != card::kContractVersion ||
      load_field(registers.slots) != attached->slots) {
    return Failure<CardError>{
        {CardErrc::kWrongVersion, "soft card at " + socket_path + ": its registers contradict its greeting"}};
  }
  return std::unique_ptr<Card>(std::make_unique<SoftCard>(std::move(*attached), socket_path));
}

}  // namespace tandem::driver
