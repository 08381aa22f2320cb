// SPDX-License-Identifier: Apache-2.0
// Makes tandemd a member of a neighbouring schema version, for tests/interop/test_upgrade.py: linked in front of the
// sync channel's session (-Wl,--wrap), it rewrites what the member says. TANDEM_SCHEMA_STEP +1: announces the next
// version, and each struct has fields that nobody knows yet. -1: announces version 1, and says nothing that version 1
// had not. The product's code is untouched.
#include <boost/asio/io_context.hpp>
#include <utility>

#include "host/ha/codec.hpp"
#include "host/ha/io/tls_session.hpp"
#include "sim/cluster/fault/newer_schema.hpp"

namespace tandem::ha {
namespace {

constexpr int kStep = TANDEM_SCHEMA_STEP;
static_assert(kStep == 1 || kStep == -1);

// As version 1 would say it. A kind of record that it had not becomes one that means nothing: numbers stay whole.
void age(Record& record) {
  if (auto* upsert = std::get_if<IkeUpsert>(&record)) {
    upsert->state.remote_identity = {0, {}};
  } else if (auto* handover = std::get_if<Handover>(&record)) {
    handover->advance.clear();
  } else if (std::holds_alternative<Usage>(record) || std::holds_alternative<Flows>(record) ||
             std::holds_alternative<SecretsUpdate>(record) || std::holds_alternative<TicketsUsed>(record) ||
             std::holds_alternative<HandoverPrepare>(record) || std::holds_alternative<HandoverReady>(record)) {
    record = SnapshotEnd{};
  }
}

Bytes encoded(TimePoint now, Frame& frame) {
  if (auto* hello = std::get_if<Hello>(&frame)) {
    hello->schema_version = static_cast<std::uint32_t>(static_cast<int>(hello->schema_version) + kStep);
    return encode_hello(*hello);
  }
  if (auto* record = std::get_if<RecordFrame>(&frame)) {
    if (kStep < 0) age(record->record);
    return encode_record(now, record->number, record->record);
  }
  return encode_ack(std::get<AckFrame>(frame).number);
}

// `octets`: whole frames, as a SyncLink gives them out.
Bytes rewritten(ByteView octets) {
  const TimePoint now{std::chrono::hours(1000)};  // moments travel as what remains until them
  Bytes out;
  while (octets.size() >= kFrameLengthOctets) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < kFrameLengthOctets; ++i) size = size << 8 | octets[i];
    auto frame = decode_frame(now, octets.subspan(kFrameLengthOctets, size));
    TANDEM_ASSERT(frame);
    Bytes said = encoded(now, *frame);
    if (kStep > 0) said = sim::from_the_future(said);
    out.insert(out.end(), said.begin(), said.end());
    octets = octets.subspan(kFrameLengthOctets + size);
  }
  TANDEM_ASSERT(octets.empty());
  return out;
}

class MixedSession final : public TlsSession {
 public:
  explicit MixedSession(std::unique_ptr<TlsSession> session) : session_(std::move(session)) {}
  void send(Bytes octets) override { session_->send(rewritten(octets)); }
  void drop(const std::string& why, bool slowly) override { session_->drop(why, slowly); }
  bool is_up() const override { return session_->is_up(); }
  Result<void, std::string> reload() override { return session_->reload(); }
  CertificateFacts certificate() const override { return session_->certificate(); }
  std::optional<CertificateFacts> partner_certificate() const override { return session_->partner_certificate(); }

 private:
  std::unique_ptr<TlsSession> session_;
};

}  // namespace
}  // namespace tandem::ha

// The linker's names for start_tls_session() and for what takes its place.
#define TANDEM_START(prefix) \
  prefix##_ZN6tandem2ha17start_tls_sessionB5cxx11ERN5boost4asio10io_contextENS0_16TlsSessionConfigENS0_10TlsSession8HandlersERNS_3LogE

extern "C" {
tandem::Result<std::unique_ptr<tandem::ha::TlsSession>, std::string> TANDEM_START(__real_)(
    boost::asio::io_context& loop, tandem::ha::TlsSessionConfig config, tandem::ha::TlsSession::Handlers handlers,
    tandem::Log& log);

tandem::Result<std::unique_ptr<tandem::ha::TlsSession>, std::string> TANDEM_START(__wrap_)(
    boost::asio::io_context& loop, tandem::ha::TlsSessionConfig config, tandem::ha::TlsSession::Handlers handlers,
    tandem::Log& log) {
  auto made = TANDEM_START(__real_)(loop, std::move(config), std::move(handlers), log);
  if (!made) return made;
  return std::unique_ptr<tandem::ha::TlsSession>(std::make_unique<tandem::ha::MixedSession>(std::move(made).value()));
}
}
