// SPDX-License-Identifier: Apache-2.0
// ESP for an SPI that no SA here has. A peer that we have an IKE SA with holds a child that we do not (anymore): it is
// told by a DELETE of that SPI, which every peer understands (HA-013). To one without an IKE SA goes INVALID_SPI,
// unprotected, which makes it look whether we are still who it knew. RFC 7296 1.4.1, 1.5; IKE-029; RFC 6027 3.6.
#include <algorithm>

#include "host/base/big_endian.hpp"
#include "host/ike/exchange/exchange.hpp"
#include "host/wire/encode.hpp"

namespace tandem::ike::exchange {
namespace {

constexpr Duration kPersists = std::chrono::milliseconds(500);  // what is just being deleted is still on its way
constexpr Duration kForgotten = std::chrono::seconds(10);       // two packets so far apart are no stream
constexpr Duration kDeleteInterval = std::chrono::seconds(10);  // anybody can send ESP under a peer's address
constexpr std::size_t kSpisMax = 4;                             // watched of a peer
constexpr std::size_t kSasMax = 4;                              // with one address that are asked

// Ours, though the card does not show it (yet).
bool is_expected(Engine& engine, std::uint32_t spi) {
  if (engine.find_child_owner(spi) != nullptr) return true;
  const auto asks_for = [spi](const auto& entry) {
    const LiveSa& sa = *entry.second;
    return (sa.state.pending && sa.state.pending->new_child_spi_in == spi) ||
           std::any_of(sa.side.begin(), sa.side.end(),
                       [spi](const SideRequest& one) { return one.request.new_child_spi_in == spi; });
  };
  const auto begins = [spi](const auto& entry) { return entry.second.slot && entry.second.slot->spi == spi; };
  return std::any_of(engine.sas.begin(), engine.sas.end(), asks_for) ||
         std::any_of(engine.attempts.begin(), engine.attempts.end(), begins);
}

void note(Engine& engine, Turn& turn, LiveSa& sa, std::uint32_t spi) {
  const auto [seen, is_new] = sa.unknown_esp.try_emplace(spi, turn.now);
  if (is_new) {
    if (sa.unknown_esp.size() <= kSpisMax) return;
    sa.unknown_esp.erase(std::min_element(sa.unknown_esp.begin(), sa.unknown_esp.end(),
                                          [](const auto& a, const auto& b) { return a.second < b.second; }));
    return;
  }
  const Duration age = turn.now - seen->second;
  if (age > kForgotten) seen->second = turn.now;
  if (age < kPersists || age > kForgotten || turn.now < sa.unknown_esp_from) return;
  sa.unknown_esp.clear();
  sa.unknown_esp_from = turn.now + kDeleteInterval;
  engine.count(IkeCounter::kUnknownEspDeleted);
  engine.log.info(name_of(sa) + ": peer sends ESP for " + wire::to_string(wire::EspSpi{spi}) +
                  ", which is not here: deleting it");
  engine.want(turn, sa, {RequestKind::kDeleteChild, spi, {}, turn.now, {}, 0});
  turn.touch(sa.state.local_spi());
}

}  // namespace

void handle_unknown_esp(Engine& engine, Turn& turn, const Endpoint& source, std::uint32_t spi) {
  if (!engine.unknown_esp.allows(turn.now) || is_expected(engine, spi)) return;
  bool known = false;
  std::size_t asked = 0;
  for (const auto& [local_spi, sa] : engine.sas) {
    const Endpoint& remote = sa->state.remote;
    if (sa->gone || remote.address != source.address || (source.port != 0 && source.port != remote.port)) continue;
    known = true;
    if (sa->dormant || sa->state.phase != IkePhase::kEstablished) continue;
    note(engine, turn, *sa, spi);
    if (++asked == kSasMax) break;
  }
  if (known || !may_answer_stray(engine, turn, source.address)) return;
  engine.count(IkeCounter::kUnknownEspAnswered);
  wire::IkeHeader header;
  header.exchange = wire::ExchangeType::kInformational;
  header.from_initiator = true;
  Bytes octets(4);
  store_big_endian(octets.data(), spi, 4);
  const Endpoint local{engine.config.local_address, source.port == 0 ? kIkePort : kNatPort};
  const Endpoint remote{source.address, source.port == 0 ? kIkePort : source.port};
  engine.send_free(turn, local, remote,
                   wire::encode_message(header, {notify(wire::NotifyType::kInvalidSpi, std::move(octets))}));
}

}  // namespace tandem::ike::exchange
