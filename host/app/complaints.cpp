// SPDX-License-Identifier: Apache-2.0
#include "host/app/complaints.hpp"

#include <utility>

namespace tandem::app {

void Complaints::warn(TimePoint now, const std::string& text) {
  if (second_ == TimePoint::min() || now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    told_ = 0;
    if (const auto untold = std::exchange(untold_, 0); untold != 0) {
      log_.warning(std::to_string(untold) + " more like the last ones");
    }
  }
  if (told_ == kPerSecond) {
    ++untold_;
    return;
  }
  ++told_;
  log_.warning(text);
}

}  // namespace tandem::app
