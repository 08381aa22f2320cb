// SPDX-License-Identifier: Apache-2.0
// From an image that is loaded to kernels that work on tables.
#pragma once

#include <xrt/xrt_bo.h>

#include "driver/xrt/session.hpp"

namespace tandem::driver {

// Puts empty tables into `buffer` (card::memory_octets() of card memory) and starts the kernels on them; or adopts the
// tables with all that is in them where the kernels run on them already: a card lives on without its host. Then waits
// until packets go through both paths and the clock moves. Errors: kIo (kernels run on other memory, on tables of
// another version, or do not come up; the text names what stands and what to do), kGone.
CardResult<> bring_up(XrtSession& session, xrt::bo& buffer);

}  // namespace tandem::driver
