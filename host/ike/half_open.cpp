// SPDX-License-Identifier: Apache-2.0
// Half-open IKE SAs and cookies. RFC 7296 2.6.
#include "host/ike/half_open.hpp"

#include "host/crypto/hash.hpp"
#include "host/wire/writer.hpp"

namespace tandem::ike {

HalfOpen* HalfOpenTable::find(std::uint64_t spi_r) {
  const auto found = by_spi_.find(spi_r);
  return found == by_spi_.end() ? nullptr : &found->second;
}

HalfOpen* HalfOpenTable::find_request(const RequestHash& hash, const Endpoint& remote) {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return nullptr;
  HalfOpen* half_open = find(found->second);
  return half_open != nullptr && half_open->remote == remote ? half_open : nullptr;
}

void HalfOpenTable::add(HalfOpen half_open) {
  by_hash_[half_open.hash] = half_open.spi_r;
  by_age_.emplace_back(half_open.expires, half_open.spi_r);
  const std::uint64_t spi = half_open.spi_r;
  by_spi_.insert_or_assign(spi, std::move(half_open));
}

void HalfOpenTable::erase(std::uint64_t spi_r) {
  const auto found = by_spi_.find(spi_r);
  if (found == by_spi_.end()) return;
  const auto hash = by_hash_.find(found->second.hash);
  if (hash != by_hash_.end() && hash->second == spi_r) by_hash_.erase(hash);
  by_spi_.erase(found);
}

std::size_t HalfOpenTable::expire(TimePoint now) {
  std::size_t expired = 0;
  while (!by_age_.empty() && by_age_.front().first <= now) {
    if (by_spi_.contains(by_age_.front().second)) ++expired;
    erase(by_age_.front().second);
    by_age_.pop_front();
  }
  return expired;
}

TimePoint HalfOpenTable::next_deadline() const { return by_age_.empty() ? kNever : by_age_.front().first; }

void HalfOpenTable::clear() {
  by_spi_.clear();
  by_hash_.clear();
  by_age_.clear();
}

Bytes CookieJar::make(TimePoint now, ByteView nonce_i, const IpAddress& address, std::uint64_t spi_i) {
  if (now >= rotate_at_) {
    ++version_;
    SecretBytes secret(32);
    random_.fill(secret.mutable_view());
    secrets_[version_ % 2] = std::move(secret);
    rotate_at_ = now + kRotateAfter;
  }
  return compute(version_, nonce_i, address, spi_i);
}

bool CookieJar::verify(ByteView cookie, ByteView nonce_i, const IpAddress& address, std::uint64_t spi_i) const {
  if (cookie.empty()) return false;
  const std::uint8_t version = cookie.front();
  const bool known = version == version_ || version == static_cast<std::uint8_t>(version_ - 1);
  if (!known || secrets_[version % 2].empty()) return false;
  return equal_constant_time(cookie, compute(version, nonce_i, address, spi_i));
}

Bytes CookieJar::compute(std::uint8_t version, ByteView nonce_i, const IpAddress& address, std::uint64_t spi_i) const {
  wire::Writer writer;
  writer.bytes(address.view());
  writer.u64(spi_i);
  const SecretBytes sum = crypto::hmac(crypto::Hash::kSha256, secrets_[version % 2].view(), {nonce_i, writer.view()});
  Bytes cookie{version};
  cookie.insert(cookie.end(), sum.view().begin(), sum.view().end());
  return cookie;
}

}  // namespace tandem::ike
