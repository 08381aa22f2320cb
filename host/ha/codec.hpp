// SPDX-License-Identifier: Apache-2.0
// Frames of the sync channel to octets and back (sync.capnp). What comes in is bounded and checked field by
// field; nothing that is thrown below leaves. Serves N4; requirements STA-005..021, STA-031.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

#include "host/base/bytes.hpp"
#include "host/base/result.hpp"
#include "host/base/time.hpp"
#include "host/ha/records.hpp"

namespace tandem::ha {

// Bounds of what is decoded; one more is an error. They are bounds of what may be encoded, too.
constexpr std::size_t kFrameOctetsMax = 16u << 20;  // without the length in front
constexpr std::size_t kFrameLengthOctets = 4;
constexpr std::size_t kNameOctetsMax = 1024;  // any other text
constexpr std::size_t kConfigItemsMax = 4096;
constexpr std::size_t kCreditEntriesMax = 65536;  // a record; an active with more SAs sends several
constexpr std::size_t kFlowEntriesMax = 4096;     // a record
constexpr std::size_t kResponsesMax = 64;         // an IKE SA
constexpr std::size_t kChildrenMax = 1024;        // an IKE SA
constexpr std::size_t kSelectorsMax = 64;         // a side of a CHILD SA
constexpr std::size_t kKeyOctetsMax = 128;
constexpr std::size_t kMessageOctetsMax = 65535;
constexpr std::size_t kNonceOctetsMax = 256;
constexpr std::size_t kUsedTicketsMax = 4096;  // a record
constexpr std::size_t kTicketOctetsMax = 2048;
constexpr std::size_t kIdentityOctetsMax = 4096;
constexpr std::size_t kIdentityTextMax = 2 * kIdentityOctetsMax + 16;  // in hexadecimal, with its kind
constexpr std::size_t kTokenOctetsMax = 256;
constexpr std::uint8_t kMemberMax = 2;
constexpr Duration kMomentMax = std::chrono::hours(24 * 365 * 50);  // how far a moment may lie from now

struct RecordFrame {
  std::uint64_t number = 0;
  Record record;
};
struct AckFrame {
  std::uint64_t number = 0;
};
using Frame = std::variant<Hello, RecordFrame, AckFrame>;

// Each returns the whole frame, length included. Temporary copies are wiped; the result may hold keys: wipe it.
Bytes encode_hello(const Hello& hello);
Bytes encode_record(TimePoint now, std::uint64_t number, const Record& record);
Bytes encode_ack(std::uint64_t number);

// `body`: one frame without its length. The error says which field is wrong, never its content.
Result<Frame, std::string> decode_frame(TimePoint now, ByteView body);

}  // namespace tandem::ha
