// SPDX-License-Identifier: Apache-2.0
// An opened Alveo: the device, the image on it, its kernels' registers; all through XRT's public C++ API. Serves N6.
// No exception of XRT's leaves these functions.
#pragma once

#include <experimental/xrt_ip.h>
#include <experimental/xrt_xclbin.h>
#include <xrt/xrt_device.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "driver/card.hpp"
#include "driver/xrt/image.hpp"

namespace tandem::driver {

struct XrtDeviceName {
  unsigned int index;
  std::string bdf;
  std::string shell;
};

// What the identity kernel of an image says of it.
struct XrtIdentity {
  std::uint64_t magic;
  std::uint32_t contract_version;
  std::uint32_t slots_max;
  std::string build_id;  // hex
  bool simulated;
};

// Runs a call into XRT. What it throws becomes an error: kBusy where another process holds the kernel, kGone where
// the device went away, else kIo; `what` names the attempt.
CardResult<> xrt_try(const std::string& what, const std::function<void()>& call);

// Cards that XRT sees. Error kIo: XRT itself does not work here; the text says what to do.
CardResult<std::vector<XrtDeviceName>> xrt_devices();

// `selector`: a BDF ("0000:3b:00.1") or XRT's index ("0"). Errors: kNotFound (names what there is), kIo.
CardResult<xrt::device> open_xrt_device(const std::string& selector);

// One of an image's kernels, its registers found by the names of its arguments.
class XrtKernel {
 public:
  // Takes the kernel for this process. Errors: kBusy, kInvalid (the image has no such kernel), kIo.
  static CardResult<XrtKernel> open(const xrt::device& device, const xrt::xclbin& image, const std::string& name);

  // Registers of an argument; 64-bit ones are two. Errors: kInvalid (no such argument), kGone, kIo.
  CardResult<std::uint64_t> read(const std::string& argument) const;
  CardResult<> write(const std::string& argument, std::uint64_t value);
  // The memory bank that a pointer argument is wired to.
  CardResult<int> bank(const std::string& argument) const;

 private:
  XrtKernel(xrt::ip ip, std::vector<xrt::xclbin::arg> arguments, std::string name);
  const xrt::xclbin::arg* find(const std::string& argument) const;

  xrt::ip ip_;
  std::vector<xrt::xclbin::arg> arguments_;
  std::string name_;
};

struct XrtSession {
  xrt::device device;
  XrtIdentity identity;
  XrtKernel encrypt;
  XrtKernel decrypt;
  std::string uuid;
  std::string shell;
};

// Checks the file, compares its platform with the card's, loads it (XRT leaves an image that is already there alone),
// takes the kernels and compares UUID, magic and contract version, and the build id where `build_id` is not empty.
// Errors: those above; kWrongVersion when something differs.
CardResult<XrtSession> open_xrt_session(const std::string& selector, const std::string& image_path,
                                        const std::string& build_id);

}  // namespace tandem::driver
