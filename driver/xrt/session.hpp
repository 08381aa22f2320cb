// SPDX-License-Identifier: Apache-2.0
// An opened Alveo: the device, the image on it, its kernels; all through XRT's public C++ API. Serves N6.
// No exception of XRT's leaves these functions.
#pragma once

#include <xrt/xrt_device.h>

#include <cstdint>
#include <string>
#include <vector>

#include "driver/card.hpp"
#include "driver/xrt/kernels.hpp"

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

// Cards that XRT sees. Error kIo: XRT itself does not work here; the text says what to do.
CardResult<std::vector<XrtDeviceName>> xrt_devices();

// `selector`: a BDF ("0000:3b:00.1") or XRT's index ("0"). Errors: kNotFound (names what there is), kIo.
CardResult<xrt::device> open_xrt_device(const std::string& selector);

struct XrtSession {
  xrt::device device;
  XrtIdentity identity;
  XrtKernels kernels;
  std::string uuid;
  std::string shell;
};

// Checks the file, compares its platform with the card's, loads it (XRT leaves an image that is already there alone),
// takes the kernels (it starts none) and compares UUID, magic and contract version, and the build id where `build_id`
// is not empty. Errors: those above; kWrongVersion when something differs.
CardResult<XrtSession> open_xrt_session(const std::string& selector, const std::string& image_path,
                                        const std::string& build_id);

}  // namespace tandem::driver
