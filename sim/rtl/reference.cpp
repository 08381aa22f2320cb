// SPDX-License-Identifier: Apache-2.0
#include "sim/rtl/reference.hpp"

#include <openssl/evp.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace tandem::sim {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

struct FreeAligned {
  void operator()(void* memory) const { std::free(memory); }
};

RtlResult openssl_seal(const RtlPacket& packet) {
  const std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context(EVP_CIPHER_CTX_new());
  const EVP_CIPHER* cipher = packet.key.size() == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
  RtlResult out = {Octets(packet.data.size()), Octets(card::kGcmTagOctets), false};
  Octets rest(card::kGcmTagOctets);
  int count = 0;
  const bool good =
      EVP_EncryptInit_ex(context.get(), cipher, nullptr, packet.key.data(), packet.nonce.data()) == 1 &&
      (packet.aad.empty() || EVP_EncryptUpdate(context.get(), nullptr, &count, packet.aad.data(),
                                               static_cast<int>(packet.aad.size())) == 1) &&
      (packet.data.empty() || EVP_EncryptUpdate(context.get(), out.data.data(), &count, packet.data.data(),
                                                static_cast<int>(packet.data.size())) == 1) &&
      EVP_EncryptFinal_ex(context.get(), rest.data(), &count) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(out.tag.size()), out.tag.data()) == 1;
  if (!good) {
    throw std::runtime_error("OpenSSL refused a packet");
  }
  return out;
}

}  // namespace

RtlResult native_answer(const card::GcmEngine& engine, const RtlPacket& packet) {
  const std::unique_ptr<void, FreeAligned> key(std::aligned_alloc(64, card::GcmEngine::key_octets()));
  engine.expand(packet.key.data(), packet.key.size() == 32, key.get());
  RtlResult out = {packet.data, Octets(card::kGcmTagOctets), false};
  out.data.resize(packet.data.size() + 64);  // the library reads whole registers
  card::GcmJob job = {};
  job.key = key.get();
  job.key256 = packet.key.size() == 32;
  job.data = out.data.data();
  job.octets = static_cast<std::uint32_t>(packet.data.size());
  job.tag = out.tag.data();
  job.aad_octets = static_cast<std::uint32_t>(packet.aad.size());
  std::copy(packet.nonce.begin(), packet.nonce.end(), job.nonce);
  std::copy(packet.aad.begin(), packet.aad.end(), job.aad);
  packet.seal ? engine.seal(&job, 1) : engine.open(&job, 1);
  out.data.resize(packet.data.size());
  return out;
}

RtlResult openssl_answer(const RtlPacket& packet) {
  RtlResult sealed = openssl_seal(packet);
  if (packet.seal) {
    return sealed;
  }
  // Counter mode is its own inverse: what a seal makes of the ciphertext is the plaintext, and sealing that again gives
  // the tag of the ciphertext.
  RtlPacket plain = packet;
  plain.data = sealed.data;
  return {sealed.data, openssl_seal(plain).tag, false};
}

}  // namespace tandem::sim
