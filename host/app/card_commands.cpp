// SPDX-License-Identifier: Apache-2.0
#include "host/app/card_commands.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "driver/xrt/xrt_admin.hpp"

namespace tandem::app {
namespace {

using nlohmann::json;

json value_or_null(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

json to_json(const driver::XrtCardSummary& card) {
  json temperatures = json::object();
  for (const driver::CardTemperature& sensor : card.telemetry.temperatures) {
    temperatures[sensor.where] = value_or_null(sensor.celsius);
  }
  return {{"bdf", card.bdf},
          {"shell", card.shell},
          {"image", card.image.empty() ? json(nullptr) : json(card.image)},
          {"simulated", card.simulated},
          {"temperatures_c", temperatures},
          {"power_watts", value_or_null(card.telemetry.power_watts)}};
}

json to_json(const driver::XrtImageSummary& image) {
  return {{"image", image.uuid},        {"platform", image.platform}, {"contract_version", image.contract_version},
          {"build_id", image.build_id}, {"slots", image.slots},       {"simulated", image.simulated}};
}

std::string number(double value, const char* unit) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f %s", value, unit);
  return text;
}

std::string line(const std::string& name, const std::string& value) {
  return name + std::string(name.size() < 18 ? 18 - name.size() : 1, ' ') + value + "\n";
}

std::string to_text(const driver::XrtCardSummary& card, bool sensors) {
  std::string text = line("card", card.bdf) + line("shell", card.shell) +
                     line("image", card.image.empty() ? "not known (none, or another process loaded it)" : card.image) +
                     line("simulated", card.simulated ? "yes" : "no");
  if (!sensors) return text;
  const auto& power = card.telemetry.power_watts;
  text += line("power", power ? number(*power, "W") : "not available");
  for (const driver::CardTemperature& sensor : card.telemetry.temperatures) {
    text += line(sensor.where, sensor.celsius ? number(*sensor.celsius, "C") : "not available");
  }
  return text;
}

CardAnswer refused(const driver::CardError& error) { return {1, {}, error.text}; }

CardAnswer list_or_show(const CardCommand& command) {
  auto cards = driver::list_xrt_cards();
  if (!cards) return refused(cards.error());
  const bool show = command.action == "show";
  if (show) {
    std::erase_if(*cards, [&](const driver::XrtCardSummary& card) {
      return command.device != card.bdf && command.device != std::to_string(card.index);
    });
    if (cards->empty()) return {1, {}, "no card '" + command.device + "'; tandemctl card list names those there are"};
  }
  if (command.json) {
    json all = json::array();
    for (const auto& card : *cards) all.push_back(to_json(card));
    return {0, (show ? all[0] : all).dump(2) + "\n", {}};
  }
  if (cards->empty()) return {0, "no card that XRT sees\n", {}};
  std::string text;
  for (const auto& card : *cards) text += (text.empty() ? "" : "\n") + to_text(card, show);
  return {0, text, {}};
}

CardAnswer flash(const CardCommand& command, const Confirm& confirm) {
  auto file = driver::inspect_xrt_image(command.image);
  if (!file) return refused(file.error());
  const std::string question = "Load " + command.image + " (" + file->uuid + ", for " + file->platform + ") on card " +
                               command.device + "? What the card does now ends.";
  if (!command.confirmed && !confirm(question)) return {1, {}, "not confirmed; nothing was done"};
  auto flashed = driver::flash_xrt_card(command.device, command.image);
  if (!flashed) return refused(flashed.error());
  if (command.json) return {0, to_json(*flashed).dump(2) + "\n", {}};
  return {0,
          line("image", flashed->uuid) + line("platform", flashed->platform) +
              line("contract version", std::to_string(flashed->contract_version)) + line("build", flashed->build_id) +
              line("SA pairs", std::to_string(flashed->slots)) + line("simulated", flashed->simulated ? "yes" : "no"),
          {}};
}

CardAnswer reset(const CardCommand& command, const Confirm& confirm) {
  const std::string question =
      "Reset card " + command.device + "? Its image, tables and keys are lost, for every process.";
  if (!command.confirmed && !confirm(question)) return {1, {}, "not confirmed; nothing was done"};
  if (auto done = driver::reset_xrt_card(command.device); !done) return refused(done.error());
  return {0, command.json ? "{}\n" : "card " + command.device + " is reset; flash an image\n", {}};
}

CardAnswer validate(const CardCommand& command) {
  auto checks = driver::validate_xrt_card(command.device, command.image);
  if (!checks) return refused(checks.error());
  CardAnswer answer;
  json all = json::array();
  for (const driver::XrtCheck& check : *checks) {
    if (!check.good) answer.exit_code = 1;
    all.push_back({{"check", check.name}, {"good", check.good}, {"text", check.text}});
    answer.output += std::string(check.good ? "ok    " : "FAIL  ") + check.name + ": " + check.text + "\n";
  }
  if (command.json) answer.output = all.dump(2) + "\n";
  if (answer.exit_code != 0) answer.error = "the card is not sound";
  return answer;
}

}  // namespace

CardAnswer run_card_command(const CardCommand& command, const Confirm& confirm) {
  if (command.action == "list" || command.action == "show") return list_or_show(command);
  if (command.action == "flash") return flash(command, confirm);
  if (command.action == "reset") return reset(command, confirm);
  return validate(command);
}

}  // namespace tandem::app
