// SPDX-License-Identifier: Apache-2.0
// The Alveo backend of a build without XRT: every call says so.
#include "driver/xrt/xrt_admin.hpp"
#include "driver/xrt/xrt_card.hpp"

namespace tandem::driver {
namespace {

Failure<CardError> absent() {
  return {CardError{CardErrc::kNotFound,
                    "this build has no XRT support: install XRT (Debian: libxrt-dev, uuid-dev) and build again"}};
}

}  // namespace

CardResult<std::unique_ptr<Card>> open_xrt_card(const XrtOptions&) { return absent(); }
CardResult<std::vector<XrtCardSummary>> list_xrt_cards() { return absent(); }
CardResult<XrtImageSummary> inspect_xrt_image(const std::string&) { return absent(); }
CardResult<XrtImageSummary> flash_xrt_card(const std::string&, const std::string&) { return absent(); }
CardResult<> reset_xrt_card(const std::string&) { return absent(); }
CardResult<std::vector<XrtCheck>> validate_xrt_card(const std::string&, const std::string&) { return absent(); }

}  // namespace tandem::driver
