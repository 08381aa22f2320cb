// SPDX-License-Identifier: Apache-2.0
// Inside the codec only: the readers and writers of single fields, and the IKE SA's part of the schema.
#pragma once

#include <capnp/message.h>

#include <cstdint>
#include <string>

#include "host/base/bytes.hpp"
#include "host/base/ip_address.hpp"
#include "host/base/time.hpp"
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

std::string read_text(capnp::Text::Reader text, const char* what);
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

ike::IkeSaState read_ike_sa(TimePoint now, schema::IkeSa::Reader in);
void write_ike_sa(TimePoint now, schema::IkeSa::Builder out, const ike::IkeSaState& state);

}  // namespace tandem::ha::codec
