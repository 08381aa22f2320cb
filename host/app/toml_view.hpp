// SPDX-License-Identifier: Apache-2.0
// A TOML table with checked access: every complaint carries file, line and key. For start-up only, so
// mistakes are exceptions (TomlError).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/ip_prefix.hpp"

namespace toml {
inline namespace v3 {
class table;
class node;
}  // namespace v3
}  // namespace toml

namespace tandem::app {

class TomlError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class TomlView {
 public:
  // `where`: the table's name for messages. The table outlives the view.
  TomlView(const toml::table& table, std::string file, std::string where);

  std::string text(const char* key) const;
  std::optional<std::string> optional_text(const char* key) const;
  // A file name, relative ones against the configuration file's folder.
  std::string path(const char* key) const;
  std::vector<std::string> texts(const char* key) const;  // a string or an array of strings; empty when absent
  // Without a default the key is required. Bounds inclusive.
  std::int64_t integer(const char* key, std::optional<std::int64_t> otherwise, std::int64_t least,
                       std::int64_t most) const;
  bool boolean(const char* key, bool otherwise) const;
  IpAddress ip(const char* key) const;
  IpPrefix prefix(const char* key) const;
  Endpoint endpoint(const char* key) const;
  TomlView table(const char* key) const;
  std::optional<TomlView> optional_table(const char* key) const;
  std::vector<TomlView> tables(const char* key) const;  // [[key]]; empty when absent

  [[noreturn]] void fail(const char* key, const std::string& what) const;
  // Complains of the first key that nobody asked for.
  void reject_unknown() const;

 private:
  const toml::node* find(const char* key) const;
  [[noreturn]] void fail_at(const toml::node* node, const char* key, const std::string& what) const;

  const toml::table* table_;
  std::string file_;
  std::string where_;
  mutable std::set<std::string> asked_;
};

// Fills `out` from exactly 2 * out.size() hex digits.
bool parse_hex(std::string_view digits, std::span<std::uint8_t> out);

}  // namespace tandem::app
