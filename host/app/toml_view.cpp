// SPDX-License-Identifier: Apache-2.0
#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>
// toml++ first: its forward declarations below must see the real types.
#include <charconv>
#include <filesystem>

#include "host/app/toml_view.hpp"

namespace tandem::app {

TomlView::TomlView(const toml::table& table, std::string file, std::string where)
    : table_(&table), file_(std::move(file)), where_(std::move(where)) {}

const toml::node* TomlView::find(const char* key) const {
  asked_.insert(key);
  return table_->get(key);
}

void TomlView::fail_at(const toml::node* node, const char* key, const std::string& what) const {
  const auto line = node != nullptr ? node->source().begin.line : table_->source().begin.line;
  const std::string name = where_.empty() ? key : where_ + "." + key;
  throw TomlError(file_ + ":" + std::to_string(line) + ": " + name + ": " + what);
}

void TomlView::fail(const char* key, const std::string& what) const { fail_at(table_->get(key), key, what); }

std::optional<std::string> TomlView::optional_text(const char* key) const {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto value = node->value_exact<std::string>();
  if (!value) fail_at(node, key, "must be a string");
  return *value;
}

std::string TomlView::text(const char* key) const {
  const auto value = optional_text(key);
  if (!value) fail_at(nullptr, key, "is missing");
  if (value->empty()) fail(key, "is empty");
  return *value;
}

std::string TomlView::path(const char* key) const {
  const std::filesystem::path given = text(key);
  return given.is_absolute() ? given.string() : (std::filesystem::path(file_).parent_path() / given).string();
}

std::vector<std::string> TomlView::texts(const char* key) const {
  const toml::node* node = find(key);
  if (node == nullptr) return {};
  if (node->is_string()) return {*node->value_exact<std::string>()};
  const toml::array* array = node->as_array();
  if (array == nullptr) fail_at(node, key, "must be a string or an array of strings");
  std::vector<std::string> result;
  for (const toml::node& element : *array) {
    const auto value = element.value_exact<std::string>();
    if (!value) fail_at(&element, key, "must hold strings only");
    result.push_back(*value);
  }
  return result;
}

std::int64_t TomlView::integer(const char* key, std::optional<std::int64_t> otherwise, std::int64_t least,
                               std::int64_t most) const {
  const toml::node* node = find(key);
  if (node == nullptr) {
    if (!otherwise) fail_at(nullptr, key, "is missing");
    return *otherwise;
  }
  const auto value = node->value_exact<std::int64_t>();
  if (!value || *value < least || *value > most) {
    fail_at(node, key, "must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return *value;
}

bool TomlView::boolean(const char* key, bool otherwise) const {
  const toml::node* node = find(key);
  if (node == nullptr) return otherwise;
  const auto value = node->value_exact<bool>();
  if (!value) fail_at(node, key, "must be true or false");
  return *value;
}

IpAddress TomlView::ip(const char* key) const {
  const auto address = IpAddress::parse(text(key));
  if (!address) fail(key, "is not an IP address");
  return *address;
}

IpPrefix TomlView::prefix(const char* key) const {
  const auto prefix = parse_prefix(text(key));
  if (!prefix) fail(key, "is not address/length");
  return *prefix;
}

Endpoint TomlView::endpoint(const char* key) const {
  const auto endpoint = parse_endpoint(text(key));
  if (!endpoint) fail(key, "is not address:port");
  return *endpoint;
}

TomlView TomlView::table(const char* key) const {
  auto view = optional_table(key);
  if (!view) fail_at(nullptr, key, "is missing");
  return *view;
}

std::optional<TomlView> TomlView::optional_table(const char* key) const {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const toml::table* table = node->as_table();
  if (table == nullptr) fail_at(node, key, "must be a table");
  return TomlView(*table, file_, where_.empty() ? key : where_ + "." + key);
}

std::vector<TomlView> TomlView::tables(const char* key) const {
  const toml::node* node = find(key);
  if (node == nullptr) return {};
  const toml::array* array = node->as_array();
  if (array == nullptr) fail_at(node, key, "must be an array of tables ([[...]])");
  std::vector<TomlView> result;
  for (const toml::node& element : *array) {
    const toml::table* table = element.as_table();
    if (table == nullptr) fail_at(&element, key, "must be an array of tables ([[...]])");
    result.emplace_back(*table, file_, where_.empty() ? key : where_ + "." + key);
  }
  return result;
}

void TomlView::reject_unknown() const {
  for (const auto& [key, node] : *table_) {
    if (!asked_.contains(std::string(key.str()))) fail_at(&node, std::string(key.str()).c_str(), "is not known here");
  }
}

bool parse_hex(std::string_view digits, std::span<std::uint8_t> out) {
  if (digits.size() != out.size() * 2) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const char* first = digits.data() + 2 * i;
    const auto [end, error] = std::from_chars(first, first + 2, out[i], 16);
    if (error != std::errc{} || end != first + 2) return false;
  }
  return true;
}

}  // namespace tandem::app
