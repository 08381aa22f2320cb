// SPDX-License-Identifier: Apache-2.0
#include "host/crypto/dh.hpp"

#include <openssl/obj_mac.h>

#include "host/crypto/openssl.hpp"

namespace tandem::crypto {
namespace {

using openssl::BigNumber;
using openssl::BigNumberContext;
using openssl::Point;

enum class Kind { kModp, kEcp, kMontgomery };

Kind kind_of(Group group) {
  switch (group) {
    case Group::kModp2048:
    case Group::kModp3072:
    case Group::kModp4096:
      return Kind::kModp;
    case Group::kEcp256:
    case Group::kEcp384:
    case Group::kEcp521:
      return Kind::kEcp;
    case Group::kX25519:
    case Group::kX448:
      break;
  }
  return Kind::kMontgomery;
}

// Exponent sizes are the upper estimates of RFC 3526 8, rounded down to octets.
std::size_t private_octets(Group group) {
  switch (group) {
    case Group::kModp2048:
      return 40;
    case Group::kModp3072:
      return 52;
    case Group::kModp4096:
      return 60;
    default:
      return secret_octets(group);
  }
}

BigNumber number_of(ByteView octets) {
  return BigNumber(BN_bin2bn(octets.data(), static_cast<int>(octets.size()), nullptr));
}

// A private number: OpenSSL then takes its constant-time paths.
BigNumber secret_number_of(ByteView octets) {
  BigNumber number = number_of(octets);
  if (number) BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  return number;
}

BigNumber prime_of(Group group) {
  return BigNumber(group == Group::kModp2048   ? BN_get_rfc3526_prime_2048(nullptr)
                   : group == Group::kModp3072 ? BN_get_rfc3526_prime_3072(nullptr)
                                               : BN_get_rfc3526_prime_4096(nullptr));
}

// base ^ exponent mod p, left-padded to the modulus.
Result<SecretBytes, CryptoError> modp_power(Group group, const BIGNUM* base, ByteView exponent) {
  const BigNumberContext context(BN_CTX_secure_new());
  const BigNumber prime = prime_of(group);
  const BigNumber power = secret_number_of(exponent);
  const BigNumber result(BN_new());
  SecretBytes octets(public_octets(group));
  if (!context || !prime || !power || !result ||
      BN_mod_exp_mont_consttime(result.get(), base, power.get(), prime.get(), context.get(), nullptr) != 1 ||
      BN_bn2binpad(result.get(), octets.mutable_view().data(), static_cast<int>(octets.size())) < 0) {
    return Failure{CryptoError::kLibraryFailure};
  }
  return octets;
}

// 1 < value < p - 1 (RFC 6989 2.1).
bool modp_in_range(Group group, const BIGNUM* value) {
  const BigNumber limit = prime_of(group);
  if (!limit || BN_sub_word(limit.get(), 1) != 1) return false;
  return BN_cmp(value, BN_value_one()) > 0 && BN_cmp(value, limit.get()) < 0;
}

Result<SecretBytes, CryptoError> modp_public(Group group, ByteView private_value) {
  const BigNumber generator(BN_new());
  if (!generator || BN_set_word(generator.get(), 2) != 1) return Failure{CryptoError::kLibraryFailure};
  auto result = modp_power(group, generator.get(), private_value);
  // Exponents 0 and (p-1)/2 and so on would give the trivial values: refused here as in a peer.
  if (result && !modp_in_range(group, number_of(result->view()).get())) return Failure{CryptoError::kBadPublicValue};
  return result;
}

Result<SecretBytes, CryptoError> modp_derive(Group group, ByteView private_value, ByteView peer) {
  const BigNumber value = number_of(peer);
  if (!value) return Failure{CryptoError::kLibraryFailure};
  if (!modp_in_range(group, value.get())) return Failure{CryptoError::kBadPublicValue};
  return modp_power(group, value.get(), private_value);
}

openssl::Curve curve_of(Group group) {
  return openssl::Curve(EC_GROUP_new_by_curve_name(group == Group::kEcp256   ? NID_X9_62_prime256v1
                                                   : group == Group::kEcp384 ? NID_secp384r1
                                                                             : NID_secp521r1));
}

// x ‖ y of a point, each of the field's length.
Result<SecretBytes, CryptoError> coordinates(Group group, const EC_GROUP* curve, const EC_POINT* point,
                                             BN_CTX* context) {
  if (EC_POINT_is_at_infinity(curve, point) == 1) return Failure{CryptoError::kBadPublicValue};
  const BigNumber x(BN_new());
  const BigNumber y(BN_new());
  const auto field = static_cast<int>(secret_octets(group));
  SecretBytes octets(public_octets(group));
  std::uint8_t* const out = octets.mutable_view().data();
  if (!x || !y || EC_POINT_get_affine_coordinates(curve, point, x.get(), y.get(), context) != 1 ||
      BN_bn2binpad(x.get(), out, field) < 0 || BN_bn2binpad(y.get(), out + field, field) < 0) {
    return Failure{CryptoError::kLibraryFailure};
  }
  return octets;
}

// The scalar times the generator, as x ‖ y. kBadPublicValue for a scalar outside 1..n-1.
Result<SecretBytes, CryptoError> ecp_public(Group group, ByteView private_value) {
  const BigNumberContext context(BN_CTX_secure_new());
  const openssl::Curve curve = curve_of(group);
  const BigNumber scalar = secret_number_of(private_value);
  if (!context || !curve || !scalar) return Failure{CryptoError::kLibraryFailure};
  if (BN_is_zero(scalar.get()) || BN_cmp(scalar.get(), EC_GROUP_get0_order(curve.get())) >= 0) {
    return Failure{CryptoError::kBadPublicValue};
  }
  const Point point(EC_POINT_new(curve.get()));
  if (!point || EC_POINT_mul(curve.get(), point.get(), scalar.get(), nullptr, nullptr, context.get()) != 1) {
    return Failure{CryptoError::kLibraryFailure};
  }
  return coordinates(group, curve.get(), point.get(), context.get());
}

Result<SecretBytes, CryptoError> ecp_derive(Group group, ByteView private_value, ByteView peer) {
  const BigNumberContext context(BN_CTX_secure_new());
  const openssl::Curve curve = curve_of(group);
  const BigNumber scalar = secret_number_of(private_value);
  if (!context || !curve || !scalar) return Failure{CryptoError::kLibraryFailure};
  const std::size_t field = secret_octets(group);
  const BigNumber x = number_of(peer.first(field));
  const BigNumber y = number_of(peer.last(field));
  const Point peer_point(EC_POINT_new(curve.get()));
  const Point product(EC_POINT_new(curve.get()));
  if (!x || !y || !peer_point || !product) return Failure{CryptoError::kLibraryFailure};
  // Refuses coordinates at or above p and points off the curve. The cofactor of the NIST curves is 1, so a point on the
  // curve that is not infinity has the full order, and infinity has no affine form.
  if (EC_POINT_set_affine_coordinates(curve.get(), peer_point.get(), x.get(), y.get(), context.get()) != 1) {
    return Failure{CryptoError::kBadPublicValue};
  }
  if (EC_POINT_mul(curve.get(), product.get(), nullptr, peer_point.get(), scalar.get(), context.get()) != 1) {
    return Failure{CryptoError::kLibraryFailure};
  }
  const auto both = coordinates(group, curve.get(), product.get(), context.get());
  if (!both) return Failure{both.error()};
  return SecretBytes(both->view().first(field));
}

int montgomery_type(Group group) { return group == Group::kX25519 ? EVP_PKEY_X25519 : EVP_PKEY_X448; }

openssl::Key montgomery_key(Group group, ByteView private_value) {
  return openssl::Key(
      EVP_PKEY_new_raw_private_key(montgomery_type(group), nullptr, private_value.data(), private_value.size()));
}

Result<SecretBytes, CryptoError> montgomery_public(Group group, ByteView private_value) {
  const openssl::Key key = montgomery_key(group, private_value);
  SecretBytes octets(public_octets(group));
  std::size_t size = octets.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), octets.mutable_view().data(), &size) != 1) {
    return Failure{CryptoError::kLibraryFailure};
  }
  return octets;
}

Result<SecretBytes, CryptoError> montgomery_derive(Group group, ByteView private_value, ByteView peer) {
  const openssl::Key key = montgomery_key(group, private_value);
  const openssl::Key peer_key(EVP_PKEY_new_raw_public_key(montgomery_type(group), nullptr, peer.data(), peer.size()));
  if (!key || !peer_key) return Failure{CryptoError::kLibraryFailure};
  const openssl::KeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer_key.get()) != 1) {
    return Failure{CryptoError::kLibraryFailure};
  }
  SecretBytes octets(secret_octets(group));
  std::size_t size = octets.size();
  // OpenSSL fails here for an all-zero result; our own look at it does not lean on that.
  if (EVP_PKEY_derive(context.get(), octets.mutable_view().data(), &size) != 1 || size != octets.size()) {
    return Failure{CryptoError::kBadPublicValue};
  }
  if (octets == SecretBytes(octets.size())) return Failure{CryptoError::kBadPublicValue};
  return octets;
}

// Random octets reduced to 1..n-1: 64 bits more than the order keep the bias below 2^-64 (FIPS 186-5 A.2.1).
Result<SecretBytes, CryptoError> ecp_private(Group group, Random& random) {
  SecretBytes wide(private_octets(group) + 8);
  random.fill(wide.mutable_view());
  const BigNumberContext context(BN_CTX_secure_new());
  const openssl::Curve curve = curve_of(group);
  const BigNumber number = secret_number_of(wide.view());
  const BigNumber limit(curve ? BN_dup(EC_GROUP_get0_order(curve.get())) : nullptr);
  const BigNumber scalar(BN_secure_new());
  SecretBytes octets(private_octets(group));
  if (!context || !number || !limit || !scalar || BN_sub_word(limit.get(), 1) != 1 ||
      BN_mod(scalar.get(), number.get(), limit.get(), context.get()) != 1 || BN_add_word(scalar.get(), 1) != 1 ||
      BN_bn2binpad(scalar.get(), octets.mutable_view().data(), static_cast<int>(octets.size())) < 0) {
    return Failure{CryptoError::kLibraryFailure};
  }
  return octets;
}

Result<SecretBytes, CryptoError> public_of(Group group, ByteView private_value) {
  switch (kind_of(group)) {
    case Kind::kModp:
      return modp_public(group, private_value);
    case Kind::kEcp:
      return ecp_public(group, private_value);
    case Kind::kMontgomery:
      break;
  }
  return montgomery_public(group, private_value);
}

}  // namespace

Result<DhKey, CryptoError> DhKey::generate(Group group, Random& random) {
  const openssl::ErrorScope errors;
  if (kind_of(group) == Kind::kEcp) {
    const auto scalar = ecp_private(group, random);
    if (!scalar) return Failure{scalar.error()};
    return from_private(group, scalar->view());
  }
  SecretBytes octets(private_octets(group));
  random.fill(octets.mutable_view());
  // A set top bit fixes the exponent's length, and with it the time of the power; zero is excluded too.
  if (kind_of(group) == Kind::kModp) octets.mutable_view()[0] |= 0x80;
  return from_private(group, octets.view());
}

Result<DhKey, CryptoError> DhKey::from_private(Group group, ByteView private_value) {
  const openssl::ErrorScope errors;
  const bool fixed = kind_of(group) != Kind::kModp;
  if (private_value.empty() || private_value.size() > public_octets(group) ||
      (fixed && private_value.size() != private_octets(group))) {
    return Failure{CryptoError::kBadLength};
  }
  const auto value = public_of(group, private_value);
  if (!value) return Failure{value.error()};
  return DhKey(group, SecretBytes(private_value), Bytes(value->view().begin(), value->view().end()));
}

Result<SecretBytes, CryptoError> DhKey::derive(ByteView peer_public) const {
  const openssl::ErrorScope errors;
  if (peer_public.size() != public_octets(group_)) return Failure{CryptoError::kBadLength};
  switch (kind_of(group_)) {
    case Kind::kModp:
      return modp_derive(group_, private_.view(), peer_public);
    case Kind::kEcp:
      return ecp_derive(group_, private_.view(), peer_public);
    case Kind::kMontgomery:
      break;
  }
  return montgomery_derive(group_, private_.view(), peer_public);
}

}  // namespace tandem::crypto
