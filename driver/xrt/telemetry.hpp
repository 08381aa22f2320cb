// SPDX-License-Identifier: Apache-2.0
// A card's temperatures and power out of the JSON that xrt::device::get_info gives. A sensor that is absent or failed
// is there without a value: XRT writes "0" for it, which must not be taken for a reading.
#pragma once

#include <string>

#include "driver/card.hpp"

namespace tandem::driver {

// `thermal`, `electrical`: the documents of info::device::thermal and electrical; an empty or unreadable one adds
// nothing.
CardTelemetry parse_telemetry(const std::string& thermal, const std::string& electrical);

}  // namespace tandem::driver
