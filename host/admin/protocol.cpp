// SPDX-License-Identifier: Apache-2.0
#include "host/admin/protocol.hpp"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstring>

#include "host/admin/admin.capnp.h"

namespace tandem::admin {
namespace {

constexpr std::uint32_t kArgumentsMax = 16;

Bytes frame(capnp::MallocMessageBuilder& builder) {
  const auto words = capnp::messageToFlatArray(builder);
  const auto octets = words.asBytes();
  Bytes out(kLengthOctets + octets.size());
  const auto length = static_cast<std::uint32_t>(octets.size());
  for (std::size_t i = 0; i < kLengthOctets; ++i) out[i] = static_cast<std::uint8_t>(length >> (24 - 8 * i));
  std::memcpy(out.data() + kLengthOctets, octets.begin(), octets.size());
  return out;
}

// Runs `read` on the message's root; nothing when the octets are no message of that shape.
template <typename Schema, typename Value, typename Read>
std::optional<Value> decode(ByteView message, Read read) {
  if (message.empty() || message.size() % sizeof(capnp::word) != 0) return std::nullopt;
  auto words = kj::heapArray<capnp::word>(message.size() / sizeof(capnp::word));
  std::memcpy(words.asBytes().begin(), message.data(), message.size());
  std::optional<Value> value;
  const auto failed = kj::runCatchingExceptions([&] {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 2 * message.size() / sizeof(capnp::word) + 64;
    options.nestingLimit = 8;
    capnp::FlatArrayMessageReader reader(words, options);
    value = read(reader.getRoot<Schema>());
  });
  return failed == nullptr ? value : std::nullopt;
}

std::string to_text(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

}  // namespace

Bytes encode(const Request& request) {
  capnp::MallocMessageBuilder builder;
  auto root = builder.initRoot<schema::Request>();
  root.setCommand(request.command);
  auto arguments = root.initArguments(static_cast<unsigned>(request.arguments.size()));
  for (unsigned i = 0; i < arguments.size(); ++i) arguments.set(i, request.arguments[i]);
  return frame(builder);
}

Bytes encode(const Response& response) {
  capnp::MallocMessageBuilder builder;
  auto root = builder.initRoot<schema::Response>();
  root.setOk(response.ok);
  root.setError(response.error);
  root.setBody(response.body);
  if (capnp::computeSerializedSizeInWords(builder) * sizeof(capnp::word) > kMessageOctetsMax) {
    return encode(Response{false, "the answer is too long; ask for less, as with sa show", "{}"});
  }
  return frame(builder);
}

std::optional<Request> decode_request(ByteView message) {
  return decode<schema::Request, Request>(message, [](schema::Request::Reader root) -> std::optional<Request> {
    Request request{to_text(root.getCommand()), {}};
    if (root.getArguments().size() > kArgumentsMax) return std::nullopt;
    for (const auto argument : root.getArguments()) request.arguments.push_back(to_text(argument));
    return request;
  });
}

std::optional<Response> decode_response(ByteView message) {
  return decode<schema::Response, Response>(message, [](schema::Response::Reader root) -> std::optional<Response> {
    return Response{root.getOk(), to_text(root.getError()), to_text(root.getBody())};
  });
}

std::optional<std::size_t> announced_length(ByteView head) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthOctets; ++i) length = length << 8 | head[i];
  return length <= kMessageOctetsMax ? std::optional(length) : std::nullopt;
}

}  // namespace tandem::admin
