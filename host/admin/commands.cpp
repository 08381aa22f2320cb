// SPDX-License-Identifier: Apache-2.0
#include "host/admin/commands.hpp"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

namespace tandem::admin {
namespace {

using nlohmann::json;

Response failure(std::string error) { return {false, std::move(error), "{}"}; }
// A peer's identity may hold any octets: what is no UTF-8 is shown as the replacement character.
Response document(const json& body) { return {true, "", body.dump(-1, ' ', false, json::error_handler_t::replace)}; }
Response done(const Result<void, std::string>& result, const char* what) {
  return result ? document({{"done", what}}) : failure(result.error());
}

template <typename T>
std::optional<T> parse_spi(const std::string& text) {
  T value = 0;
  if (text.size() != 2 * sizeof(T)) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// The IKE SAs that `text` names: by either SPI or by the peer's name.
std::vector<ike::LocalSpi> find_sas(const ha::Member& member, const std::string& text) {
  std::vector<ike::LocalSpi> found;
  const auto spi = parse_spi<std::uint64_t>(text);
  for (const ike::LocalSpi key : member.ike().sas()) {
    const ike::IkeSaState& state = *member.ike().state(key);
    if (state.peer_name == text || (spi && (state.spi_i == *spi || state.spi_r == *spi))) found.push_back(key);
  }
  return found;
}

// Runs `on_child` for a child's SPI, `on_sa` for every IKE SA that the argument names.
template <typename OnChild, typename OnSa>
Response for_target(const ha::Member& member, const std::string& target, const char* what, OnChild on_child,
                    OnSa on_sa) {
  if (const auto child = parse_spi<std::uint32_t>(target); child && member.ike().owner_of(*child)) {
    return done(on_child(*child), what);
  }
  const auto sas = find_sas(member, target);
  if (sas.empty()) return failure("nothing here is named \"" + printable(target) + "\"");
  for (const ike::LocalSpi spi : sas) {
    if (auto result = on_sa(spi); !result) return failure(result.error());
  }
  return document({{"done", what}, {"count", sas.size()}});
}

Response set_maintenance(TimePoint now, const std::string& word, ha::Member& member, const Controls& controls) {
  if (word != "on" && word != "off") return failure("maintenance is on or off");
  const bool on = word == "on";
  if (auto kept = controls.keep_maintenance(on); !kept) return failure(kept.error());
  member.set_maintenance(now, on);
  return document({{"done", "maintenance"}, {"maintenance", on}, {"role", role_text(member.role())}});
}

Response want_role(TimePoint now, const std::string& word, ha::Member& member) {
  if (word != "active" && word != "standby") return failure("a role is active or standby");
  return done(member.want_role(now, word == "active" ? ha::Role::kActive : ha::Role::kStandby), "role");
}

}  // namespace

Response execute(TimePoint now, const Request& request, ha::Member& member, const Surroundings& around,
                 const Controls& controls) {
  const std::string& command = request.command;
  const std::string first = request.arguments.empty() ? "" : request.arguments[0];
  if (command == "status") return document(status_view(now, member, around));
  if (command == "ha.status") return document(ha_view(now, member, around));
  if (command == "sa.list") return document(sas_view(now, member));
  if (command == "counters") return document(counters_view(member));
  if (command == "sa.show") {
    json found = json::array();
    for (const ike::LocalSpi spi : find_sas(member, first))
      found.push_back(sa_view(now, member, *member.ike().state(spi)));
    return found.empty() ? failure("no IKE SA is named \"" + printable(first) + "\"") : document(found);
  }
  if (command == "takeover") return done(first == "alone" ? member.lead_alone(now) : member.take_over(now), "takeover");
  if (command == "maintenance") return set_maintenance(now, first, member, controls);
  if (command == "reload") return done(controls.reload(), "reload");
  if (command == "role") return want_role(now, first, member);
  if (command == "initiate") {
    if (request.arguments.size() != 2) return failure("initiate needs a peer and a child");
    return done(member.initiate(now, first, request.arguments[1]), "initiate");
  }
  if (command == "rekey") {
    return for_target(
        member, first, "rekey", [&](std::uint32_t spi) { return member.rekey_child(now, spi); },
        [&](ike::LocalSpi spi) { return member.rekey_ike(now, spi); });
  }
  if (command == "down") {
    return for_target(
        member, first, "down", [&](std::uint32_t spi) { return member.close_child(now, spi); },
        [&](ike::LocalSpi spi) { return member.close_ike(now, spi); });
  }
  return failure("unknown command \"" + printable(command) + "\"");
}

}  // namespace tandem::admin
