// SPDX-License-Identifier: Apache-2.0
// The kernels of an image that the host starts: which arguments each has, what they are for tables at a place, and who
// starts when. What each argument means: hw/kernel/tops.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "driver/xrt/kernel.hpp"

namespace tandem::driver {

// Where the card's memory (card::CardMemory and the SA tables behind it) lies, and how many SA pairs it has.
struct TablePlace {
  std::uint64_t address;
  std::uint32_t slots;
};

enum class KernelsState {
  kStopped,  // none was started since the image was loaded
  kHere,     // all that run work on the place that was asked about; those that do not yet can be started there
  kElsewhere,
};

class XrtKernels {
 public:
  // Takes all of them for this process. Errors: those of XrtKernel::open().
  static CardResult<XrtKernels> open(const xrt::device& device, const xrt::xclbin& image);

  // The bank that the tables must lie in. Error kInvalid: the kernels see several memories.
  CardResult<int> bank() const;
  CardResult<KernelsState> state(const TablePlace& place) const;
  // Gives every kernel that does not run its arguments, sees that they arrived, and starts it: ends of paths before
  // their beginnings, the host kernel last, so that nothing waits for what has not begun. Errors: kIo, kGone.
  CardResult<> start(const TablePlace& place);

 private:
  explicit XrtKernels(std::vector<XrtKernel> kernels) : kernels_(std::move(kernels)) {}

  std::vector<XrtKernel> kernels_;  // in the order of kernels.cpp's list
};

}  // namespace tandem::driver
