// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/session_seam.hpp"

#include "sim/cluster/fault/newer_schema.hpp"

namespace tandem::sim {
namespace {

constexpr std::uint64_t kTooLow = 40;

// Takes whole frames off the front of `octets`. What cannot be read goes through `pass` as it is.
template <typename Visit, typename Pass>
void each_frame(TimePoint now, Bytes& octets, Visit visit, Pass pass) {
  std::size_t at = 0;
  while (octets.size() - at >= ha::kFrameLengthOctets) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < ha::kFrameLengthOctets; ++i) size = size << 8 | octets[at + i];
    if (octets.size() - at < ha::kFrameLengthOctets + size) break;
    auto frame = ha::decode_frame(now, ByteView(octets).subspan(at + ha::kFrameLengthOctets, size));
    if (frame) {
      visit(*frame);
    } else {
      pass(ByteView(octets).subspan(at, ha::kFrameLengthOctets + size));
    }
    at += ha::kFrameLengthOctets + size;
  }
  octets.erase(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(at));
}

void append(Bytes& to, ByteView more) { to.insert(to.end(), more.begin(), more.end()); }

}  // namespace

bool SessionSeam::idle() const {
  switch (mutant_) {
    case Mutant::kForgetfulStore:
    case Mutant::kNoSnapshotCredits:
    case Mutant::kLostUpsert:
    case Mutant::kForgedAck:
    case Mutant::kGatedAtOnce:
    case Mutant::kHandoverTooLow:
      return false;
    default:
      return true;
  }
}

bool SessionSeam::change_out(ha::Record& record) const {
  auto* handover = std::get_if<ha::Handover>(&record);
  if (mutant_ != Mutant::kHandoverTooLow || handover == nullptr) return false;
  for (ha::CreditEntry& entry : handover->exact) {
    entry.out_limit = entry.out_limit > kTooLow ? entry.out_limit - kTooLow : 1;
    entry.in_bound = entry.in_bound > kTooLow ? entry.in_bound - kTooLow : 1;
  }
  return true;
}

bool SessionSeam::change_in(ha::Record& record) const {
  if (mutant_ == Mutant::kNoSnapshotCredits && std::holds_alternative<ha::Credits>(record)) {
    std::get<ha::Credits>(record).entries.clear();
  }
  if (mutant_ == Mutant::kLostUpsert && std::holds_alternative<ha::IkeUpsert>(record)) record = ha::SnapshotEnd{};
  return true;
}

void SessionSeam::append_out(Bytes& out, Bytes frame) const { append(out, newer_ ? from_the_future(frame) : frame); }

Bytes SessionSeam::outgoing(TimePoint now, Bytes octets, Bytes& forged) {
  if ((idle() && !newer_) || octets.empty()) return octets;
  Bytes out;
  std::uint64_t acknowledged = 0;
  const auto visit = [&](ha::Frame& frame) {
    if (auto* hello = std::get_if<ha::Hello>(&frame)) {
      if (mutant_ == Mutant::kForgetfulStore) hello->activations = {};
      if (newer_) ++hello->schema_version;
      append_out(out, ha::encode_hello(*hello));
    } else if (auto* record = std::get_if<ha::RecordFrame>(&frame)) {
      const bool wanted = mutant_ == Mutant::kForgedAck ? std::holds_alternative<ha::Credits>(record->record)
                                                        : std::holds_alternative<ha::IkeUpsert>(record->record);
      if (wanted) acknowledged = record->number;
      change_out(record->record);
      append_out(out, ha::encode_record(now, record->number, record->record));
    } else {
      append_out(out, ha::encode_ack(std::get<ha::AckFrame>(frame).number));
    }
  };
  each_frame(now, octets, visit, [&](ByteView raw) { append(out, raw); });
  const bool forges = mutant_ == Mutant::kForgedAck || mutant_ == Mutant::kGatedAtOnce;
  if (forges && acknowledged != 0) {
    forged = ha::encode_ack(acknowledged);
    forged_ = acknowledged;
  }
  return out;
}

Bytes SessionSeam::incoming(TimePoint now, const Bytes& octets) {
  if (idle()) return octets;
  append(incoming_, octets);
  Bytes in;
  const auto visit = [&](ha::Frame& frame) {
    if (auto* hello = std::get_if<ha::Hello>(&frame)) {
      append(in, ha::encode_hello(*hello));
    } else if (auto* record = std::get_if<ha::RecordFrame>(&frame)) {
      change_in(record->record);
      append(in, ha::encode_record(now, record->number, record->record));
    } else if (std::get<ha::AckFrame>(frame).number > forged_) {
      append(in, ha::encode_ack(std::get<ha::AckFrame>(frame).number));
    }
  };
  each_frame(now, incoming_, visit, [&](ByteView raw) { append(in, raw); });
  return in;
}

}  // namespace tandem::sim
