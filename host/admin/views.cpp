// SPDX-License-Identifier: Apache-2.0
#include "host/admin/views.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "host/wire/traffic_selector.hpp"

namespace tandem::admin {
namespace {

using nlohmann::json;

constexpr std::int64_t kExpiryWarning_s = std::int64_t{14} * 86'400;

double seconds_since(TimePoint now, TimePoint then) {
  return then == kNever ? 0 : std::chrono::duration<double>(now - then).count();
}

json seconds_until(TimePoint now, TimePoint then) {
  return then == kNever ? json(nullptr) : json(std::chrono::duration<double>(then - now).count());
}

std::int64_t milliseconds(Duration duration) { return duration / std::chrono::milliseconds(1); }

const char* phase_text(ike::IkePhase phase) {
  return phase == ike::IkePhase::kEstablished ? "established"
         : phase == ike::IkePhase::kReplaced  ? "replaced"
                                              : "deleting";
}

const char* phase_text(ike::ChildPhase phase) {
  return phase == ike::ChildPhase::kInstalled  ? "installed"
         : phase == ike::ChildPhase::kReplaced ? "replaced"
                                               : "deleting";
}

json selectors_view(const std::vector<wire::TrafficSelector>& selectors) {
  json list = json::array();
  for (const auto& selector : selectors) list.push_back(wire::to_string(selector));
  return list;
}

json child_view(TimePoint now, const ha::Member& member, const ike::ChildSaState& child) {
  json view{{"name", child.name},
            {"spi_in", spi_text(child.spi_in)},
            {"spi_out", spi_text(child.spi_out)},
            {"phase", phase_text(child.phase)},
            {"carries_outbound", child.carries_outbound},
            {"esn", child.esn},
            {"cipher", "aes" + std::to_string(child.key_bits) + "gcm16"},
            {"local_ts", selectors_view(child.local_ts)},
            {"remote_ts", selectors_view(child.remote_ts)},
            {"age_s", seconds_since(now, child.established)},
            {"rekey_in_s", seconds_until(now, child.soft_deadline)},
            {"expires_in_s", seconds_until(now, child.hard_deadline)}};
  const std::uint32_t index = card::spi_index(child.spi_in);
  if (const auto out = member.card().outbound_state(index); out && out->instance == child.instance) {
    view["out"] = {{"next_sequence", out->next_sequence}, {"packets", out->packets}, {"octets", out->octets}};
  }
  if (const auto in = member.card().inbound_state(index); in && in->instance == child.instance) {
    view["in"] = {{"right_edge", in->right_edge}, {"packets", in->packets},
                  {"octets", in->octets},         {"auth_failures", in->auth_failures},
                  {"replays", in->replays},       {"selector_mismatches", in->selector_mismatches}};
  }
  if (const auto credit = member.ledger().in_force(child.spi_in)) {
    view["credit"] = {{"out_limit", credit->out_limit}, {"in_bound", credit->in_bound}, {"epoch", credit->epoch}};
  }
  return view;
}

json witness_view(const std::optional<ha::WitnessView>& witness) {
  if (!witness) return nullptr;
  json owner = nullptr;
  if (witness->owner) {
    owner = {{"member", witness->owner->member},
             {"activation", witness->owner->activation},
             {"state", witness->owner->solo ? "solo" : "paired"}};
  }
  return {{"reachable", witness->reachable},
          {"owner", owner},
          {"vouches", witness->by_witness},
          {"lease_left_ms", milliseconds(witness->lease_left)},
          {"requests", witness->requests},
          {"failures", witness->failures},
          {"last_failure", printable(witness->last_failure)}};
}

json certificate_view(const ha::CertificateFacts& certificate, std::int64_t wall_s) {
  const std::int64_t left_s = certificate.not_after_s - wall_s;
  json view{{"subject", printable(certificate.subject)},
            {"serial", certificate.serial},
            {"not_after_s", certificate.not_after_s},
            {"days_left", left_s / 86'400}};
  if (left_s < kExpiryWarning_s) view["warning"] = left_s < 0 ? "has expired" : "expires soon";
  return view;
}

json paths_view(TimePoint now, const Surroundings& around) {
  json list = json::array();
  for (const auto& path : around.paths) {
    const TimePoint last = from_ns(path.last_ns);
    const bool never = path.last_ns == 0;
    list.push_back(
        {{"local", to_string(path.path.local)},
         {"partner", to_string(path.path.partner)},
         {"state", !never && now - last < around.path_timeout ? "up" : "down"},
         {"received", path.received},
         {"silent_ms", never ? json(nullptr) : json(std::chrono::duration<double, std::milli>(now - last).count())}});
  }
  return list;
}

}  // namespace

const char* role_text(ha::Role role) { return role == ha::Role::kActive ? "active" : "standby"; }

std::string spi_text(std::uint64_t spi) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(spi));
  return text;
}

std::string spi_text(std::uint32_t spi) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", spi);
  return text;
}

std::string_view driver_text(card::DriverKind kind) {
  switch (kind) {
    case card::DriverKind::kSoft:
      return "soft";
    case card::DriverKind::kInproc:
      return "inproc";
    case card::DriverKind::kXrt:
      return "xrt";
  }
  return "unknown";
}

// A sensor that cannot be read is null, never zero.
json sensors_view(const driver::CardTelemetry& telemetry) {
  json temperatures = json::object();
  for (const driver::CardTemperature& sensor : telemetry.temperatures) {
    temperatures[sensor.where] = sensor.celsius ? json(*sensor.celsius) : json(nullptr);
  }
  return temperatures;
}

json status_view(TimePoint now, const ha::Member& member, const Surroundings& around) {
  const driver::CardInfo card = member.card().info();
  const ha::Ledger::Blocks blocks = member.ledger().largest_blocks();
  const auto lease =
      static_cast<std::int64_t>(member.card().lease_deadline_ns()) - static_cast<std::int64_t>(member.card().now_ns());
  const auto healthy = member.card().health();
  const driver::CardTelemetry telemetry = member.card().telemetry();
  return {
      {"name", around.name},
      {"id", member.config().id},
      {"role", role_text(member.role())},
      {"solo", member.solo()},
      {"in_sync", member.in_sync()},
      {"partnership", member.role() == ha::Role::kActive ? json(to_string(member.partnership())) : json(nullptr)},
      {"epoch", member.epoch()},
      {"activation", member.activation()},
      {"ike_sas", member.ike().sas().size()},
      {"child_sas", member.sad().size()},
      {"half_open", member.ike().half_open()},
      {"detection_ms", milliseconds(member.config().heartbeat.takeover)},
      {"lease_ms", milliseconds(member.config().heartbeat.lease)},
      {"lease_left_ms", member.role() == ha::Role::kActive ? json(static_cast<double>(lease) / 1e6) : json(nullptr)},
      {"reservation_block", {{"in", blocks.in}, {"out", blocks.out}}},
      {"simulated", card.simulated},
      {"card",
       {{"name", card.name},
        {"driver", driver_text(card.driver)},
        {"temperatures_c", sensors_view(telemetry)},
        {"power_watts", telemetry.power_watts ? json(*telemetry.power_watts) : json(nullptr)},
        {"contract_version", card.contract_version},
        {"build_id", card.build_id},
        {"slots", card.slots},
        {"healthy", healthy.ok()},
        {"trouble", healthy.ok() ? "" : healthy.error().text}}},
      {"now_s", std::chrono::duration<double>(now.time_since_epoch()).count()}};
}

json ha_view(TimePoint now, const ha::Member& member, const Surroundings& around) {
  json view = status_view(now, member, around);
  const ha::SyncLink::Totals link = member.link().totals();
  view["eligible"] = around.eligible;
  view["takeovers"] = member.takeovers();
  view["gated_messages"] = member.gated();
  view["partner"] = {
      {"heard", around.partner.heard},
      {"role", role_text(around.partner.role)},
      {"solo", around.partner.solo},
      {"in_sync", around.partner.in_sync},
      {"epoch", around.partner.epoch},
      {"activation", around.partner.activation},
      {"silent_ms", around.partner.heard
                        ? json(std::chrono::duration<double, std::milli>(now - around.partner.last_heard).count())
                        : json(nullptr)}};
  view["partner"]["may_lead"] = around.partner.may_lead;
  if (const auto& hello = member.partner_hello()) {
    view["partner"]["id"] = hello->member;
    view["partner"]["priority"] = hello->priority;
    view["partner"]["schema_version"] = hello->schema_version;
    view["partner"]["contract_version"] = hello->contract_version;
  }
  view["trouble"] = printable(member.trouble());
  view["priority"] = member.config().priority;
  view["preempt"] = member.config().preempt;
  view["maintenance"] = member.maintenance();
  view["may_lead"] = member.may_lead();
  view["role_by"] = member.config().external ? "external" : "auto";
  view["role_wanted"] = member.config().external ? json(role_text(member.wanted())) : json(nullptr);
  view["schema_version"] = ha::kSchemaVersion;
  view["mixed_versions"] = member.partner_hello() && member.partner_hello()->schema_version != ha::kSchemaVersion;
  view["witness"] = witness_view(around.witness);
  view["paths"] = paths_view(now, around);
  view["sync"] = {{"joined", member.joined()},
                  {"records_sent", link.records_sent},
                  {"octets_sent", link.octets_sent},
                  {"records_received", link.records_received},
                  {"octets_received", link.octets_received}};
  view["sync"]["certificate"] = certificate_view(around.certificate, around.wall_s);
  view["sync"]["partner_certificate"] =
      around.partner_certificate ? certificate_view(*around.partner_certificate, around.wall_s) : json(nullptr);
  view["heartbeat"] = {{"sent", around.heartbeat.sent},
                       {"received", around.heartbeat.received},
                       {"rejected", around.heartbeat.rejected},
                       {"lapses", around.heartbeat.lapses}};
  return view;
}

json sa_view(TimePoint now, const ha::Member& member, const ike::IkeSaState& state) {
  json children = json::array();
  for (const auto& child : state.children) children.push_back(child_view(now, member, child));
  return {{"spi_i", spi_text(state.spi_i)},
          {"spi_r", spi_text(state.spi_r)},
          {"initiator", state.original_initiator},
          {"phase", phase_text(state.phase)},
          {"peer", state.peer_name},
          {"remote_id", printable(state.remote_id)},
          {"local", to_string(state.local)},
          {"remote", to_string(state.remote)},
          {"nat_local", state.nat_local},
          {"nat_remote", state.nat_remote},
          {"next_send_id", state.next_send_id},
          {"next_receive_id", state.next_recv_id},
          {"message_id_sync", state.message_id_sync},
          {"replay_counter_sync", state.replay_counter_sync},
          {"age_s", seconds_since(now, state.established)},
          {"rekey_in_s", seconds_until(now, state.rekey_deadline)},
          {"children", std::move(children)}};
}

json sas_view(TimePoint now, const ha::Member& member) {
  json list = json::array();
  for (const ike::LocalSpi spi : member.ike().sas()) list.push_back(sa_view(now, member, *member.ike().state(spi)));
  return list;
}

json counters_view(const ha::Member& member) {
  json card = json::object();
#define TANDEM_SHOW_COUNTER(id, name, help) card[name] = member.card().counter(card::Counter::id);
  TANDEM_CARD_COUNTERS(TANDEM_SHOW_COUNTER)
#undef TANDEM_SHOW_COUNTER
  json ike = json::object();
  for (unsigned i = 0; i < static_cast<unsigned>(ike::IkeCounter::kCount); ++i) {
    const auto counter = static_cast<ike::IkeCounter>(i);
    ike[std::string(ike::to_string(counter))] = member.ike().counter(counter);
  }
  const sad::SlowPathCounters& slow = member.slow_path().counters();
  return {{"card", std::move(card)},
          {"ike", std::move(ike)},
          {"slow_path",
           {{"spd_misses", slow.spd_misses},
            {"discards", slow.discards},
            {"bypasses", slow.bypasses},
            {"acquires", slow.acquires},
            {"no_sa", slow.no_sa},
            {"icmp_too_big", slow.icmp_too_big},
            {"icmp_ttl", slow.icmp_ttl},
            {"fragmented", slow.fragmented},
            {"reassembled", slow.reassembled},
            {"unresolved_dropped", slow.unresolved_dropped},
            {"unsupported", slow.unsupported}}}};
}

}  // namespace tandem::admin
