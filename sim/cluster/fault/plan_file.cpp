// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/fault/plan_file.hpp"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace tandem::sim {
namespace {

using Json = nlohmann::ordered_json;

// With the nanoseconds behind the point: a plan is to meet what its seed meets.
using Microseconds = std::chrono::duration<double, std::micro>;
using Milliseconds = std::chrono::duration<double, std::milli>;

// Whole ones as integers.
template <typename Unit>
Json number(Duration duration) {
  const double value = Unit(duration).count();
  return value == std::floor(value) ? Json(static_cast<std::int64_t>(value)) : Json(value);
}
template <typename Unit>
Duration from_number(double value) {
  return Duration{std::llround(std::chrono::duration<double, std::nano>(Unit(value)).count())};
}
Json us(Duration duration) { return number<Microseconds>(duration); }

Json weather_json(const Weather& weather) {
  return {{"loss_percent", weather.loss_percent},
          {"copy_percent", weather.copy_percent},
          {"delay_min_us", us(weather.delay_min)},
          {"delay_max_us", us(weather.delay_max)}};
}

Json fault_json(const Fault& fault) {
  Json json{{"at_us", us(fault.at)},
            {"kind", to_string(fault.kind)},
            {"target", to_string(fault.target)},
            {"length_us", us(fault.length)}};
  if (fault.count != 0) json["count"] = fault.count;
  return json;
}

// Thrown within this file only.
struct Bad {
  std::string text;
};

template <typename Value>
Value get(const Json& json, const char* name) {
  if (!json.is_object() || !json.contains(name)) throw Bad{std::string(name) + " is missing"};
  try {
    return json.at(name).get<Value>();
  } catch (const nlohmann::json::exception&) {
    throw Bad{std::string(name) + " has the wrong type"};
  }
}

Duration get_us(const Json& json, const char* name) {
  const auto value = get<double>(json, name);
  if (!(value >= 0 && value <= Microseconds(kFaultTimeMax).count())) throw Bad{std::string(name) + " is out of range"};
  return from_number<Microseconds>(value);
}

double get_percent(const Json& json, const char* name) {
  const auto value = get<double>(json, name);
  if (!(value >= 0 && value <= 100)) throw Bad{std::string(name) + " is no percentage"};
  return value;
}

Weather get_weather(const Json& json, const char* name) {
  const Json part = get<Json>(json, name);
  Weather weather{get_percent(part, "loss_percent"), get_percent(part, "copy_percent"), get_us(part, "delay_min_us"),
                  get_us(part, "delay_max_us")};
  if (weather.delay_max < weather.delay_min) throw Bad{std::string(name) + ": delay_max_us below delay_min_us"};
  return weather;
}

template <typename Parse>
auto get_name(const Json& json, const char* name, Parse parse) {
  const auto text = get<std::string>(json, name);
  const auto value = parse(text);
  if (!value) throw Bad{std::string(name) + ": unknown: " + text};
  return *value;
}

Fault get_fault(const Json& json) {
  Fault fault;
  fault.at = get_us(json, "at_us");
  fault.length = get_us(json, "length_us");
  fault.kind = get_name(json, "kind", parse_fault_kind);
  fault.target = get_name(json, "target", parse_target);
  if (json.contains("count")) fault.count = get<unsigned>(json, "count");
  return fault;
}

ClockPlan get_clock(const Json& json) {
  ClockPlan clock;
  const auto skew = get<double>(json, "skew_ms");
  clock.drift_ppm = get<int>(json, "drift_ppm");
  if (!(skew >= 0 && skew <= 1e12)) throw Bad{"skew_ms is out of range"};
  if (clock.drift_ppm < -100'000 || clock.drift_ppm > 100'000) throw Bad{"drift_ppm is out of range"};
  clock.skew = from_number<Milliseconds>(skew);
  return clock;
}

Plan get_plan(const Json& json) {
  Plan plan;
  plan.seed = get<std::uint64_t>(json, "seed");
  for (const Json& peer : get<std::vector<Json>>(json, "peers")) {
    const auto kind = peer.is_string() ? parse_temperament(peer.get<std::string>()) : std::nullopt;
    if (!kind) throw Bad{"peers: unknown temperament"};
    plan.peers.push_back(*kind);
  }
  if (plan.peers.empty() || plan.peers.size() > kPeersMax) throw Bad{"peers: 1 to " + std::to_string(kPeersMax)};
  // Plans from before there were any have none.
  if (json.contains("behind_nat")) plan.behind_nat = get<std::vector<bool>>(json, "behind_nat");
  if (!plan.behind_nat.empty() && plan.behind_nat.size() != plan.peers.size()) throw Bad{"behind_nat: one a peer"};
  plan.single = get<bool>(json, "single");
  plan.split = get<bool>(json, "split");
  // Plans from before there was one have none.
  if (json.contains("witness")) plan.witness = get<bool>(json, "witness");
  plan.mismatch = get<bool>(json, "mismatch");
  // Plans from before anybody was asked leave it to the members.
  if (json.contains("leadership")) plan.leadership = get_name(json, "leadership", parse_leadership);
  plan.patient = get<bool>(json, "patient");
  plan.deaf_from = get<unsigned>(json, "deaf_from") % 2;
  plan.outer = get_weather(json, "outer");
  plan.heartbeat = get_weather(json, "heartbeat");
  plan.sync = get_weather(json, "sync");
  const auto clocks = get<std::vector<Json>>(json, "clocks");
  if (clocks.size() != plan.clocks.size()) throw Bad{"clocks: one a member"};
  for (std::size_t i = 0; i < clocks.size(); ++i) plan.clocks[i] = get_clock(clocks[i]);
  plan.packet_gap = get_us(json, "packet_gap_us");
  if (plan.packet_gap < std::chrono::microseconds(100)) throw Bad{"packet_gap_us is out of range"};
  const auto faults = get<std::vector<Json>>(json, "faults");
  if (faults.size() > kFaultsMax) throw Bad{"faults: more than " + std::to_string(kFaultsMax)};
  for (const Json& fault : faults) plan.faults.push_back(get_fault(fault));
  set_ends(plan);
  return plan;
}

}  // namespace

std::string to_json(const Plan& plan) {
  Json json;
  json["seed"] = plan.seed;
  json["peers"] = Json::array();
  for (const Temperament peer : plan.peers) json["peers"].push_back(to_string(peer));
  if (!plan.behind_nat.empty()) json["behind_nat"] = plan.behind_nat;
  json["single"] = plan.single;
  json["split"] = plan.split;
  json["witness"] = plan.witness;
  json["mismatch"] = plan.mismatch;
  json["leadership"] = to_string(plan.leadership);
  json["patient"] = plan.patient;
  json["deaf_from"] = plan.deaf_from;
  json["outer"] = weather_json(plan.outer);
  json["heartbeat"] = weather_json(plan.heartbeat);
  json["sync"] = weather_json(plan.sync);
  for (const ClockPlan& clock : plan.clocks) {
    json["clocks"].push_back({{"skew_ms", number<Milliseconds>(clock.skew)}, {"drift_ppm", clock.drift_ppm}});
  }
  json["packet_gap_us"] = us(plan.packet_gap);
  json["faults"] = "FAULTS";
  // One line a fault: that is what people read and cut.
  std::string faults = "[";
  for (const Fault& fault : plan.faults)
    faults += (faults.size() > 1 ? ",\n    " : "\n    ") + fault_json(fault).dump();
  std::string text = json.dump(2);
  text.replace(text.find("\"FAULTS\""), 8, faults + "\n  ]");
  return text + "\n";
}

Result<Plan, std::string> parse_plan(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return Failure{std::string("no JSON")};
  try {
    return get_plan(json);
  } catch (const Bad& bad) {
    return Failure{bad.text};
  }
}

Result<Plan, std::string> read_plan(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Failure{path + ": cannot be read"};
  std::ostringstream text;
  text << file.rdbuf();
  auto plan = parse_plan(text.str());
  if (!plan) return Failure{path + ": " + plan.error()};
  return plan;
}

}  // namespace tandem::sim
