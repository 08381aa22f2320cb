// SPDX-License-Identifier: Apache-2.0
// What an operator does to an Alveo beside the daemon: list, look at, load an image, reset, validate. Names no XRT
// type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "driver/card.hpp"

namespace tandem::driver {

struct XrtCardSummary {
  unsigned int index;  // of XRT's
  std::string bdf;
  std::string shell;
  std::string image;  // UUID of what is loaded, as this process sees it; empty: none that it knows
  bool simulated;     // the shell of a simulated device
  CardTelemetry telemetry;
};

struct XrtImageSummary {
  std::string uuid;
  std::string platform;
  std::uint32_t contract_version;
  std::string build_id;
  std::uint32_t slots;
  bool simulated;
};

struct XrtCheck {
  std::string name;
  bool good;
  std::string text;
};

// Cards that XRT sees, without taking any. Error kIo: XRT does not work here.
CardResult<std::vector<XrtCardSummary>> list_xrt_cards();

// What would be loaded, from the file alone. Errors: as read_image().
CardResult<XrtImageSummary> inspect_xrt_image(const std::string& image);

// Loads an image and verifies it as open_xrt_card() does. Whoever uses the card must have let go of it (kBusy).
CardResult<XrtImageSummary> flash_xrt_card(const std::string& device, const std::string& image);

// Resets the card: every process's buffers and the loaded image are lost.
CardResult<> reset_xrt_card(const std::string& device);

// Takes the card, looks at identity, tables, clock, transfers and sensors, and lets go. Changes nothing that stands
// in the card's tables. Error: what kept it from looking at all.
CardResult<std::vector<XrtCheck>> validate_xrt_card(const std::string& device, const std::string& image);

}  // namespace tandem::driver
