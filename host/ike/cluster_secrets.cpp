// SPDX-License-Identifier: Apache-2.0
#include "host/ike/cluster_secrets.hpp"

#include <algorithm>

#include "host/base/result.hpp"
#include "host/crypto/hash.hpp"
#include "host/wire/writer.hpp"

namespace tandem::ike {
namespace {

SecretBytes random_secret(Random& random, std::size_t octets) {
  SecretBytes secret(octets);
  random.fill(secret.mutable_view());
  return secret;
}

CookieSecret clone(const CookieSecret& from) { return {from.version, from.secret.clone()}; }
TicketKey clone(const TicketKey& from) { return {from.id, from.made, from.born_activations, from.key.clone()}; }

// Ids are random, not counted: members that made keys apart must not give one id to two keys.
TicketKey new_ticket_key(Random& random, UnixSeconds now, const std::array<std::uint64_t, 2>& activations) {
  return {static_cast<std::uint32_t>(random.u64()), now, activations, random_secret(random, kTicketKeyOctets)};
}

Bytes compute(const CookieSecret& cookie, ByteView nonce_i, const IpAddress& address, std::uint64_t spi_i) {
  wire::Writer writer;
  writer.bytes(address.view());
  writer.u64(spi_i);
  const SecretBytes sum = crypto::hmac(crypto::Hash::kSha256, cookie.secret.view(), {nonce_i, writer.view()});
  Bytes octets{cookie.version};
  octets.insert(octets.end(), sum.view().begin(), sum.view().end());
  return octets;
}

}  // namespace

ClusterSecrets ClusterSecrets::clone() const {
  ClusterSecrets copy;
  copy.qcd = qcd.clone();
  for (std::size_t i = 0; i < cookies.size(); ++i) copy.cookies[i] = ike::clone(cookies[i]);
  for (std::size_t i = 0; i < tickets.size(); ++i) copy.tickets[i] = ike::clone(tickets[i]);
  return copy;
}

ClusterSecrets make_cluster_secrets(Random& random, UnixSeconds now, const std::array<std::uint64_t, 2>& activations) {
  ClusterSecrets secrets;
  secrets.qcd = random_secret(random, kQcdSecretOctets);
  secrets.cookies[0] = {1, random_secret(random, kCookieSecretOctets)};
  secrets.tickets[0] = new_ticket_key(random, now, activations);
  return secrets;
}

ClusterSecrets with_new_cookie(const ClusterSecrets& secrets, Random& random) {
  ClusterSecrets next = secrets.clone();
  next.cookies[1] = std::move(next.cookies[0]);
  next.cookies[0] = {static_cast<std::uint8_t>(next.cookies[1].version + 1),
                     random_secret(random, kCookieSecretOctets)};
  return next;
}

ClusterSecrets with_new_ticket_key(const ClusterSecrets& secrets, Random& random, UnixSeconds now,
                                   const std::array<std::uint64_t, 2>& activations) {
  ClusterSecrets next = secrets.clone();
  next.tickets[1] = std::move(next.tickets[0]);
  do {
    next.tickets[0] = new_ticket_key(random, now, activations);
  } while (next.tickets[0].id == next.tickets[1].id);
  return next;
}

std::uint64_t activations_of(const TicketKey& key, const std::array<std::uint64_t, 2>& activations) {
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < activations.size(); ++i) {
    if (activations[i] > key.born_activations[i]) most = std::max(most, activations[i] - key.born_activations[i]);
  }
  return most;
}

bool ticket_key_due(const ClusterSecrets& secrets, UnixSeconds now, const std::array<std::uint64_t, 2>& activations) {
  const TicketKey& key = secrets.tickets[0];
  return key.key.empty() || now >= key.made + kTicketKeyLife || key.made > now + kTicketKeyLife ||
         activations_of(key, activations) >= kTicketKeyActivations;
}

Bytes make_cookie(const ClusterSecrets& secrets, ByteView nonce_i, const IpAddress& address, std::uint64_t spi_i) {
  if (secrets.cookies[0].secret.empty()) return {};
  return compute(secrets.cookies[0], nonce_i, address, spi_i);
}

bool verify_cookie(const ClusterSecrets& secrets, ByteView cookie, ByteView nonce_i, const IpAddress& address,
                   std::uint64_t spi_i) {
  if (cookie.empty()) return false;
  for (const CookieSecret& known : secrets.cookies) {
    if (known.secret.empty() || known.version != cookie.front()) continue;
    return equal_constant_time(cookie, compute(known, nonce_i, address, spi_i));
  }
  return false;
}

Bytes crash_token(const ClusterSecrets& secrets, std::uint64_t spi_i, std::uint64_t spi_r) {
  TANDEM_ASSERT(!secrets.empty());
  wire::Writer writer;
  writer.u64(spi_i);
  writer.u64(spi_r);
  const SecretBytes sum = crypto::hmac(crypto::Hash::kSha256, secrets.qcd.view(), {writer.view()});
  return Bytes(sum.view().begin(), sum.view().end());
}

}  // namespace tandem::ike
