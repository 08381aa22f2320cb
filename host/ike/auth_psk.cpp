// SPDX-License-Identifier: Apache-2.0
// AUTH by pre-shared key. RFC 7296 2.15.
#include "host/ike/auth_psk.hpp"

#include <string_view>

#include "host/crypto/prf.hpp"
#include "host/wire/encode.hpp"

namespace tandem::ike {

Bytes psk_auth(crypto::Prf prf, const SecretBytes& psk, ByteView real_message, ByteView other_nonce,
               const SecretBytes& sk_p, const wire::IdPayload& id) {
  static constexpr std::string_view kPad = "Key Pad for IKEv2";
  const Bytes pad(kPad.begin(), kPad.end());
  const Bytes id_body = wire::encode_id_body(id);
  const SecretBytes id_sum = crypto::prf(prf, sk_p.view(), id_body);
  const SecretBytes key = crypto::prf(prf, psk.view(), pad);
  const SecretBytes sum = crypto::prf(prf, key.view(), {real_message, other_nonce, id_sum.view()});
  const ByteView view = sum.view();
  return Bytes(view.begin(), view.end());
}

}  // namespace tandem::ike
