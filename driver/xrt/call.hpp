// SPDX-License-Identifier: Apache-2.0
// Calls into XRT: what it throws becomes an error value with advice.
#pragma once

#include <functional>
#include <string>

#include "driver/card.hpp"

namespace tandem::driver {

// Runs a call into XRT. What it throws becomes an error: kBusy where another process holds the kernel, kGone where
// the device went away, kNotFound where there is none, else kIo; `what` names the attempt.
CardResult<> xrt_try(const std::string& what, const std::function<void()>& call);

}  // namespace tandem::driver
