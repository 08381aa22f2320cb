// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/xrt_admin.hpp"

#include <algorithm>
#include <utility>

#include "driver/xrt/call.hpp"
#include "driver/xrt/image.hpp"
#include "driver/xrt/session.hpp"
#include "driver/xrt/telemetry.hpp"
#include "driver/xrt/xrt_card.hpp"

namespace tandem::driver {
namespace {

constexpr std::string_view kSimulatedShell = "tandem_simulated";
constexpr std::string_view kNoImage = "00000000-0000-0000-0000-000000000000";

std::string uuid_text(const std::array<std::uint8_t, 16>& uuid) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      text.push_back('-');
    }
    text.push_back(kHex[uuid[i] >> 4]);
    text.push_back(kHex[uuid[i] & 15]);
  }
  return text;
}

}  // namespace

CardResult<std::vector<XrtCardSummary>> list_xrt_cards() {
  auto devices = xrt_devices();
  if (!devices) {
    return Failure<CardError>{devices.error()};
  }
  std::vector<XrtCardSummary> cards;
  for (const XrtDeviceName& name : *devices) {
    XrtCardSummary card{name.index, name.bdf, name.shell, {}, name.shell.starts_with(kSimulatedShell), {}};
    std::string thermal;
    std::string electrical;
    static_cast<void>(xrt_try("card", [&] {
      const xrt::device device(name.index);
      card.image = device.get_xclbin_uuid().to_string();
      thermal = device.get_info<xrt::info::device::thermal>();
      electrical = device.get_info<xrt::info::device::electrical>();
    }));
    if (card.image == kNoImage) {
      card.image.clear();
    }
    card.telemetry = parse_telemetry(thermal, electrical);
    cards.push_back(std::move(card));
  }
  return cards;
}

CardResult<XrtImageSummary> inspect_xrt_image(const std::string& image) {
  auto file = read_image(image);
  if (!file) {
    return Failure<CardError>{file.error()};
  }
  return XrtImageSummary{uuid_text(file->uuid), file->platform, 0, {}, 0, false};
}

CardResult<XrtImageSummary> flash_xrt_card(const std::string& device, const std::string& image) {
  auto summary = inspect_xrt_image(image);
  if (!summary) {
    return summary;
  }
  auto session = open_xrt_session(device, image, {});
  if (!session) {
    return Failure<CardError>{session.error()};
  }
  summary->contract_version = session->identity.contract_version;
  summary->build_id = session->identity.build_id;
  summary->slots = session->identity.slots_max;
  summary->simulated = session->identity.simulated;
  return summary;
}

CardResult<> reset_xrt_card(const std::string& device) {
  auto opened = open_xrt_device(device);
  if (!opened) {
    return Failure<CardError>{opened.error()};
  }
  return xrt_try("reset of card " + device, [&] { opened->reset(); });
}

CardResult<std::vector<XrtCheck>> validate_xrt_card(const std::string& device, const std::string& image) {
  auto card = open_xrt_card({device, image, {}, {}, {}});
  if (!card) {
    return Failure<CardError>{card.error()};
  }
  std::vector<XrtCheck> checks;
  const CardInfo info = (*card)->info();
  checks.push_back({"identity", true,
                    "contract version " + std::to_string(info.contract_version) + ", build " + info.build_id + ", " +
                        std::to_string(info.slots) + " SA pairs"});
  const auto healthy = (*card)->health();
  checks.push_back({"transfers", healthy.ok(), healthy.ok() ? "the card's memory answers" : healthy.error().text});
  const std::uint64_t before = (*card)->now_ns();
  const auto settled = (*card)->settle();
  checks.push_back({"kernels", settled.ok(), settled.ok() ? "no batch hangs" : settled.error().text});
  const std::uint64_t after = (*card)->now_ns();
  checks.push_back({"clock", after > before, after > before ? "goes on" : "stands still: the lease could not run out"});
  const CardTelemetry telemetry = (*card)->telemetry();
  const auto readable =
      static_cast<std::size_t>(std::count_if(telemetry.temperatures.begin(), telemetry.temperatures.end(),
                                             [](const CardTemperature& sensor) { return sensor.celsius.has_value(); }));
  // A card without sensors works; the operator must know that nobody watches its temperature.
  checks.push_back({"sensors", true, readable != 0 ? std::to_string(readable) + " readable" : "not available"});
  return checks;
}

}  // namespace tandem::driver
