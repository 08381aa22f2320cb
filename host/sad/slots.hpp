// SPDX-License-Identifier: Apache-2.0
// The slots of the card's SA table and the routes, handed out on the host. An SPI of ours names its slot
// (hw/contract/sa_entry.hpp), so a slot is taken when its SPI is. RFC 4303 2.1, HA-009.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/base/random.hpp"

namespace tandem::sad {

struct Slot {
  std::uint32_t spi = 0;
  std::uint32_t instance = 0;  // never 0
};

class Slots {
 public:
  // `slots` as the card has them; `segment` goes into every SPI.
  Slots(std::uint32_t slots, std::uint32_t segment, Random& random);

  // A free slot among the first `bound` under a generation it did not have last; nothing when all of them are taken.
  std::optional<Slot> allocate(std::uint32_t bound = ~std::uint32_t{0});
  // Marks the slot of an SPI that the partner chose; false: out of the table's range.
  bool take(std::uint32_t spi);
  // Frees the slot of an SPI; nothing happens when the slot is free or has another SPI by now.
  void release(std::uint32_t spi);
  std::uint32_t used() const { return used_; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(taken_.size()); }
  void clear();

 private:
  std::vector<bool> taken_;
  std::vector<std::uint16_t> last_generation_;
  std::uint32_t segment_;
  std::uint32_t used_ = 0;
  std::uint32_t next_ = 0;
  Random& random_;
};

}  // namespace tandem::sad
