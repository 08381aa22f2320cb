// SPDX-License-Identifier: Apache-2.0
#include "host/app/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
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

constexpr int kNameWidth = 24;

// A member of an object, or null: a daemon of another version may leave keys out.
const json& at(const json& object, const char* key) {
  static const json null;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found == object.end() ? null : *found;
}

std::string text_at(const json& object, const char* key) { return scalar(at(object, key)); }

std::string joined(const json& list) {
  std::string text;
  for (const auto& item : list) text += (text.empty() ? "" : ",") + scalar(item);
  return text.empty() ? "-" : text;
}

bool holds_objects(const json& value) { return value.is_array() && !value.empty() && value.front().is_object(); }

// "key value" lines; nested objects and lists of objects indented below their name.
void lines(const json& object, int indent, std::string& out) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      out += fmt::format("{:{}}{}\n", "", indent, key);
      lines(value, indent + 2, out);
    } else if (holds_objects(value)) {
      for (const json& item : value) {
        out += fmt::format("{:{}}{}\n", "", indent, key);
        lines(item, indent + 2, out);
      }
    } else {
      const std::string text = value.is_array() ? joined(value) : scalar(value);
      out += fmt::format("{:{}}{:<{}} {}\n", "", indent, key, std::max(kNameWidth - indent, 1), text);
    }
  }
}

std::string sa_table(const json& sas) {
  if (sas.empty()) return "no IKE SAs\n";
  std::string out;
  for (const json& sa : sas) {
    out += fmt::format("{}  {}  {} === {}  spi {}_i {}_r  age {} s\n", text_at(sa, "peer"), text_at(sa, "phase"),
                       text_at(sa, "local"), text_at(sa, "remote"), text_at(sa, "spi_i"), text_at(sa, "spi_r"),
                       text_at(sa, "age_s"));
    for (const json& child : at(sa, "children")) {
      const auto number = [&child](const char* part, const char* key) {
        const json& value = at(at(child, part), key);
        return value.is_null() ? "0" : scalar(value);
      };
      out += fmt::format(
          "  {}  {}{}  in {} ({} packets, edge {})  out {} ({} packets, next {})  {} === {}\n", text_at(child, "name"),
          text_at(child, "phase"), at(child, "carries_outbound") == true ? "*" : "", text_at(child, "spi_in"),
          number("in", "packets"), number("in", "right_edge"), text_at(child, "spi_out"), number("out", "packets"),
          number("out", "next_sequence"), joined(at(child, "local_ts")), joined(at(child, "remote_ts")));
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
