// SPDX-License-Identifier: Apache-2.0
#include "host/app/tables.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tandem::app {
namespace {

using nlohmann::json;

std::string scalar(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "-";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_float()) return fmt::format("{:.1f}", value.get<double>());
  return value.dump();
}

// "key: value" lines; nested objects indented below their name.
void lines(const json& object, int indent, std::string& out) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      out += fmt::format("{:{}}{}\n", "", indent, key);
      lines(value, indent + 2, out);
    } else {
      out += fmt::format("{:{}}{:<{}} {}\n", "", indent, key, 24 - indent, scalar(value));
    }
  }
}

std::string joined(const json& list) {
  std::string text;
  for (const auto& item : list) text += (text.empty() ? "" : ",") + scalar(item);
  return text;
}

std::string sa_table(const json& sas) {
  if (sas.empty()) return "no IKE SAs\n";
  std::string out;
  for (const json& sa : sas) {
    out += fmt::format("{}  {}  {} === {}  spi {}_i {}_r  age {} s\n", scalar(sa["peer"]), scalar(sa["phase"]),
                       scalar(sa["local"]), scalar(sa["remote"]), scalar(sa["spi_i"]), scalar(sa["spi_r"]),
                       scalar(sa["age_s"]));
    for (const json& child : sa["children"]) {
      const auto number = [&child](const char* part, const char* key) {
        return child.contains(part) ? scalar(child[part][key]) : "0";
      };
      out += fmt::format(
          "  {}  {}{}  in {} ({} packets, edge {})  out {} ({} packets, next {})  {} === {}\n", scalar(child["name"]),
          scalar(child["phase"]), child["carries_outbound"].get<bool>() ? "*" : "", scalar(child["spi_in"]),
          number("in", "packets"), number("in", "right_edge"), scalar(child["spi_out"]), number("out", "packets"),
          number("out", "next_sequence"), joined(child["local_ts"]), joined(child["remote_ts"]));
    }
  }
  return out;
}

}  // namespace

std::string to_table(const std::string& command, const json& body) {
  if (command == "sa.list" && body.is_array()) return sa_table(body);
  std::string out;
  if (body.is_array()) {
    for (const json& item : body) lines(item, 0, out);
  } else {
    lines(body, 0, out);
  }
  return out;
}

}  // namespace tandem::app
