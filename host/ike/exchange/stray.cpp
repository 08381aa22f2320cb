// SPDX-License-Identifier: Apache-2.0
// What comes unprotected: notifies of a peer that does not know an SA any more, which are hints and never more, and
// requests for SAs that we do not know, which are answered with care. RFC 7296 1.5, 2.4, 2.5, 2.21.4; RFC 6027 3.6;
// HA-012, IKE-008, IKE-029, ERR-003, WIRE-003.
#include <algorithm>

#include "host/ike/exchange/recovery.hpp"
#include "host/wire/encode.hpp"
#include "host/wire/parse.hpp"

namespace tandem::ike::exchange {
namespace {

constexpr Duration kHintInterval = std::chrono::seconds(10);   // between two checks of an SA for want of better reasons
constexpr Duration kSilentAtFirst = std::chrono::seconds(10);  // of a new speaker towards unknown SPIs
constexpr Duration kStraysAfterTakeover = std::chrono::seconds(30);

// One exchange tells whether the peer still has the SA; a request that is out serves as well.
bool check(Engine& engine, Turn& turn, LiveSa& sa) {
  if (sa.state.phase != IkePhase::kEstablished || turn.now < sa.hint_from) return false;
  sa.hint_from = turn.now + kHintInterval;
  engine.count(IkeCounter::kHintsChecked);
  if (Engine::idle(sa) && !engine.wants(sa, RequestKind::kLiveness, 0)) {
    engine.want(turn, sa, {RequestKind::kLiveness, 0, {}, turn.now, {}, 0});
  }
  return true;
}

std::uint32_t spi_of(const wire::NotifyPayload& payload) {
  std::uint32_t spi = 0;
  if (payload.data.size() != 4) return 0;
  for (const std::uint8_t octet : payload.data) spi = spi << 8 | octet;
  return spi;
}

// INVALID_SPI, one-way: the peer got ESP that it could not place. The IKE SA is asked; after a takeover the child too,
// by a rekey once the peer has shown that it is alive: only its protected CHILD_SA_NOT_FOUND takes the child down.
void hint_about_child(Engine& engine, Turn& turn, const Datagram& datagram, std::uint32_t spi_out) {
  if (spi_out == 0) return;
  for (const auto& [spi, sa] : engine.sas) {
    if (sa->gone || sa->state.remote.address != datagram.remote.address) continue;
    const ChildSaState* child = find_child_by_out(sa->state, spi_out);
    if (child == nullptr) continue;
    const std::uint32_t spi_in = child->spi_in;
    if (check(engine, turn, *sa) && turn.now < engine.taken_over_at + kStraysAfterTakeover) sa->doubted_child = spi_in;
    return;
  }
}

// INVALID_IKE_SPI, in answer to what we sent: proof with the peer's crash token; without it a hint, only while
// something of ours is out, and from where it went to.
void hint_about_ike(Engine& engine, Turn& turn, const wire::IkeHeader& header, const Datagram& datagram,
                    const Payloads& payloads) {
  const std::uint64_t spi_i = wire::to_u64(header.spi_initiator);
  const std::uint64_t spi_r = wire::to_u64(header.spi_responder);
  for (const std::uint64_t own : {spi_i, spi_r}) {
    LiveSa* sa = engine.find(LocalSpi{own});
    if (sa == nullptr || sa->state.spi_i != spi_i || sa->state.spi_r != spi_r) continue;
    if (header.from_initiator != sa->state.original_initiator && proves_crash(turn, *sa, payloads)) {
      engine.count(IkeCounter::kCrashesDetected);
      lose_sa(engine, turn, *sa, "the peer lost it in a crash", true);
      return;
    }
    if (sa->state.remote == datagram.remote) check(engine, turn, *sa);
    return;
  }
}

void send_unprotected(Engine& engine, Turn& turn, const wire::IkeHeader& request, const Datagram& datagram,
                      std::vector<wire::Payload> payloads) {
  wire::IkeHeader header;
  header.spi_initiator = request.spi_initiator;
  header.spi_responder = request.spi_responder;
  header.exchange = request.exchange;
  header.from_initiator = !request.from_initiator;
  header.response = true;
  header.message_id = request.message_id;
  engine.send_free(turn, datagram.local, datagram.remote, wire::encode_message(header, payloads));
}

}  // namespace

bool may_answer_stray(Engine& engine, const Turn& turn, const IpAddress& source) {
  if (turn.now >= engine.stray_sources_from + std::chrono::seconds(1)) {
    engine.stray_sources.clear();
    engine.stray_sources_from = turn.now;
  }
  return engine.stray_answers.allows(turn.now) && ++engine.stray_sources[source] <= kStrayAnswersPerSource;
}

bool is_unprotected_notify(const wire::IkeHeader& header) {
  const bool protected_exchange = header.exchange == wire::ExchangeType::kIkeAuth ||
                                  header.exchange == wire::ExchangeType::kCreateChildSa ||
                                  header.exchange == wire::ExchangeType::kInformational;
  return protected_exchange && header.next_payload == wire::PayloadType::kNotify;
}

void handle_unprotected(Engine& engine, Turn& turn, const wire::IkeHeader& header, const Datagram& datagram,
                        ByteView octets) {
  engine.count(IkeCounter::kHints);
  if (!engine.hints.allows(turn.now)) return;
  const auto payloads = wire::parse_payloads(header.next_payload, octets.subspan(wire::kIkeHeaderOctets));
  if (!payloads) {
    engine.count(IkeCounter::kMalformed);
    return;
  }
  if (const auto* spi = wire::find_notify(*payloads, wire::NotifyType::kInvalidSpi)) {
    hint_about_child(engine, turn, datagram, spi_of(*spi));
  } else if (header.response && wire::find_notify(*payloads, wire::NotifyType::kInvalidIkeSpi) != nullptr) {
    hint_about_ike(engine, turn, header, datagram, *payloads);
  }
}

void answer_unknown_spi(Engine& engine, Turn& turn, const wire::IkeHeader& header, const Datagram& datagram) {
  engine.count(IkeCounter::kUnknownSpi);
  // Never an answer to an answer, nor to what nobody protected. A member that has just begun to speak may not have
  // understood yet what it holds.
  const bool asked =
      !header.response && header.next_payload == wire::PayloadType::kSk && header.spi_responder != wire::IkeSpi::kNone;
  if (!asked) return;
  std::optional<wire::NotifyPayload> token = token_for_unknown(engine, turn.now, header);
  if (!token && turn.now < engine.speaks_since + kSilentAtFirst) return;
  if (!may_answer_stray(engine, turn, datagram.remote.address)) return;
  engine.count(IkeCounter::kUnknownAnswered);
  Payloads answer{notify(wire::NotifyType::kInvalidIkeSpi)};
  if (token) {
    engine.count(IkeCounter::kCrashTokensShown);
    answer.push_back(std::move(*token));
  }
  send_unprotected(engine, turn, header, datagram, std::move(answer));
}

void answer_wrong_version(Engine& engine, Turn& turn, const wire::IkeHeader& header, const Datagram& datagram) {
  engine.count(IkeCounter::kMalformed);
  if (header.major_version <= 2 || header.response || !may_answer_stray(engine, turn, datagram.remote.address)) return;
  engine.count(IkeCounter::kUnknownAnswered);
  send_unprotected(engine, turn, header, datagram, {notify(wire::NotifyType::kInvalidMajorVersion)});
}

void doubted_child_due(Engine& engine, Turn& turn, LiveSa& sa) {
  const std::uint32_t spi_in = std::exchange(sa.doubted_child, 0);
  const ChildSaState* child = find_child(sa.state, spi_in);
  if (child == nullptr || child->phase != ChildPhase::kInstalled) return;
  if (engine.wants(sa, RequestKind::kRekeyChild, spi_in)) return;
  engine.log.info(name_of(sa) + ": the peer may have lost " + child->name + ", rekeying it");
  engine.want(turn, sa, {RequestKind::kRekeyChild, spi_in, child->name, turn.now, {}, 0});
}

void peer_lost_child(Engine& engine, Turn& turn, LiveSa& sa, const Payloads& payloads) {
  const auto* lost = wire::find_notify(payloads, wire::NotifyType::kInvalidSpi);
  const ChildSaState* child =
      lost != nullptr && spi_of(*lost) != 0 ? find_child_by_out(sa.state, spi_of(*lost)) : nullptr;
  if (child == nullptr) return;
  sa.doubted_child = child->spi_in;
  doubted_child_due(engine, turn, sa);
}

}  // namespace tandem::ike::exchange
