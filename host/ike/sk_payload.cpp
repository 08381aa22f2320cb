// SPDX-License-Identifier: Apache-2.0
// Seals and opens SK payloads. RFC 7296 3.14, RFC 5282 3; N1.
#include "host/ike/sk_payload.hpp"

#include "host/crypto/cipher.hpp"
#include "host/wire/encode.hpp"

namespace tandem::ike {
namespace {

constexpr std::uint64_t kIvCounterMax = (std::uint64_t{1} << 48) - 1;

Result<Bytes, OpenError> decrypt(const SkKeys& keys, ByteView message, const wire::SkPayload& sk) {
  const ByteView head = message.first(sk.body_offset);
  const ByteView body = message.subspan(sk.body_offset, sk.body_octets);
  const crypto::Encr encr = keys.suite.encr;
  const std::size_t iv_size = crypto::iv_octets(encr);
  if (crypto::is_aead(encr)) {
    if (body.size() < iv_size + crypto::icv_octets(encr) + 1) return Failure{OpenError{}};
    auto plain = crypto::aead_open(encr, keys.encr.view(), body.first(iv_size), head, body.subspan(iv_size));
    if (!plain) return Failure{OpenError{OpenErrc::kBadIcv, {}}};
    return std::move(plain).value();
  }
  const std::size_t icv_size = crypto::icv_octets(keys.suite.integ);
  if (body.size() < iv_size + icv_size + crypto::block_octets(encr)) return Failure{OpenError{}};
  const ByteView cipher = body.subspan(iv_size, body.size() - iv_size - icv_size);
  if (cipher.size() % crypto::block_octets(encr) != 0) return Failure{OpenError{}};
  if (!crypto::integrity_verify(keys.suite.integ, keys.integ.view(), {message.first(message.size() - icv_size)},
                                body.last(icv_size))) {
    return Failure{OpenError{OpenErrc::kBadIcv, {}}};
  }
  auto plain = crypto::cbc_decrypt(keys.encr.view(), body.first(iv_size), cipher);
  if (!plain) return Failure{OpenError{OpenErrc::kBadIcv, {}}};
  return std::move(plain).value();
}

}  // namespace

Bytes IvSource::next(crypto::Encr encr) {
  if (!crypto::is_aead(encr)) {
    Bytes iv(crypto::iv_octets(encr));
    random_.fill(iv);
    return iv;
  }
  ++counter_;
  TANDEM_ASSERT(counter_ < kIvCounterMax);
  const std::uint64_t value = std::uint64_t{incarnation_} << 48 | counter_;
  Bytes iv;
  for (int shift = 56; shift >= 0; shift -= 8) iv.push_back(static_cast<std::uint8_t>(value >> shift));
  return iv;
}

SkKeys keys_from_initiator(const IkeSuite& suite, const IkeKeys& keys) { return {suite, keys.sk_ei, keys.sk_ai}; }
SkKeys keys_from_responder(const IkeSuite& suite, const IkeKeys& keys) { return {suite, keys.sk_er, keys.sk_ar}; }

Bytes seal(const SkKeys& keys, const wire::IkeHeader& header, const std::vector<wire::Payload>& payloads,
           IvSource& ivs) {
  wire::Chain chain = wire::encode_payloads(payloads);
  const crypto::Encr encr = keys.suite.encr;
  const bool aead = crypto::is_aead(encr);
  const std::size_t block = crypto::block_octets(encr);
  const std::size_t padding = (block - (chain.octets.size() + 1) % block) % block;
  chain.octets.insert(chain.octets.end(), padding, 0);
  chain.octets.push_back(static_cast<std::uint8_t>(padding));
  const Bytes iv = ivs.next(encr);
  const std::size_t icv_size = aead ? crypto::icv_octets(encr) : crypto::icv_octets(keys.suite.integ);
  Bytes message = wire::encode_sk_head(header, chain.first, iv.size() + chain.octets.size() + icv_size);
  auto cipher = aead ? crypto::aead_seal(encr, keys.encr.view(), iv, message, chain.octets)
                     : crypto::cbc_encrypt(keys.encr.view(), iv, chain.octets);
  wipe(chain.octets.data(), chain.octets.size());
  TANDEM_ASSERT(cipher.ok());
  message.insert(message.end(), iv.begin(), iv.end());
  message.insert(message.end(), cipher.value().begin(), cipher.value().end());
  if (!aead) {
    const Bytes icv = crypto::integrity_sum(keys.suite.integ, keys.integ.view(), {message});
    message.insert(message.end(), icv.begin(), icv.end());
  }
  return message;
}

Result<std::vector<wire::Payload>, OpenError> open(const SkKeys& keys, ByteView message) {
  const auto outer = wire::parse_message(message);
  if (!outer) return Failure{OpenError{}};
  const auto* sk = wire::find<wire::SkPayload>(outer->payloads);
  if (sk == nullptr) return Failure{OpenError{}};
  auto plain = decrypt(keys, message, *sk);
  if (!plain) return Failure{plain.error()};
  const std::size_t trailer = std::size_t{plain.value().back()} + 1;
  if (trailer > plain.value().size()) return Failure{OpenError{OpenErrc::kBadSyntax, {}}};
  auto inner = wire::parse_payloads(sk->first_inner, ByteView(*plain).first(plain.value().size() - trailer));
  wipe(plain.value().data(), plain.value().size());
  if (!inner) {
    const bool critical = inner.error().cause == wire::ParseCause::kUnsupportedCritical;
    return Failure{OpenError{critical ? OpenErrc::kUnsupportedCritical : OpenErrc::kBadSyntax, inner.error().payload}};
  }
  return std::move(inner).value();
}

}  // namespace tandem::ike
