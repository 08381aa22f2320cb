// SPDX-License-Identifier: Apache-2.0
// etcd's JSON gateway: 64-bit numbers are strings, keys and values base64, false and 0 are left out.
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "host/ha/io/etcd_client.hpp"

namespace tandem::ha {
namespace {

using nlohmann::json;

constexpr std::size_t kErrorTextMax = 200;
constexpr std::size_t kValueMax = 4096;
constexpr std::int64_t kTtlMax_s = 86'400;  // far more than is ever asked for

std::string to_base64(std::string_view text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string from_base64(const std::string& text) {
  if (text.size() % 4 != 0 || text.size() > kValueMax) return {};
  std::string out(text.size() / 4 * 3 + 1, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) return {};
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

// A member of an object, or null.
const json& at(const json& object, const char* name) {
  static const json null;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found == object.end() ? null : *found;
}

std::int64_t bounded(std::uint64_t number) { return number >> 63 != 0 ? 0 : static_cast<std::int64_t>(number); }

// 0: not there, or not a number that etcd can mean.
std::int64_t number_at(const json& object, const char* name) {
  const json& value = at(object, name);
  if (value.is_number_integer())
    return value.is_number_unsigned() ? bounded(value.get<std::uint64_t>()) : value.get<std::int64_t>();
  std::int64_t number = 0;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return 0;
  }
  return number;
}

std::string text_at(const json& object, const char* name) {
  const json& value = at(object, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

void take_range(const json& range, KeyAnswer& answer) {
  const json& kvs = at(range, "kvs");
  if (!kvs.is_array() || kvs.empty()) return;
  answer.present = true;
  answer.value = from_base64(text_at(kvs.front(), "value"));
  answer.mod_revision = number_at(kvs.front(), "mod_revision");
  answer.create_revision = number_at(kvs.front(), "create_revision");
}

// `of`: the lease that was asked about; 0: a new one.
WitnessReply read_lease(const json& answer, std::int64_t of) {
  LeaseAnswer lease;
  lease.id = number_at(answer, "ID");
  lease.ttl_s = number_at(answer, "TTL");
  if (lease.id == 0) return WitnessFailure{"an answer without a lease", false};
  if (of != 0 && lease.id != of) return WitnessFailure{"an answer about another lease", false};
  if (lease.ttl_s < 0 || lease.ttl_s > kTtlMax_s) {
    return WitnessFailure{"an answer with a time to live of " + std::to_string(lease.ttl_s) + " s", false};
  }
  return lease;
}

WitnessReply read_swap(const json& answer) {
  KeyAnswer key;
  key.swapped = at(answer, "succeeded") == true;
  const json& responses = at(answer, "responses");
  if (!responses.is_array() || responses.empty()) return WitnessFailure{"an answer without responses", false};
  for (const json& response : responses) take_range(at(response, "response_range"), key);
  return key;
}

}  // namespace

EtcdCall to_call(const WitnessAsk& ask, const std::string& key) {
  const json range{{"key", to_base64(key)}};
  if (const auto* grant = std::get_if<LeaseGrant>(&ask)) {
    return {"/v3/lease/grant", json{{"TTL", std::to_string(grant->ttl_s)}, {"ID", "0"}}.dump()};
  }
  if (const auto* keep = std::get_if<LeaseKeep>(&ask)) {
    return {"/v3/lease/keepalive", json{{"ID", std::to_string(keep->id)}}.dump()};
  }
  const auto* swap = std::get_if<KeySwap>(&ask);
  if (swap == nullptr) return {"/v3/kv/range", range.dump()};
  const json read{{"request_range", range}};
  const json change =
      swap->value.empty()
          ? json{{"request_delete_range", range}}
          : json{
                {"request_put",
                 {{"key", to_base64(key)}, {"value", to_base64(swap->value)}, {"lease", std::to_string(swap->lease)}}}};
  // A key that is not there has revision 0. The key is read back in either case: what was answered is what holds.
  const json body{{"compare", json::array({{{"key", to_base64(key)},
                                            {"target", "MOD"},
                                            {"result", "EQUAL"},
                                            {"mod_revision", std::to_string(swap->expected)}}})},
                  {"success", json::array({change, read})},
                  {"failure", json::array({read})}};
  return {"/v3/kv/txn", body.dump()};
}

WitnessReply read_answer(const WitnessAsk& ask, unsigned status, const std::string& body) {
  const json answer = json::parse(body, nullptr, false);
  if (answer.is_discarded() || !answer.is_object()) return WitnessFailure{"an answer that is no JSON", false};
  if (status != 200 || answer.contains("error")) {
    const json& error = at(answer, "error");
    std::string text = error.is_string() ? error.get<std::string>() : text_at(error, "message");
    text.resize(std::min(text.size(), kErrorTextMax));
    return WitnessFailure{"HTTP " + std::to_string(status) + " " + text,
                          text.find("lease not found") != std::string::npos};
  }
  if (std::holds_alternative<LeaseGrant>(ask)) return read_lease(answer, 0);
  // Renewal is a stream: its messages come wrapped.
  if (const auto* keep = std::get_if<LeaseKeep>(&ask)) return read_lease(at(answer, "result"), keep->id);
  if (std::holds_alternative<KeySwap>(ask)) return read_swap(answer);
  KeyAnswer key;
  take_range(answer, key);
  return key;
}

}  // namespace tandem::ha
