// SPDX-License-Identifier: Apache-2.0
// Which groups of a table may hold an entry, so that emptying a large table walks only what was written.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace tandem::driver {

class Touched {
 public:
  // `all`: the table's contents are unknown, so every group counts as written.
  Touched(std::uint32_t groups, bool all) : words_((groups + 63) / 64, all ? ~std::uint64_t{0} : 0) {
    if (all && groups % 64 != 0) words_.back() = (std::uint64_t{1} << (groups % 64)) - 1;
  }

  void note(std::uint32_t group) { words_[group / 64] |= std::uint64_t{1} << (group % 64); }

  // Calls visit(group) for each written group, lowest first, and forgets them.
  template <typename Visit>
  void drain(Visit visit) {
    for (std::uint32_t i = 0; i < words_.size(); ++i) {
      for (; words_[i] != 0; words_[i] &= words_[i] - 1) {
        visit(64 * i + static_cast<std::uint32_t>(std::countr_zero(words_[i])));
      }
    }
  }

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace tandem::driver
