// SPDX-License-Identifier: Apache-2.0
// Memory and pipeline of the in-process card.
#include "driver/inproc/inproc_card.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "driver/atomic_field.hpp"

namespace tandem::driver {

// Zeroed pages that take room only once they are touched; wiped when they go, as they held keys.
class InprocCard::Mapping {
 public:
  explicit Mapping(std::size_t octets)
      : memory_(::mmap(nullptr, octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
        octets_(octets) {
    if (valid()) {
      ::madvise(memory_, octets_, MADV_DONTDUMP);
    }
  }
  ~Mapping() {
    if (valid()) {
      ::munmap(memory_, octets_);
    }
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  bool valid() const { return memory_ != MAP_FAILED; }
  card::CardMemory* memory() const { return static_cast<card::CardMemory*>(memory_); }

 private:
  void* memory_;
  std::size_t octets_;
};

CardResult<std::unique_ptr<InprocCard>> InprocCard::create(std::uint32_t slots, card::Crypto crypto, std::string name) {
  if (slots == 0 || slots > card::kSaSlotsMax) {
    return Failure{CardError{CardErrc::kInvalid, "an in-process card holds 1 to 65536 SA pairs"}};
  }
  auto mapping = std::make_unique<Mapping>(card::memory_octets(slots));
  if (!mapping->valid()) {
    return Failure{CardError{CardErrc::kIo, std::string("no memory for a card: ") + std::strerror(errno)}};
  }
  try {
    auto pipeline = std::make_unique<card::Pipeline>(mapping->memory(), slots, crypto, true);
    return std::unique_ptr<InprocCard>(new InprocCard(std::move(mapping), std::move(pipeline), slots, std::move(name)));
  } catch (const std::runtime_error& error) {
    return Failure{CardError{CardErrc::kIo, std::string("the card's crypto engine: ") + error.what()}};
  }
}

InprocCard::InprocCard(std::unique_ptr<Mapping> mapping, std::unique_ptr<card::Pipeline> pipeline, std::uint32_t slots,
                       std::string name)
    : MappedCard(mapping->memory(), slots, std::move(name), true),
      mapping_(std::move(mapping)),
      pipeline_(std::move(pipeline)),
      memory_(mapping_->memory()) {}

InprocCard::~InprocCard() {
  // Keys must not stay in freed pages; no batch runs any more, so nothing can hang.
  static_cast<void>(clear());
}

CardInfo InprocCard::info() const {
  CardInfo info = MappedCard::info();
  info.driver = card::DriverKind::kInproc;
  return info;
}

void InprocCard::set_now(std::uint64_t now_ns) {
  TANDEM_ASSERT(now_ns >= now_.load(std::memory_order_relaxed));
  now_.store(now_ns, std::memory_order_release);
}

void InprocCard::process(card::Port port, card::Packet* packets, std::uint32_t count) {
  pipeline_->process(port, packets, count, now_ns());
}

std::uint32_t InprocCard::process_injected(card::Packet* packets, std::uint32_t count) {
  return pipeline_->process_injected(packets, count, now_ns());
}

bool InprocCard::may_speak() const { return pipeline_->may_speak(now_ns()); }

bool InprocCard::holds_wires() const { return pipeline_->holds_wires(now_ns()); }

}  // namespace tandem::driver
