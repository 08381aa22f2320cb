// SPDX-License-Identifier: Apache-2.0
// The Card over an Alveo: registers, tables and rings in card memory behind one XRT buffer, the kernels told where it
// lies through their registers. This header names no XRT type: whatever uses it builds without XRT.
#pragma once

#include <memory>
#include <string>

#include "driver/card.hpp"

namespace tandem::driver {

struct XrtOptions {
  std::string device;    // BDF, or XRT's index
  std::string image;     // xclbin file
  std::string build_id;  // hex; empty: any build of this contract version
  // TAP of each port, for the frames between the card and the host's stack; both empty: none, such frames are visited
  // like other punts.
  std::string tap_outer;
  std::string tap_inner;
};

// Loads the image where it is not loaded, takes the card, starts its kernels and sees that they work and that its clock
// goes as fast as the host's (some 50 ms). A card whose kernels already work on tables of this version is adopted with
// all that is in them, as a soft card is: a host that restarts finds its SAs. Closing leaves the kernels running.
// Errors: kBusy, kGone, kNotFound, kWrongVersion, kInvalid, kIo; each text says what to do.
CardResult<std::unique_ptr<Card>> open_xrt_card(const XrtOptions& options);

}  // namespace tandem::driver
