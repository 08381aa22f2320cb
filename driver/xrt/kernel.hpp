// SPDX-License-Identifier: Apache-2.0
// One kernel of an image, with its AXI-Lite registers as the image's own metadata places them. The control register is
// UG1399's for ap_ctrl_chain.
#pragma once

#include <experimental/xrt_ip.h>
#include <experimental/xrt_xclbin.h>
#include <xrt/xrt_device.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "driver/card.hpp"

namespace tandem::driver {

// An argument that this version gives or reads, by its name in hw/kernel/tops.hpp.
struct WantedArgument {
  std::string_view name;
  std::uint32_t octets;
};

// One of an image's kernels, its registers found by the names of its arguments.
class XrtKernel {
 public:
  // Takes the kernel for this process. Its arguments in registers must be exactly those wanted, each as wide: an image
  // of another version would read chance. Errors: kBusy; kInvalid (the image has no such kernel; an argument is
  // missing, of another width, or not known to this version; each named); kIo.
  static CardResult<XrtKernel> open(const xrt::device& device, const xrt::xclbin& image, const std::string& name,
                                    std::span<const WantedArgument> wanted);

  const std::string& name() const { return name_; }
  // Registers of an argument; 64-bit ones are two. Errors: kInvalid (no such argument), kGone, kIo.
  CardResult<std::uint64_t> read(std::string_view argument) const;
  CardResult<> write(std::string_view argument, std::uint64_t value);
  // The memory bank that a pointer argument is wired to. Error kInvalid: to none.
  CardResult<int> bank(std::string_view argument) const;

  // Whether it was told to start, and to start again by itself whenever it ends.
  CardResult<bool> runs() const;
  // Tells it so. It takes its arguments from the registers now.
  CardResult<> start();

 private:
  XrtKernel(xrt::ip ip, std::vector<xrt::xclbin::arg> arguments, std::string name);
  CardResult<const xrt::xclbin::arg*> find(std::string_view argument) const;
  CardResult<> check(std::span<const WantedArgument> wanted) const;

  xrt::ip ip_;
  std::vector<xrt::xclbin::arg> arguments_;
  std::string name_;
};

}  // namespace tandem::driver
