// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/fault/newer_schema.hpp"

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstring>
#include <vector>

#include "host/ha/codec.hpp"

namespace tandem::sim {
namespace {

constexpr unsigned kWordOctets = sizeof(capnp::word);

void copy(capnp::AnyPointer::Reader from, capnp::AnyPointer::Builder to);

void fill(capnp::AnyStruct::Reader from, capnp::AnyStruct::Builder to) {
  const auto old_data = from.getDataSection();
  auto data = to.getDataSection();
  std::memcpy(data.begin(), old_data.begin(), old_data.size());
  std::memset(data.begin() + old_data.size(), 0x5a, data.size() - old_data.size());
  const auto old_pointers = from.getPointerSection();
  auto pointers = to.getPointerSection();
  for (unsigned i = 0; i < old_pointers.size(); ++i) copy(old_pointers[i], pointers[i]);
  pointers[old_pointers.size()].setAs<capnp::Text>("of a later version");
}

std::uint16_t data_words(capnp::AnyStruct::Reader from) {
  return static_cast<std::uint16_t>(from.getDataSection().size() / kWordOctets);
}
std::uint16_t pointer_count(capnp::AnyStruct::Reader from) {
  return static_cast<std::uint16_t>(from.getPointerSection().size());
}

void copy_structs(capnp::List<capnp::AnyStruct>::Reader from, capnp::AnyPointer::Builder to) {
  if (from.size() == 0) return;
  auto list = to.initAsListOfAnyStruct(static_cast<std::uint16_t>(data_words(from[0]) + 1),
                                       static_cast<std::uint16_t>(pointer_count(from[0]) + 1), from.size());
  for (unsigned i = 0; i < from.size(); ++i) fill(from[i], list[i]);
}

void copy(capnp::AnyPointer::Reader from, capnp::AnyPointer::Builder to) {
  if (from.isStruct()) {
    const auto old = from.getAs<capnp::AnyStruct>();
    fill(old, to.initAsAnyStruct(static_cast<std::uint16_t>(data_words(old) + 1),
                                 static_cast<std::uint16_t>(pointer_count(old) + 1)));
  } else if (from.isList() && from.getAs<capnp::AnyList>().getElementSize() == capnp::ElementSize::INLINE_COMPOSITE) {
    copy_structs(from.getAs<capnp::AnyList>().as<capnp::List<capnp::AnyStruct>>(), to);
  } else {
    to.set(from);
  }
}

}  // namespace

Bytes from_the_future(ByteView frame) {
  const ByteView body = frame.subspan(ha::kFrameLengthOctets);
  std::vector<capnp::word> words(body.size() / kWordOctets);
  std::memcpy(words.data(), body.data(), words.size() * kWordOctets);
  capnp::FlatArrayMessageReader reader(kj::ArrayPtr<const capnp::word>(words.data(), words.size()));
  capnp::MallocMessageBuilder builder;
  copy(reader.getRoot<capnp::AnyPointer>(), builder.getRoot<capnp::AnyPointer>());
  const auto flat = capnp::messageToFlatArray(builder);
  const auto octets = flat.asBytes();
  Bytes out;
  for (unsigned shift = 32; shift > 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(octets.size() >> (shift - 8)));
  }
  out.insert(out.end(), octets.begin(), octets.end());
  return out;
}

}  // namespace tandem::sim
