// SPDX-License-Identifier: Apache-2.0
// The activation number in a file of two slots. Serves N1.
//
//   body (32 octets, big-endian): magic(8) version(4) member(4) activation(8) zero(8)
#include "host/ha/incarnation_store.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "host/base/big_endian.hpp"
#include "host/base/bytes.hpp"

namespace tandem::ha {
namespace {

constexpr std::size_t kBodyOctets = 32;
constexpr std::uint64_t kMagic = 0x54414e44454d494e;  // "TANDEMIN"
constexpr std::uint32_t kVersion = 1;
using Body = std::array<std::uint8_t, kBodyOctets>;

struct Slot {
  std::uint32_t member = 0;
  std::uint64_t activation = 0;
};

Body encode(const Slot& slot) {
  Body body{};
  store_big_endian(body.data(), kMagic, 8);
  store_big_endian(body.data() + 8, kVersion, 4);
  store_big_endian(body.data() + 12, slot.member, 4);
  store_big_endian(body.data() + 16, slot.activation, 8);
  return body;
}

std::optional<Slot> decode(const std::optional<SecretBytes>& body) {
  if (!body) return std::nullopt;
  const ByteView octets = body->view();
  const Slot slot{static_cast<std::uint32_t>(load_big_endian(octets.data() + 12, 4)),
                  load_big_endian(octets.data() + 16, 8)};
  // Encoding again compares magic, version and padding at once.
  const Body again = encode(slot);
  if (!std::equal(octets.begin(), octets.end(), again.begin(), again.end())) return std::nullopt;
  return slot;
}

class FileStore final : public IncarnationStore {
 public:
  FileStore(SlotFile file, std::uint8_t member, std::uint64_t durable, std::size_t spare)
      : file_(std::move(file)), member_(member), durable_(durable), spare_(spare) {}

  std::uint64_t durable() const override { return durable_; }

  Result<void, StoreError> reserve(std::uint64_t activation) override {
    TANDEM_ASSERT(activation > durable_);
    // A failed write may have torn the spare slot; the other one still holds durable_ and is not touched.
    if (auto written = file_.write(spare_, encode({member_, activation})); !written) return written;
    durable_ = activation;
    spare_ = 1 - spare_;
    return {};
  }

 private:
  SlotFile file_;
  std::uint8_t member_;
  std::uint64_t durable_;
  std::size_t spare_;  // the slot written next
};

class MemoryStore final : public IncarnationStore {
 public:
  explicit MemoryStore(std::uint64_t durable) : durable_(durable) {}
  std::uint64_t durable() const override { return durable_; }
  Result<void, StoreError> reserve(std::uint64_t activation) override {
    TANDEM_ASSERT(activation > durable_);
    durable_ = activation;
    return {};
  }

 private:
  std::uint64_t durable_;
};

}  // namespace

Result<std::unique_ptr<IncarnationStore>, StoreError> open_incarnation_store(const std::string& path,
                                                                             std::uint8_t member) {
  // Two daemons on one file would hand out the same incarnation: the slot file's lock keeps the second out.
  auto file = SlotFile::open(path, encode({member, 0}));
  if (!file) return Failure{file.error()};
  auto bodies = file->read();
  if (!bodies) return Failure{bodies.error()};
  std::array<std::optional<Slot>, 2> slots;
  for (std::size_t index = 0; index < slots.size(); ++index) {
    slots[index] = decode((*bodies)[index]);
    if (slots[index] && slots[index]->member != member) {
      return Failure{StoreError{
          StoreErrc::kForeign,
          path + ": belongs to member " + std::to_string(slots[index]->member) + ", not " + std::to_string(member)}};
    }
  }
  if (!slots[0] && !slots[1]) {
    return Failure{StoreError{StoreErrc::kCorrupt,
                              path + ": both slots are damaged; the last incarnation is unknown. Restore the file, or "
                                     "rekey all SAs and remove it while the partner is active"}};
  }
  const std::size_t newest = !slots[1] || (slots[0] && slots[0]->activation >= slots[1]->activation) ? 0 : 1;
  const std::uint64_t durable = slots[newest]->activation;
  return std::unique_ptr<IncarnationStore>(
      std::make_unique<FileStore>(std::move(file).value(), member, durable, 1 - newest));
}

std::unique_ptr<IncarnationStore> make_memory_store(std::uint64_t durable) {
  return std::make_unique<MemoryStore>(durable);
}

}  // namespace tandem::ha
