// SPDX-License-Identifier: Apache-2.0
#include "host/sad/slots.hpp"

#include <algorithm>

#include "hw/contract/sa_entry.hpp"

namespace tandem::sad {

Slots::Slots(std::uint32_t slots, std::uint32_t segment, Random& random)
    : taken_(slots), last_generation_(slots), segment_(segment), random_(random) {}

std::optional<Slot> Slots::allocate(std::uint32_t bound) {
  bound = std::min(bound, size());
  if (used_ == size() || bound == 0) return std::nullopt;
  const auto after = [bound](std::uint32_t at) { return at + 1 < bound ? at + 1 : 0; };
  std::uint32_t index = next_ < bound ? next_ : 0;
  for (std::uint32_t looked = 0; taken_[index]; index = after(index)) {
    if (++looked == bound) return std::nullopt;
  }
  next_ = after(index);
  // 1..511 steps away from the last generation: never the same, so a late packet of the old SA finds nothing.
  const auto generation = static_cast<std::uint16_t>((last_generation_[index] + 1 + random_.below(511)) & 0x1ffu);
  last_generation_[index] = generation;
  taken_[index] = true;
  ++used_;
  std::uint32_t instance = 0;
  while (instance == 0) instance = static_cast<std::uint32_t>(random_.u64());
  return Slot{card::make_spi(segment_, generation, index), instance};
}

bool Slots::take(std::uint32_t spi) {
  const std::uint32_t index = card::spi_index(spi);
  if ((spi & card::kSpiTopBit) == 0 || index >= size()) return false;
  last_generation_[index] = static_cast<std::uint16_t>(card::spi_generation(spi));
  if (!taken_[index]) ++used_;
  taken_[index] = true;
  return true;
}

void Slots::release(std::uint32_t spi) {
  const std::uint32_t index = card::spi_index(spi);
  // A late release of an SPI must not free the slot under the SPI that has it now.
  if (index >= size() || !taken_[index] || last_generation_[index] != card::spi_generation(spi)) return;
  taken_[index] = false;
  --used_;
}

void Slots::clear() {
  taken_.assign(taken_.size(), false);
  used_ = 0;
}

}  // namespace tandem::sad
