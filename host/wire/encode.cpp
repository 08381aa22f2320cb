// SPDX-License-Identifier: Apache-2.0
#include "host/wire/encode.hpp"

#include "host/wire/writer.hpp"

namespace tandem::wire {
namespace {

// A count that has to fit its field of one octet.
std::uint8_t small(std::size_t count) {
  TANDEM_ASSERT(count <= 0xff);
  return static_cast<std::uint8_t>(count);
}

void encode_transform(Writer& writer, const Transform& transform, bool last) {
  const std::size_t start = writer.size();
  writer.u8(last ? 0 : 3);
  writer.u8(0);
  writer.u16(0);
  writer.u8(static_cast<std::uint8_t>(transform.type));
  writer.u8(0);
  writer.u16(transform.id);
  if (transform.key_bits) {
    writer.u16(0x8000 | 14);
    writer.u16(*transform.key_bits);
  }
  writer.bytes(transform.other_attributes);
  writer.patch_u16(start + 2, writer.size() - start);
}

// How each payload writes what stands behind its generic header.
struct BodyEncoder {
  Writer& writer;

  void operator()(const SaPayload& sa) const {
    TANDEM_ASSERT(!sa.proposals.empty());
    for (const Proposal& proposal : sa.proposals) {
      const std::size_t start = writer.size();
      writer.u8(&proposal == &sa.proposals.back() ? 0 : 2);
      writer.u8(0);
      writer.u16(0);
      writer.u8(proposal.number);
      writer.u8(static_cast<std::uint8_t>(proposal.protocol));
      writer.u8(small(proposal.spi.size()));
      writer.u8(small(proposal.transforms.size()));
      writer.bytes(proposal.spi);
      for (const Transform& transform : proposal.transforms) {
        encode_transform(writer, transform, &transform == &proposal.transforms.back());
      }
      writer.patch_u16(start + 2, writer.size() - start);
    }
  }
  void operator()(const KePayload& ke) const {
    writer.u16(ke.group);
    writer.u16(0);
    writer.bytes(ke.data);
  }
  void operator()(const IdPayload& id) const {
    writer.u8(static_cast<std::uint8_t>(id.type));
    writer.bytes(id.reserved);
    writer.bytes(id.data);
  }
  void operator()(const CertPayload& cert) const {
    writer.u8(static_cast<std::uint8_t>(cert.encoding));
    writer.bytes(cert.data);
  }
  void operator()(const CertReqPayload& request) const {
    writer.u8(static_cast<std::uint8_t>(request.encoding));
    writer.bytes(request.authorities);
  }
  void operator()(const AuthPayload& auth) const {
    writer.u8(static_cast<std::uint8_t>(auth.method));
    writer.zeros(3);
    writer.bytes(auth.data);
  }
  void operator()(const NoncePayload& nonce) const {
    TANDEM_ASSERT(nonce.data.size() >= kNonceOctetsMin && nonce.data.size() <= kNonceOctetsMax);
    writer.bytes(nonce.data);
  }
  void operator()(const NotifyPayload& notify) const {
    writer.u8(static_cast<std::uint8_t>(notify.protocol));
    writer.u8(small(notify.spi.size()));
    writer.u16(static_cast<std::uint16_t>(notify.type));
    writer.bytes(notify.spi);
    writer.bytes(notify.data);
  }
  void operator()(const DeletePayload& deletion) const {
    const bool ike = deletion.protocol == ProtocolId::kIke;
    TANDEM_ASSERT(!ike || deletion.spis.empty());
    TANDEM_ASSERT(deletion.spis.size() <= kDeleteSpisMax);
    writer.u8(static_cast<std::uint8_t>(deletion.protocol));
    writer.u8(ike ? 0 : 4);
    writer.u16(static_cast<std::uint16_t>(deletion.spis.size()));
    for (const EspSpi spi : deletion.spis) writer.u32(to_u32(spi));
  }
  void operator()(const VendorPayload& vendor) const { writer.bytes(vendor.data); }
  void operator()(const TsPayload& ts) const {
    writer.u8(small(ts.selectors.size()));
    writer.zeros(3);
    for (const TrafficSelector& selector : ts.selectors) {
      TANDEM_ASSERT(selector.start.family == selector.end.family);
      writer.u8(static_cast<std::uint8_t>(selector.type()));
      writer.u8(selector.protocol);
      writer.u16(static_cast<std::uint16_t>(8 + 2 * selector.start.size()));
      writer.u16(selector.start_port);
      writer.u16(selector.end_port);
      writer.bytes(selector.start.view());
      writer.bytes(selector.end.view());
    }
  }
  void operator()(const CpPayload& cp) const {
    writer.u8(static_cast<std::uint8_t>(cp.type));
    writer.zeros(3);
    for (const CpAttribute& attribute : cp.attributes) {
      TANDEM_ASSERT(attribute.value.size() <= 0xffff);
      writer.u16(static_cast<std::uint16_t>(attribute.type));
      writer.u16(static_cast<std::uint16_t>(attribute.value.size()));
      writer.bytes(attribute.value);
    }
  }
  void operator()(const EapPayload& eap) const { writer.bytes(eap.data); }
  void operator()(const UnknownPayload& unknown) const { writer.bytes(unknown.data); }
  // Their octets are ciphertext: encode_sk_head() and encode_skf_head() are for them.
  void operator()(const SkPayload&) const { TANDEM_ASSERT(false); }
  void operator()(const SkfPayload&) const { TANDEM_ASSERT(false); }
};

PayloadType first_of(const std::vector<Payload>& payloads) {
  return payloads.empty() ? PayloadType::kNone : type_of(payloads.front());
}

void encode_chain(Writer& writer, const std::vector<Payload>& payloads) {
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    const std::size_t start = writer.size();
    const PayloadType next = i + 1 < payloads.size() ? type_of(payloads[i + 1]) : PayloadType::kNone;
    writer.u8(static_cast<std::uint8_t>(next));
    writer.u8(0);
    writer.u16(0);
    std::visit(BodyEncoder{writer}, payloads[i]);
    writer.patch_u16(start + 2, writer.size() - start);
  }
}

void encode_header(Writer& writer, const IkeHeader& header, PayloadType first, std::size_t length) {
  TANDEM_ASSERT(header.major_version < 16 && header.minor_version < 16);
  writer.u64(to_u64(header.spi_initiator));
  writer.u64(to_u64(header.spi_responder));
  writer.u8(static_cast<std::uint8_t>(first));
  writer.u8(static_cast<std::uint8_t>(header.major_version << 4 | header.minor_version));
  writer.u8(static_cast<std::uint8_t>(header.exchange));
  writer.u8(static_cast<std::uint8_t>((header.from_initiator ? 0x08 : 0) | (header.response ? 0x20 : 0)));
  writer.u32(to_u32(header.message_id));
  writer.u32(static_cast<std::uint32_t>(length));
}

Bytes encode_sealed_head(const IkeHeader& header, PayloadType type, PayloadType next, ByteView extra,
                         std::size_t body_octets) {
  const std::size_t payload = kPayloadHeaderOctets + extra.size() + body_octets;
  Writer writer;
  encode_header(writer, header, type, kIkeHeaderOctets + payload);
  writer.u8(static_cast<std::uint8_t>(next));
  writer.u8(0);
  writer.u16(0);
  writer.patch_u16(writer.size() - 2, payload);
  writer.bytes(extra);
  return writer.finish();
}

}  // namespace

PayloadType type_of(const Payload& payload) {
  struct Visitor {
    PayloadType operator()(const SaPayload&) const { return PayloadType::kSa; }
    PayloadType operator()(const KePayload&) const { return PayloadType::kKe; }
    PayloadType operator()(const IdPayload& id) const {
      return id.side == Side::kInitiator ? PayloadType::kIdInitiator : PayloadType::kIdResponder;
    }
    PayloadType operator()(const CertPayload&) const { return PayloadType::kCert; }
    PayloadType operator()(const CertReqPayload&) const { return PayloadType::kCertReq; }
    PayloadType operator()(const AuthPayload&) const { return PayloadType::kAuth; }
    PayloadType operator()(const NoncePayload&) const { return PayloadType::kNonce; }
    PayloadType operator()(const NotifyPayload&) const { return PayloadType::kNotify; }
    PayloadType operator()(const DeletePayload&) const { return PayloadType::kDelete; }
    PayloadType operator()(const VendorPayload&) const { return PayloadType::kVendor; }
    PayloadType operator()(const TsPayload& ts) const {
      return ts.side == Side::kInitiator ? PayloadType::kTsInitiator : PayloadType::kTsResponder;
    }
    PayloadType operator()(const CpPayload&) const { return PayloadType::kCp; }
    PayloadType operator()(const EapPayload&) const { return PayloadType::kEap; }
    PayloadType operator()(const SkPayload&) const { return PayloadType::kSk; }
    PayloadType operator()(const SkfPayload&) const { return PayloadType::kSkf; }
    PayloadType operator()(const UnknownPayload& unknown) const { return unknown.type; }
  };
  return std::visit(Visitor{}, payload);
}

const NotifyPayload* find_notify(const std::vector<Payload>& payloads, NotifyType type) {
  for (const Payload& payload : payloads) {
    const NotifyPayload* const notify = std::get_if<NotifyPayload>(&payload);
    if (notify != nullptr && notify->type == type) return notify;
  }
  return nullptr;
}

Bytes encode_message(const IkeHeader& header, const std::vector<Payload>& payloads) {
  Writer writer;
  encode_header(writer, header, first_of(payloads), 0);
  encode_chain(writer, payloads);
  writer.patch_u32(24, static_cast<std::uint32_t>(writer.size()));
  return writer.finish();
}

Chain encode_payloads(const std::vector<Payload>& payloads) {
  Writer writer;
  encode_chain(writer, payloads);
  return {first_of(payloads), writer.finish()};
}

Bytes encode_sk_head(const IkeHeader& header, PayloadType first_inner, std::size_t body_octets) {
  return encode_sealed_head(header, PayloadType::kSk, first_inner, {}, body_octets);
}

Bytes encode_skf_head(const IkeHeader& header, PayloadType first_inner, std::uint16_t number, std::uint16_t total,
                      std::size_t body_octets) {
  TANDEM_ASSERT(number != 0 && number <= total);
  Writer numbers;
  numbers.u16(number);
  numbers.u16(total);
  return encode_sealed_head(header, PayloadType::kSkf, number == 1 ? first_inner : PayloadType::kNone, numbers.view(),
                            body_octets);
}

Bytes encode_id_body(const IdPayload& id) {
  Writer writer;
  BodyEncoder{writer}(id);
  return writer.finish();
}

}  // namespace tandem::wire
