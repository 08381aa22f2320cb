// SPDX-License-Identifier: Apache-2.0
// Runs seeds, tells the story of those that fail, shrinks them, proves that mutants are caught. See README.md.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "sim/cluster/batch.hpp"
#include "sim/cluster/fault/plan_file.hpp"
#include "sim/cluster/shrink.hpp"

namespace tandem::sim {
namespace {

struct Options {
  std::string range, json_path, regressions, mutant, plan_path, plan_out;
  std::uint64_t seed = 0;
  std::uint64_t mutant_seeds = 300;
  std::size_t failures_max = 20;
  unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
  bool one = false, mutants = false, told = false, shrinks = false;
};

struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Range> parse_range(std::string_view text) {
  const std::size_t dots = text.find("..");
  const auto first = parse_number(text.substr(0, dots));
  const auto last = dots == std::string_view::npos ? first : parse_number(text.substr(dots + 2));
  if (!first || !last || *first > *last) return std::nullopt;
  return Range{*first, *last};
}

std::optional<Mutant> mutant_named(std::string_view text) {
  if (text.empty()) return Mutant::kNone;
  for (const auto& [mutant, name] : kMutants) {
    if (name == text) return mutant;
  }
  return std::nullopt;
}

int complain(const std::string& text) {
  std::fprintf(stderr, "sim_cluster: %s\n", text.c_str());
  return 2;
}

Plan shrunk(const Plan& plan, Mutant mutant, const std::string& checker) {
  std::printf("--- shrinking %zu faults\n", plan.faults.size());
  std::fflush(stdout);
  Plan smaller = shrink(plan, [&](const Plan& candidate) {
    const auto violations = run_isolated(candidate, mutant).violations;
    return std::any_of(violations.begin(), violations.end(),
                       [&](const Violation& violation) { return violation.checker == checker; });
  });
  std::printf("%s", to_json(smaller).c_str());
  return smaller;
}

// One plan, told when it fails or `told` asks for it. True: no violation.
bool run_one(const Options& options, Plan plan, Mutant mutant) {
  const auto violations = run_isolated(plan, mutant).violations;
  for (const Violation& violation : violations) {
    std::printf("seed %llu: %s: %s\n", static_cast<unsigned long long>(plan.seed), violation.checker.c_str(),
                violation.text.c_str());
  }
  if (options.shrinks && !violations.empty()) plan = shrunk(plan, mutant, violations.front().checker);
  if (!options.plan_out.empty()) std::ofstream(options.plan_out) << to_json(plan);
  if (!violations.empty() || options.told) {
    std::printf("--- story of seed %llu\n", static_cast<unsigned long long>(plan.seed));
    std::fflush(stdout);
    static_cast<void>(run_world(plan, mutant, true));
  }
  std::printf("%s\n", violations.empty() ? "no violation" : "VIOLATED");
  return violations.empty();
}

nlohmann::json run_many(const Batch& batch, bool& good) {
  const auto began = std::chrono::steady_clock::now();
  const Summary summary = run_batch(batch);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const double rate = static_cast<double>(summary.failovers) / seconds;
  const double cpu_rate = static_cast<double>(summary.failovers) / std::max(summary.cpu_seconds, 1e-9);
  if (!summary.failed.empty()) {
    std::printf("--- story of %s\n", batch.name(summary.failed.begin()->first).c_str());
    std::fflush(stdout);
    Batch told = batch;
    static_cast<void>(run_world(told.plan(summary.failed.begin()->first), batch.mutant, true));
  }
  std::printf(
      "%llu runs, %llu failovers (%llu keeping SAs), %llu packets, %llu replays, %zu violations, %.0f failovers/s, "
      "%.0f failovers/CPU second%s\n",
      static_cast<unsigned long long>(summary.runs), static_cast<unsigned long long>(summary.failovers),
      static_cast<unsigned long long>(summary.kept), static_cast<unsigned long long>(summary.packets),
      static_cast<unsigned long long>(summary.replays), summary.failed.size(), rate, cpu_rate,
      summary.complete ? "" : " (stopped early)");
  good = good && summary.failed.empty() && summary.complete;
  nlohmann::json json{
      {"runs", summary.runs},         {"failovers", summary.failovers},       {"violations", summary.failed.size()},
      {"failovers_per_second", rate}, {"failovers_per_cpu_second", cpu_rate}, {"cpu_seconds", summary.cpu_seconds},
      {"complete", summary.complete}};
  for (const auto& [item, violations] : summary.failed) json["failed"].push_back(batch.name(item));
  return json;
}

Result<std::vector<std::pair<std::string, Plan>>, std::string> read_plans(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path().string());
  }
  if (paths.empty()) return Failure{folder + ": no plans"};
  std::sort(paths.begin(), paths.end());
  std::vector<std::pair<std::string, Plan>> plans;
  for (const std::string& path : paths) {
    auto plan = read_plan(path);
    if (!plan) return Failure{plan.error()};
    plans.emplace_back(std::filesystem::path(path).stem().string(), std::move(plan).value());
  }
  return plans;
}

nlohmann::json hunt_mutants(const Options& options, bool& good) {
  nlohmann::json json = nlohmann::json::array();
  for (const Caught& caught : run_mutants(options.jobs, options.mutant_seeds, options.mutant)) {
    const std::string name(caught.mutant);
    if (caught.checker.empty()) {
      std::printf("%-24s NOT CAUGHT in %llu seeds\n", name.c_str(), static_cast<unsigned long long>(caught.seed));
      json.push_back({{"mutant", name}, {"checker", nullptr}});
      good = false;
      continue;
    }
    std::printf("%-24s caught by %s at seed %llu: %s\n", name.c_str(), caught.checker.c_str(),
                static_cast<unsigned long long>(caught.seed), caught.text.c_str());
    json.push_back({{"mutant", name}, {"checker", caught.checker}, {"seed", caught.seed}});
  }
  return json;
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("--seed", options.seed, "one seed; its story is told when it fails");
  app.add_option("--plan", options.plan_path, "one plan from a file");
  app.add_option("--seeds", options.range, "A..B, over all cores");
  app.add_option("--jobs", options.jobs, "processes for --seeds, --mutants, --regressions")->check(CLI::Range(1, 256));
  app.add_option("--json", options.json_path, "write a summary here");
  app.add_option("--regressions", options.regressions, "run the plans of this folder");
  app.add_option("--mutant", options.mutant, "run with this deliberate fault");
  app.add_option("--mutant-seeds", options.mutant_seeds, "seeds that a mutant may survive");
  app.add_option("--failures-max", options.failures_max, "stop after so many failing seeds");
  app.add_option("--plan-out", options.plan_out, "write the plan of --seed or --plan here, shrunk with --shrink");
  app.add_flag("--mutants", options.mutants, "prove that every mutant is caught (--mutant: only that one)");
  app.add_flag("--story", options.told, "tell the story in any case");
  app.add_flag("--shrink", options.shrinks, "drop from a failing plan what the failure does not need");
}

int run_main(int argc, char** argv) {
  CLI::App app{"Whole clusters under seeded faults, on a virtual clock"};
  Options options;
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  const auto mutant = mutant_named(options.mutant);
  if (!mutant) return complain("--mutant: unknown: " + options.mutant);

  nlohmann::json json = nlohmann::json::object();
  bool good = true;
  Batch batch;
  batch.jobs = options.jobs;
  batch.failures_max = options.failures_max;
  batch.mutant = options.mutants ? Mutant::kNone : *mutant;
  if (!options.regressions.empty()) {
    const auto plans = read_plans(options.regressions);
    if (!plans) return complain(plans.error());
    Batch regressions = batch;
    regressions.last = plans->size() - 1;
    regressions.plan = [&](std::uint64_t item) { return (*plans)[item].second; };
    regressions.name = [&](std::uint64_t item) { return (*plans)[item].first; };
    json["regressions"] = run_many(regressions, good);
  }
  if (!options.range.empty()) {
    const auto range = parse_range(options.range);
    if (!range) return complain("--seeds: not of the form A..B: " + options.range);
    batch.first = range->first;
    batch.last = range->last;
    batch.progress = true;
    json.update(run_many(batch, good));
  }
  if (app.count("--seed") != 0) good = run_one(options, draw_plan(options.seed), batch.mutant) && good;
  if (!options.plan_path.empty()) {
    auto plan = read_plan(options.plan_path);
    if (!plan) return complain(plan.error());
    good = run_one(options, std::move(plan).value(), batch.mutant) && good;
  }
  if (options.mutants) json["mutants"] = hunt_mutants(options, good);
  if (!options.json_path.empty()) std::ofstream(options.json_path) << json.dump(2) << '\n';
  return good ? 0 : 1;
}

}  // namespace
}  // namespace tandem::sim

int main(int argc, char** argv) { return tandem::sim::run_main(argc, argv); }
