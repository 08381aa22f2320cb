// SPDX-License-Identifier: Apache-2.0
// Tickets to octets and back, single use, keys of a resumed IKE SA. RFC 5723 5, 6.
#include "host/ike/ticket.hpp"

#include <algorithm>
#include <string_view>

#include "host/crypto/cipher.hpp"
#include "host/crypto/prf.hpp"
#include "host/ike/keys.hpp"
#include "host/wire/encode.hpp"
#include "host/wire/reader.hpp"
#include "host/wire/writer.hpp"

namespace tandem::ike {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kKeyIdOctets = 4;
constexpr std::size_t kIvOctets = 8;
constexpr std::uint64_t kActivationsHard = 1023;  // ten bits of an incarnation: the next would repeat (N1)

void write_text(wire::Writer& writer, ByteView octets) {
  writer.u16(static_cast<std::uint16_t>(octets.size()));
  writer.bytes(octets);
}

ByteView view_of(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

void write_identity(wire::Writer& writer, const Identity& identity) {
  writer.u8(identity.kind);
  write_text(writer, identity.data);
}

Identity read_identity(wire::Reader& reader) {
  Identity identity;
  identity.kind = reader.u8();
  identity.data = wire::to_bytes(reader.take(reader.u16()));
  return identity;
}

Bytes encode(const Ticket& ticket) {
  wire::Writer writer;
  writer.u8(kVersion);
  writer.bytes(ticket.id);
  writer.u64(ticket.expires);
  writer.u64(ticket.authenticated);
  writer.u64(ticket.spi_i);
  writer.u64(ticket.spi_r);
  write_text(writer, view_of(ticket.peer_name));
  write_identity(writer, ticket.client);
  write_identity(writer, ticket.gateway);
  writer.u16(static_cast<std::uint16_t>(ticket.suite.encr));
  writer.u16(ticket.suite.key_bits);
  writer.u16(static_cast<std::uint16_t>(ticket.suite.integ));
  writer.u16(static_cast<std::uint16_t>(ticket.suite.prf));
  writer.u16(static_cast<std::uint16_t>(ticket.suite.group));
  // Last, so that no growth of the buffer leaves a copy of it behind.
  write_text(writer, ticket.sk_d.view());
  return writer.finish();
}

std::optional<Ticket> decode(ByteView octets) {
  wire::Reader reader(octets);
  Ticket ticket;
  if (reader.u8() != kVersion) return std::nullopt;
  const ByteView id = reader.take(ticket.id.size());
  if (!reader.ok()) return std::nullopt;
  std::copy(id.begin(), id.end(), ticket.id.begin());
  ticket.expires = reader.u64();
  ticket.authenticated = reader.u64();
  ticket.spi_i = reader.u64();
  ticket.spi_r = reader.u64();
  const ByteView name = reader.take(reader.u16());
  ticket.peer_name.assign(name.begin(), name.end());
  ticket.client = read_identity(reader);
  ticket.gateway = read_identity(reader);
  const auto encr = crypto::encr_from(reader.u16());
  const std::uint16_t key_bits = reader.u16();
  const auto integ = crypto::integ_from(reader.u16());
  const auto prf = crypto::prf_from(reader.u16());
  const auto group = crypto::group_from(reader.u16());
  ticket.sk_d = SecretBytes(reader.take(reader.u16()));
  if (!reader.ok() || !reader.at_end() || !encr || !integ || !prf || !group) return std::nullopt;
  ticket.suite = {*encr, key_bits, *integ, *prf, *group};
  return ticket;
}

}  // namespace

std::optional<Bytes> seal_ticket(const ClusterSecrets& secrets, const std::array<std::uint64_t, 2>& activations,
                                 const Ticket& ticket, IvSource& ivs) {
  const TicketKey& key = secrets.tickets[0];
  if (key.key.empty() || activations_of(key, activations) >= kActivationsHard) return std::nullopt;
  if (ticket.client.data.size() > kTicketIdentityOctetsMax || ticket.gateway.data.size() > kTicketIdentityOctetsMax ||
      ticket.peer_name.size() > kTicketIdentityOctetsMax) {
    return std::nullopt;
  }
  wire::Writer writer;
  writer.u32(key.id);
  const Bytes iv = ivs.next(crypto::Encr::kAesGcm16);
  Bytes plain = encode(ticket);
  const auto sealed = crypto::aead_seal(crypto::Encr::kAesGcm16, key.key.view(), iv, writer.view(), plain);
  wipe(plain.data(), plain.size());
  TANDEM_ASSERT(sealed.ok());
  writer.bytes(iv);
  writer.bytes(sealed.value());
  return writer.finish();
}

std::optional<Ticket> open_ticket(const ClusterSecrets& secrets, ByteView octets) {
  if (octets.size() < kKeyIdOctets + kIvOctets) return std::nullopt;
  wire::Reader reader(octets);
  const std::uint32_t id = reader.u32();
  const ByteView iv = reader.take(kIvOctets);
  for (const TicketKey& key : secrets.tickets) {
    if (key.key.empty() || key.id != id) continue;
    auto plain = crypto::aead_open(crypto::Encr::kAesGcm16, key.key.view(), iv, octets.first(kKeyIdOctets),
                                   octets.subspan(kKeyIdOctets + kIvOctets));
    if (!plain) return std::nullopt;
    std::optional<Ticket> ticket = decode(plain.value());
    wipe(plain.value().data(), plain.value().size());
    return ticket;
  }
  return std::nullopt;
}

UnixSeconds ticket_key_end(const ClusterSecrets& secrets) { return secrets.tickets[0].made + 2 * kTicketKeyLife; }

void UsedTickets::add(const TicketId& id, TimePoint expires) {
  if (full() || !expiry_.try_emplace(id, expires).second) return;
  by_age_.emplace(expires, id);
}

void UsedTickets::expire(TimePoint now) {
  while (!by_age_.empty() && by_age_.begin()->first <= now) {
    expiry_.erase(by_age_.begin()->second);
    by_age_.erase(by_age_.begin());
  }
}

IkeKeys derive_resumed_ike_keys(const IkeSuite& suite, const SecretBytes& old_sk_d, ByteView nonce_i, ByteView nonce_r,
                                std::uint64_t spi_i, std::uint64_t spi_r) {
  static constexpr std::string_view kLabel = "Resumption";
  const SecretBytes skeyseed = crypto::prf(suite.prf, old_sk_d.view(), {view_of(kLabel), nonce_i, nonce_r});
  return expand_ike_keys(suite, skeyseed, {nonce_i, nonce_r}, spi_i, spi_r);
}

Bytes resumed_auth(crypto::Prf prf, ByteView real_message, ByteView other_nonce, const SecretBytes& sk_p,
                   const wire::IdPayload& id) {
  const Bytes id_body = wire::encode_id_body(id);
  const SecretBytes id_sum = crypto::prf(prf, sk_p.view(), id_body);
  const SecretBytes sum = crypto::prf(prf, sk_p.view(), {real_message, other_nonce, id_sum.view()});
  return Bytes(sum.view().begin(), sum.view().end());
}

}  // namespace tandem::ike
