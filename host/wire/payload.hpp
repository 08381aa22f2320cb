// SPDX-License-Identifier: Apache-2.0
// IKEv2 messages and payloads as plain values. Equality is by content. RFC 7296 3, RFC 7383 2.5;
// requirements WIRE-001..017, FRAG-002.
#pragma once

#include <array>
#include <optional>
#include <variant>
#include <vector>

#include "host/base/bytes.hpp"
#include "host/base/ip_address.hpp"
#include "host/wire/ids.hpp"
#include "host/wire/numbers.hpp"

namespace tandem::wire {

// Octets of the fixed IKE header.
constexpr std::size_t kIkeHeaderOctets = 28;
// Octets of the generic payload header.
constexpr std::size_t kPayloadHeaderOctets = 4;
// The non-ESP marker in front of IKE on UDP port 4500; never part of what this folder parses (RFC 3948 2.2).
constexpr std::size_t kNonEspMarkerOctets = 4;

// Bounds of what is parsed; one more is ParseCause::kTooMany (or kTooLong for octets).
constexpr std::size_t kMessageOctetsMax = 65535;
constexpr std::size_t kPayloadsMax = 128;
constexpr std::size_t kProposalsMax = 32;
constexpr std::size_t kTransformsMax = 128;
constexpr std::size_t kTrafficSelectorsMax = 64;
constexpr std::size_t kNotifiesMax = 64;
constexpr std::size_t kCpAttributesMax = 64;
constexpr std::size_t kDeleteSpisMax = 1024;
constexpr std::size_t kIdOctetsMax = 4096;
constexpr std::size_t kNonceOctetsMin = 16;
constexpr std::size_t kNonceOctetsMax = 256;

struct IkeHeader {
  IkeSpi spi_initiator = IkeSpi::kNone;
  IkeSpi spi_responder = IkeSpi::kNone;
  PayloadType next_payload = PayloadType::kNone;  // encoders compute it
  std::uint8_t major_version = 2;
  std::uint8_t minor_version = 0;
  ExchangeType exchange = ExchangeType::kIkeSaInit;
  bool from_initiator = false;  // I: the sender is the original initiator of this IKE SA
  bool response = false;        // R
  MessageId message_id = MessageId::kZero;
  std::uint32_t length = 0;  // whole message; encoders compute it
  friend bool operator==(const IkeHeader&, const IkeHeader&) = default;
};

// Whose identity or selectors a payload holds.
enum class Side : std::uint8_t { kInitiator, kResponder };

// One alternative of one transform type. Not usable unless other_attributes is empty (WIRE-010).
struct Transform {
  TransformType type = TransformType::kEncr;
  std::uint16_t id = 0;
  std::optional<std::uint16_t> key_bits{};  // Key Length attribute
  Bytes other_attributes{};                 // raw attributes that Tandem does not know
  friend bool operator==(const Transform&, const Transform&) = default;
};

struct Proposal {
  std::uint8_t number = 1;
  ProtocolId protocol = ProtocolId::kIke;
  Bytes spi{};  // 0 or 8 octets for IKE, 4 for ESP
  std::vector<Transform> transforms{};
  friend bool operator==(const Proposal&, const Proposal&) = default;
};

struct SaPayload {
  std::vector<Proposal> proposals{};
  friend bool operator==(const SaPayload&, const SaPayload&) = default;
};

struct KePayload {
  std::uint16_t group = 0;
  Bytes data{};
  friend bool operator==(const KePayload&, const KePayload&) = default;
};

// `reserved` is kept because the AUTH octets cover it as received (AUTH-001).
struct IdPayload {
  Side side = Side::kInitiator;
  IdType type = IdType::kKeyId;
  Bytes data{};
  std::array<std::uint8_t, 3> reserved{};
  friend bool operator==(const IdPayload&, const IdPayload&) = default;
};

struct CertPayload {
  CertEncoding encoding = CertEncoding::kX509Signature;
  Bytes data{};
  friend bool operator==(const CertPayload&, const CertPayload&) = default;
};

// `authorities`: for X.509 the concatenated SHA-1 key identifiers, 20 octets each.
struct CertReqPayload {
  CertEncoding encoding = CertEncoding::kX509Signature;
  Bytes authorities{};
  friend bool operator==(const CertReqPayload&, const CertReqPayload&) = default;
};

struct AuthPayload {
  AuthMethod method = AuthMethod::kPsk;
  Bytes data{};
  friend bool operator==(const AuthPayload&, const AuthPayload&) = default;
};

// kNonceOctetsMin..kNonceOctetsMax octets.
struct NoncePayload {
  Bytes data{};
  friend bool operator==(const NoncePayload&, const NoncePayload&) = default;
};

struct NotifyPayload {
  NotifyType type = NotifyType::kInvalidSyntax;
  Bytes data{};
  ProtocolId protocol = ProtocolId::kNone;
  Bytes spi{};
  friend bool operator==(const NotifyPayload&, const NotifyPayload&) = default;
};

// `spis` is empty for protocol kIke.
struct DeletePayload {
  ProtocolId protocol = ProtocolId::kEsp;
  std::vector<EspSpi> spis{};
  friend bool operator==(const DeletePayload&, const DeletePayload&) = default;
};

struct VendorPayload {
  Bytes data{};
  friend bool operator==(const VendorPayload&, const VendorPayload&) = default;
};

constexpr std::uint8_t kAnyProtocol = 0;

// Packets of one protocol between two addresses, inclusive, and two ports, inclusive (host order). Both addresses have
// one family. OPAQUE ports are 65535..0. ICMP: ports hold type * 256 + code.
struct TrafficSelector {
  std::uint8_t protocol = kAnyProtocol;
  std::uint16_t start_port = 0;
  std::uint16_t end_port = 65535;
  IpAddress start{};
  IpAddress end{};

  TsType type() const { return start.family == Family::kIpv4 ? TsType::kIpv4Range : TsType::kIpv6Range; }
  friend bool operator==(const TrafficSelector&, const TrafficSelector&) = default;
};

// Selectors of unknown type are skipped by the parser, so the list may be empty: that is TS_UNACCEPTABLE.
struct TsPayload {
  Side side = Side::kInitiator;
  std::vector<TrafficSelector> selectors{};
  friend bool operator==(const TsPayload&, const TsPayload&) = default;
};

struct CpAttribute {
  CpAttributeType type = CpAttributeType::kInternalIp4Address;
  Bytes value{};
  friend bool operator==(const CpAttribute&, const CpAttribute&) = default;
};

struct CpPayload {
  CpType type = CpType::kRequest;
  std::vector<CpAttribute> attributes{};
  friend bool operator==(const CpPayload&, const CpPayload&) = default;
};

struct EapPayload {
  Bytes data{};
  friend bool operator==(const EapPayload&, const EapPayload&) = default;
};

// Where the protected part stands in the datagram: the AEAD's associated data is datagram[0, body_offset), the IV
// starts at body_offset, the ICV ends at body_offset + body_octets = the end of the message (AUTH-005, AEAD-001).
struct SkPayload {
  PayloadType first_inner = PayloadType::kNone;
  std::size_t body_offset = 0;
  std::size_t body_octets = 0;
  friend bool operator==(const SkPayload&, const SkPayload&) = default;
};

// As SkPayload; 1 <= number <= total. `first_inner` counts only in fragment 1.
struct SkfPayload {
  PayloadType first_inner = PayloadType::kNone;
  std::uint16_t number = 1;
  std::uint16_t total = 1;
  std::size_t body_offset = 0;
  std::size_t body_octets = 0;
  friend bool operator==(const SkfPayload&, const SkfPayload&) = default;
};

// A payload type that Tandem does not know, not marked critical: to be ignored.
struct UnknownPayload {
  PayloadType type = PayloadType::kNone;
  Bytes data{};
  friend bool operator==(const UnknownPayload&, const UnknownPayload&) = default;
};

using Payload =
    std::variant<SaPayload, KePayload, IdPayload, CertPayload, CertReqPayload, AuthPayload, NoncePayload, NotifyPayload,
                 DeletePayload, VendorPayload, TsPayload, CpPayload, EapPayload, SkPayload, SkfPayload, UnknownPayload>;

struct Message {
  IkeHeader header{};
  std::vector<Payload> payloads{};
  friend bool operator==(const Message&, const Message&) = default;
};

// The number that announces the payload in a chain.
PayloadType type_of(const Payload& payload);

// The first payload of kind P (SaPayload, ...), or null.
template <typename P>
const P* find(const std::vector<Payload>& payloads) {
  for (const Payload& payload : payloads) {
    if (const P* found = std::get_if<P>(&payload)) return found;
  }
  return nullptr;
}
// The first ID or TS payload of one side, or null.
template <typename P>
const P* find(const std::vector<Payload>& payloads, Side side) {
  for (const Payload& payload : payloads) {
    const P* found = std::get_if<P>(&payload);
    if (found != nullptr && found->side == side) return found;
  }
  return nullptr;
}
// The first notify of a type, or null.
const NotifyPayload* find_notify(const std::vector<Payload>& payloads, NotifyType type);

}  // namespace tandem::wire
