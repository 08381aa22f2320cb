// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/xrt_card.hpp"

#include <string.h>
#include <xrt/xrt_bo.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <utility>

#include "driver/mapped_card.hpp"
#include "driver/tap/tap_bridge.hpp"
#include "driver/xrt/bring_up.hpp"
#include "driver/xrt/call.hpp"
#include "driver/xrt/card_clock.hpp"
#include "driver/xrt/session.hpp"
#include "driver/xrt/telemetry.hpp"

namespace tandem::driver {
namespace {

constexpr std::size_t kLine = 64;  // the grain of a transfer; card-owned and host-owned words never share one

Failure<CardError> fail(CardErrc code, std::string text) { return {CardError{code, std::move(text)}}; }

class XrtCard final : public MappedCard {
 public:
  // `bridge`: none for a tool that only looks at the card.
  XrtCard(XrtSession session, xrt::bo buffer, const ClockSample& clock, std::unique_ptr<TapBridge> bridge,
          std::string name)
      : MappedCard(buffer.map<card::CardMemory*>(), session.identity.slots_max, name),
        session_(std::move(session)),
        buffer_(std::move(buffer)),
        memory_(buffer_.map<card::CardMemory*>()),
        bridge_(std::move(bridge)),
        clock_(buffer_, clock),
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

  // The card's own clock, since its image was loaded. As old as the host kernel's last look, so never ahead: a lease
  // counted from it ends early at worst.
  std::uint64_t now_ns() const override {
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

  int notify_fd() const override { return bridge_ ? bridge_->fd() : -1; }

  // What the host's stack sent goes to the card; the card asks whether it may leave (N7).
  void acknowledge_notify() override {
    if (bridge_) {
      bridge_->from_stack(
          [](void* self, card::Port port, std::span<const std::uint8_t> frame) {
            const auto put = static_cast<XrtCard*>(self)->inject(card::InjectKind::kFrame, port, frame);
            return put.ok() || put.error().code != CardErrc::kRingFull;
          },
          this);
    }
  }

  // Frames for the host's stack are among the punts: this card has no TAP of its own.
  std::size_t take_punts(std::size_t max, void (*visit)(void* context, const PuntView& punt), void* context) override {
    if (!bridge_) {
      return MappedCard::take_punts(max, visit, context);
    }
    struct Filter {
      TapBridge& bridge;
      void (*visit)(void* context, const PuntView& punt);
      void* context;
    } filter{*bridge_, visit, context};
    return MappedCard::take_punts(
        max,
        [](void* opaque, const PuntView& punt) {
          auto* self = static_cast<Filter*>(opaque);
          if (punt.reason == card::PuntReason::kHostFrame) {
            self->bridge.to_stack(punt.port, punt.packet);
          } else {
            self->visit(self->context, punt);
          }
        },
        &filter);
  }

  // What a TAP did not take counts where a soft card counts it.
  std::uint64_t counter(card::Counter counter) const override {
    const std::uint64_t here = counter == card::Counter::kDropPort && bridge_ ? bridge_->dropped() : 0;
    return MappedCard::counter(counter) + here;
  }

  // A card that fell off the bus fails its transfers, or reads as all ones. One whose clock is wrong is as bad.
  CardResult<> health() const override {
    fetch(&memory_->registers.magic, sizeof(std::uint64_t));
    if (!gone_ && load_field(memory_->registers.magic) != card::kContractMagic) {
      gone_ = true;
    }
    if (gone_) {
      return fail(CardErrc::kGone, "card " + name_ + ": does not answer any more; the host must give up its role");
    }
    if (auto told = clock_.look(); !told) {
      return fail(told.error().code, "card " + name_ + ": " + told.error().text);
    }
    if (auto taps = bridge_ ? bridge_->health() : CardResult<>{}; !taps) {
      return taps;
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
  std::unique_ptr<TapBridge> bridge_;
  mutable CardClock clock_;
  std::string name_;
  std::mutex registers_mutex_;
  mutable std::atomic<bool> gone_{false};
};

}  // namespace

CardResult<std::unique_ptr<Card>> open_xrt_card(const XrtOptions& options) {
  auto session = open_xrt_session(options.device, options.image, options.build_id);
  if (!session) {
    return Failure<CardError>{session.error()};
  }
  auto bank = session->kernels.bank();
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
  if (auto up = bring_up(*session, buffer); !up) {
    return Failure<CardError>{up.error()};
  }
  auto clock = check_clock(buffer);
  if (!clock) {
    return Failure<CardError>{clock.error()};
  }
  std::unique_ptr<TapBridge> bridge;
  if (!options.tap_outer.empty() || !options.tap_inner.empty()) {
    auto opened = TapBridge::open(options.tap_outer, options.tap_inner);
    if (!opened) {
      return Failure<CardError>{opened.error()};
    }
    bridge = std::move(*opened);
  }
  return std::unique_ptr<Card>(
      std::make_unique<XrtCard>(std::move(*session), std::move(buffer), *clock, std::move(bridge), options.device));
}

}  // namespace tandem::driver
