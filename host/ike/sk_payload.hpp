// SPDX-License-Identifier: Apache-2.0
// Seals and opens SK payloads. RFC 7296 3.14, RFC 5282 3; requirements AUTH-005, AEAD-001..003. Serves N1: the IV of
// an AEAD is incarnation(16) | counter(48), never random, and its counter never goes back.
#pragma once

#include "host/base/random.hpp"
#include "host/base/result.hpp"
#include "host/ike/state.hpp"
#include "host/wire/parse.hpp"
#include "host/wire/payload.hpp"

namespace tandem::ike {

// One counter for all IKE SAs of the process: it is never reset, so no reset can be got wrong.
class IvSource {
 public:
  explicit IvSource(Random& random) : random_(random) {}
  void set_incarnation(std::uint16_t incarnation) { incarnation_ = incarnation; }
  // The next IV for a cipher: unique for AEADs, unpredictable for CBC.
  Bytes next(crypto::Encr encr);

 private:
  Random& random_;
  std::uint16_t incarnation_ = 0;
  std::uint64_t counter_ = 0;
};

// The keys of one direction.
struct SkKeys {
  const IkeSuite& suite;
  const SecretBytes& encr;
  const SecretBytes& integ;
};
SkKeys keys_from_initiator(const IkeSuite& suite, const IkeKeys& keys);
SkKeys keys_from_responder(const IkeSuite& suite, const IkeKeys& keys);

// A whole message, header on, with `payloads` inside SK.
Bytes seal(const SkKeys& keys, const wire::IkeHeader& header, const std::vector<wire::Payload>& payloads,
           IvSource& ivs);

enum class OpenErrc {
  kMalformed,            // outside the protection: drop
  kBadIcv,               // drop
  kBadSyntax,            // authentic, but not IKEv2: INVALID_SYNTAX
  kUnsupportedCritical,  // authentic, with a critical payload that we do not know
};
struct OpenError {
  OpenErrc code = OpenErrc::kMalformed;
  wire::PayloadType payload = wire::PayloadType::kNone;
};
// The payloads inside the SK payload of `message`, which is one whole message without marker.
Result<std::vector<wire::Payload>, OpenError> open(const SkKeys& keys, ByteView message);

}  // namespace tandem::ike
