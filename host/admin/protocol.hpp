// SPDX-License-Identifier: Apache-2.0
// Requests and responses of the control socket as values, and their octets (admin.capnp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/base/bytes.hpp"

namespace tandem::admin {

constexpr std::size_t kMessageOctetsMax = 16u << 20;
constexpr std::size_t kRequestOctetsMax = 64u << 10;
constexpr std::size_t kLengthOctets = 4;

struct Request {
  std::string command;
  std::vector<std::string> arguments;
};

struct Response {
  bool ok = false;
  std::string error;
  std::string body;  // JSON
};

// With the length in front. A response beyond kMessageOctetsMax becomes a refusal that says so.
Bytes encode(const Request& request);
Bytes encode(const Response& response);
// `message` without the length; nothing when malformed.
std::optional<Request> decode_request(ByteView message);
std::optional<Response> decode_response(ByteView message);
// The length that the first kLengthOctets announce; nothing when beyond kMessageOctetsMax.
std::optional<std::size_t> announced_length(ByteView head);

}  // namespace tandem::admin
