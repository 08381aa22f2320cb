// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/telemetry.hpp"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace tandem::driver {
namespace {

using nlohmann::json;

constexpr std::size_t kReadingsMax = 64;

json parse(const std::string& document) { return json::parse(document, nullptr, false); }

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// A number that stands as text, whole; nothing for "N/A" and the like.
std::optional<double> number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || object.contains("error_msg")) {
    return std::nullopt;
  }
  if (found->is_number()) {
    return found->get<double>();
  }
  const std::string digits = text(object, key);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

CardTelemetry parse_telemetry(const std::string& thermal, const std::string& electrical) {
  CardTelemetry telemetry;
  const json temperatures = parse(thermal);
  if (temperatures.is_object() && temperatures.contains("thermals") && temperatures["thermals"].is_array()) {
    for (const json& sensor : temperatures["thermals"]) {
      if (!sensor.is_object() || telemetry.temperatures.size() == kReadingsMax) {
        continue;
      }
      std::string name = text(sensor, "location_id");
      const bool present = text(sensor, "is_present") == "true";
      telemetry.temperatures.push_back({std::move(name), present ? number(sensor, "temp_C") : std::nullopt});
    }
  }
  const json power = parse(electrical);
  if (power.is_object()) {
    telemetry.power_watts = number(power, "power_consumption_watts");
  }
  return telemetry;
}

}  // namespace tandem::driver
