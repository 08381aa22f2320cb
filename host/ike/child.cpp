// SPDX-License-Identifier: Apache-2.0
// What every exchange that makes a CHILD SA shares. RFC 7296 1.2, 1.3, 2.9, 2.17.
#include "host/ike/child.hpp"

#include "host/wire/traffic_selector.hpp"

namespace tandem::ike {
namespace {

struct Fit {
  const ChildConfig* config = nullptr;
  wire::Narrowed local;
  wire::Narrowed remote;
  int score = -1;
};

// The rule that keeps most of what the peer proposed; in doubt the first one.
Fit best_fit(const PeerConfig& peer, const std::vector<wire::TrafficSelector>& local,
             const std::vector<wire::TrafficSelector>& remote, std::string_view only) {
  Fit best;
  for (const ChildConfig& config : peer.children) {
    if (!only.empty() && config.name != only) continue;
    Fit fit{&config, wire::narrow(local, config.local_ts), wire::narrow(remote, config.remote_ts), 0};
    if (fit.local.selectors.empty() || fit.remote.selectors.empty()) continue;
    fit.score =
        (fit.local.holds_first && fit.remote.holds_first ? 1 : 0) + (fit.local.complete && fit.remote.complete ? 2 : 0);
    // A rule that is wider than the proposal fits; one that is exactly it fits better.
    if (fit.local.selectors == config.local_ts && fit.remote.selectors == config.remote_ts) fit.score += 1;
    if (fit.score > best.score) best = std::move(fit);
  }
  return best;
}

}  // namespace

std::optional<bool> forced_esn(const IkeSaState& state) {
  if (!state.replay_counter_sync || state.children.empty()) return std::nullopt;
  return state.children.front().esn;
}

Result<AgreedChild, wire::NotifyType> agree_child(const PeerConfig& peer, const IkeSaState& state,
                                                  const std::vector<wire::Payload>& payloads, bool with_groups,
                                                  std::string_view only) {
  const auto* offered = wire::find<wire::SaPayload>(payloads);
  const auto* ts_i = wire::find<wire::TsPayload>(payloads, wire::Side::kInitiator);
  const auto* ts_r = wire::find<wire::TsPayload>(payloads, wire::Side::kResponder);
  if (offered == nullptr || ts_i == nullptr || ts_r == nullptr) return Failure{wire::NotifyType::kInvalidSyntax};
  Fit fit = best_fit(peer, ts_r->selectors, ts_i->selectors, only);
  if (fit.config == nullptr) return Failure{wire::NotifyType::kTsUnacceptable};
  const auto* ke = wire::find<wire::KePayload>(payloads);
  std::optional<std::uint16_t> preferred;
  if (ke != nullptr) preferred = ke->group;
  auto choice = choose_esp(*offered, fit.config->proposals, with_groups, preferred, forced_esn(state));
  if (!choice) return Failure{wire::NotifyType::kNoProposalChosen};
  AgreedChild agreed;
  agreed.config = fit.config;
  agreed.choice = std::move(*choice);
  agreed.narrowed = !fit.local.complete || !fit.remote.complete;
  agreed.local_ts = std::move(fit.local.selectors);
  agreed.remote_ts = std::move(fit.remote.selectors);
  return agreed;
}

std::optional<AgreedChild> check_child_answer(const ChildConfig& config, const wire::SaPayload& offered,
                                              const std::vector<wire::TrafficSelector>& local_ts,
                                              const std::vector<wire::TrafficSelector>& remote_ts,
                                              const std::vector<wire::Payload>& payloads) {
  const auto* answer = wire::find<wire::SaPayload>(payloads);
  const auto* ts_i = wire::find<wire::TsPayload>(payloads, wire::Side::kInitiator);
  const auto* ts_r = wire::find<wire::TsPayload>(payloads, wire::Side::kResponder);
  if (answer == nullptr || ts_i == nullptr || ts_r == nullptr) return std::nullopt;
  auto choice = check_esp_answer(offered, *answer);
  if (!choice) return std::nullopt;
  if (!wire::contains(local_ts, ts_i->selectors) || !wire::contains(remote_ts, ts_r->selectors)) return std::nullopt;
  AgreedChild agreed;
  agreed.config = &config;
  agreed.choice = std::move(*choice);
  agreed.local_ts = ts_i->selectors;
  agreed.remote_ts = ts_r->selectors;
  return agreed;
}

ChildSaState make_child(Engine& engine, TimePoint now, const AgreedChild& agreed, ChildSlot slot, std::uint32_t route,
                        ChildKeys keys, bool we_initiated) {
  ChildSaState child;
  child.spi_in = slot.spi;
  child.spi_out = agreed.choice.peer_spi;
  child.instance = slot.instance;
  child.route = route;
  child.name = agreed.config->name;
  child.we_initiated = we_initiated;
  child.esn = agreed.choice.esn;
  child.encr = agreed.choice.cipher.encr;
  child.key_bits = agreed.choice.cipher.key_bits;
  child.key_out = we_initiated ? std::move(keys.initiator_to_responder) : std::move(keys.responder_to_initiator);
  child.key_in = we_initiated ? std::move(keys.responder_to_initiator) : std::move(keys.initiator_to_responder);
  child.local_ts = agreed.local_ts;
  child.remote_ts = agreed.remote_ts;
  child.born_epoch = engine.view.epoch;
  child.born_activations = engine.view.activations;
  child.established = now;
  child.soft_deadline = engine.less_jitter(now, agreed.config->rekey_after);
  child.hard_deadline = now + agreed.config->hard_lifetime;
  child.use = agreed.config->use;
  child.use.soft_packets -= engine.random.below(child.use.soft_packets / 10 + 1);
  child.use.soft_octets -= engine.random.below(child.use.soft_octets / 10 + 1);
  return child;
}

const ChildSaState* find_twin(const IkeSaState& state, const AgreedChild& agreed) {
  const ChildSaState* twin = nullptr;
  for (const ChildSaState& child : state.children) {
    if (child.phase == ChildPhase::kDeleting || child.name != agreed.config->name) continue;
    if (child.local_ts == agreed.local_ts && child.remote_ts == agreed.remote_ts) twin = &child;
  }
  return twin;
}

std::string describe(const ChildSaState& child) {
  std::string text = child.name + " " + wire::to_string(wire::EspSpi{child.spi_in}) + "/" +
                     wire::to_string(wire::EspSpi{child.spi_out}) + " ";
  for (const auto& selector : child.local_ts) text += wire::to_string(selector) + " ";
  text += "===";
  for (const auto& selector : child.remote_ts) text += " " + wire::to_string(selector);
  return text;
}

void add_selectors(std::vector<wire::Payload>& payloads, const std::vector<wire::TrafficSelector>& local_ts,
                   const std::vector<wire::TrafficSelector>& remote_ts, bool we_initiated) {
  payloads.push_back(wire::TsPayload{wire::Side::kInitiator, we_initiated ? local_ts : remote_ts});
  payloads.push_back(wire::TsPayload{wire::Side::kResponder, we_initiated ? remote_ts : local_ts});
}

Bytes spi_octets(std::uint32_t spi) {
  return Bytes{static_cast<std::uint8_t>(spi >> 24), static_cast<std::uint8_t>(spi >> 16),
               static_cast<std::uint8_t>(spi >> 8), static_cast<std::uint8_t>(spi)};
}

}  // namespace tandem::ike
