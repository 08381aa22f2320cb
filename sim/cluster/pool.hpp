// SPDX-License-Identifier: Apache-2.0
// Work items over several processes: a failed assertion ends one item, not the batch. Which process gets which item
// depends on time, so nothing about an item may depend on the others.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tandem::sim {

struct Pool {
  unsigned jobs = 1;
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // inclusive
  // In a child process: one line of text without line breaks.
  std::function<std::string(std::uint64_t item)> work;
  // Here, in the order of completion. False: no further items are begun.
  std::function<bool(const std::string& line)> take;
  // Here: the process that worked on `item` died of it. False: as above.
  std::function<bool(std::uint64_t item)> died;
};

// False: the system gave no process or pipe.
bool run_pool(const Pool& pool);

}  // namespace tandem::sim
