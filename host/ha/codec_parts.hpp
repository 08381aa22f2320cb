// SPDX-License-Identifier: Apache-2.0
// Inside the codec only: the readers and writers of single fields, and the IKE SA's part of the schema.
#pragma once

#include <capnp/message.h>

#include <cstdint>
#include <string>

#include "host/base/bytes.hpp"
#include "host/base/ip_address.hpp"
#include "host/base/time.hpp"
#include "host/ha/records.hpp"
#include "host/ha/sync.capnp.h"
#include "host/ike/state.hpp"

namespace tandem::ha::codec {

// A field that breaks a bound; thrown inside the codec only, decode_frame() makes it a value.
struct BadField {
  const char* what;
};
inline void require(bool condition, const char* what) {
  if (!condition) throw BadField{what};
}

inline ByteView view_of(capnp::Data::Reader data) { return {data.begin(), data.size()}; }
inline capnp::Data::Reader data_of(ByteView octets) { return {octets.data(), octets.size()}; }

std::string read_text(capnp::Text::Reader text, const char* what, std::size_t octets_max = kNameOctetsMax);
Bytes read_bytes(capnp::Data::Reader data, std::size_t octets_max, const char* what);
SecretBytes read_secret(capnp::Data::Reader data, const char* what);
IpAddress read_address(capnp::Data::Reader data, const char* what);
TimePoint read_moment(TimePoint now, schema::Moment::Reader moment, const char* what);
void write_moment(TimePoint now, schema::Moment::Builder moment, TimePoint when);

template <std::size_t kSize>
std::array<std::uint8_t, kSize> read_array(capnp::Data::Reader data, const char* what) {
  require(data.size() == kSize, what);
  std::array<std::uint8_t, kSize> out{};
  for (std::size_t i = 0; i < kSize; ++i) out[i] = data[i];
  return out;
}

crypto::Encr read_encr(std::uint16_t id, std::uint16_t key_bits);

// An IKE suite, which stands in several structs under the same names.
template <typename Builder>
void write_suite_of(Builder out, const ike::IkeSuite& suite) {
  out.setEncr(static_cast<std::uint16_t>(suite.encr));
  out.setKeyBits(suite.key_bits);
  out.setInteg(static_cast<std::uint16_t>(suite.integ));
  out.setPrf(static_cast<std::uint16_t>(suite.prf));
  out.setGroup(static_cast<std::uint16_t>(suite.group));
}
template <typename Reader>
ike::IkeSuite read_suite_of(Reader in) {
  const std::optional<crypto::Integ> integ = crypto::integ_from(in.getInteg());
  const std::optional<crypto::Prf> prf = crypto::prf_from(in.getPrf());
  const std::optional<crypto::Group> group = crypto::group_from(in.getGroup());
  require(integ.has_value(), "integrity algorithm");
  require(prf.has_value(), "PRF");
  require(group.has_value(), "group");
  const crypto::Encr encr = read_encr(in.getEncr(), in.getKeyBits());
  require(crypto::is_aead(encr) || *integ != crypto::Integ::kNone, "integrity algorithm");
  return {encr, in.getKeyBits(), *integ, *prf, *group};
}

void write_secrets(schema::ClusterSecrets::Builder out, const ike::ClusterSecrets& secrets);
ike::ClusterSecrets read_secrets(schema::ClusterSecrets::Reader in);
void write_used(TimePoint now, capnp::List<schema::UsedTicket>::Builder out, const std::vector<ike::UsedTicket>& used);
std::vector<ike::UsedTicket> read_used(TimePoint now, capnp::List<schema::UsedTicket>::Reader in);
void write_recovery(TimePoint now, schema::IkeSa::Builder out, const ike::IkeSaState& state);
void read_recovery(TimePoint now, schema::IkeSa::Reader in, ike::IkeSaState& state);

ike::IkeSaState read_ike_sa(TimePoint now, schema::IkeSa::Reader in);
void write_ike_sa(TimePoint now, schema::IkeSa::Builder out, const ike::IkeSaState& state);

}  // namespace tandem::ha::codec
