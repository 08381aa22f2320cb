// SPDX-License-Identifier: Apache-2.0
// Runs seeds, tells the story of those that fail, proves that mutants are caught. See README.md.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include <CLI/CLI.hpp>

#include "sim/cluster/world.hpp"

namespace tandem::sim {
namespace {

constexpr std::size_t kStoriesMax = 1;

struct Summary {
  std::uint64_t runs = 0;
  std::uint64_t failovers = 0;
  std::uint64_t kept = 0;
  std::uint64_t packets = 0;
  std::uint64_t replays = 0;
  std::vector<RunResult> failed;
};

void print_failure(const RunResult& result) {
  for (const Violation& violation : result.violations) {
    std::printf("seed %llu: %s: %s\n", static_cast<unsigned long long>(result.seed), violation.checker.c_str(),
                violation.text.c_str());
  }
}

void add(Summary& summary, RunResult result) {
  ++summary.runs;
  summary.failovers += result.failovers;
  summary.kept += result.kept;
  summary.packets += result.packets;
  summary.replays += result.replays;
  if (result.violations.empty()) return;
  print_failure(result);
  summary.failed.push_back(std::move(result));
}

Summary run_seeds(const std::vector<std::uint64_t>& seeds, Mutant mutant, bool told, std::size_t failures_max) {
  Summary summary;
  for (const std::uint64_t seed : seeds) {
    add(summary, run_world(seed, mutant, told));
    if (summary.failed.size() >= failures_max) break;
  }
  return summary;
}

// Each mutant until a seed catches it. False: one got away.
bool run_mutants(std::uint64_t seeds_max, std::string_view only, nlohmann::json& json) {
  bool all = true;
  for (const auto& [mutant, name] : kMutants) {
    if (!only.empty() && only != name) continue;
    bool caught = false;
    for (std::uint64_t seed = 1; seed <= seeds_max && !caught; ++seed) {
      const RunResult result = run_world(seed, mutant, false);
      if (result.violations.empty()) continue;
      caught = true;
      std::printf("%-24s caught by %s at seed %llu: %s\n", std::string(name).c_str(),
                  result.violations.front().checker.c_str(), static_cast<unsigned long long>(seed),
                  result.violations.front().text.c_str());
      json.push_back({{"mutant", name}, {"checker", result.violations.front().checker}, {"seed", seed}});
    }
    if (!caught) {
      std::printf("%-24s NOT CAUGHT in %llu seeds\n", std::string(name).c_str(),
                  static_cast<unsigned long long>(seeds_max));
      json.push_back({{"mutant", name}, {"checker", nullptr}});
    }
    std::fflush(stdout);
    all = all && caught;
  }
  return all;
}

std::vector<std::uint64_t> parse_range(const std::string& text) {
  const std::size_t dots = text.find("..");
  const std::uint64_t first = std::stoull(text.substr(0, dots));
  const std::uint64_t last = dots == std::string::npos ? first : std::stoull(text.substr(dots + 2));
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t seed = first; seed <= last; ++seed) seeds.push_back(seed);
  return seeds;
}

std::vector<std::uint64_t> read_regressions(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::uint64_t> seeds;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.front() != '#') seeds.push_back(std::stoull(line));
  }
  return seeds;
}

Mutant mutant_named(std::string_view text) {
  for (const auto& [mutant, name] : kMutants) {
    if (name == text) return mutant;
  }
  return Mutant::kNone;
}

int run_main(int argc, char** argv) {
  CLI::App app{"Whole clusters under seeded faults, on a virtual clock"};
  std::string range, json_path, regressions, mutant;
  std::uint64_t seed = 0, mutant_seeds = 400;
  std::size_t failures_max = 20;
  bool mutants = false, told = false;
  app.add_option("--seed", seed, "one seed; its story is told when it fails");
  app.add_option("--seeds", range, "A..B");
  app.add_option("--json", json_path, "write a summary here");
  app.add_option("--regressions", regressions, "replay the seeds of this file");
  app.add_option("--mutant", mutant, "run with this deliberate fault");
  app.add_option("--mutant-seeds", mutant_seeds, "seeds that a mutant may survive");
  app.add_option("--failures-max", failures_max, "stop after so many failing seeds");
  app.add_flag("--mutants", mutants, "prove that every mutant is caught (--mutant: only that one)");
  app.add_flag("--story", told, "tell the story in any case");
  CLI11_PARSE(app, argc, argv);

  std::vector<std::uint64_t> seeds;
  if (!regressions.empty()) seeds = read_regressions(regressions);
  if (!range.empty()) {
    for (const std::uint64_t one : parse_range(range)) seeds.push_back(one);
  }
  if (app.count("--seed") != 0) seeds.push_back(seed);

  nlohmann::json json;
  bool good = true;
  if (!seeds.empty()) {
    const auto began = std::chrono::steady_clock::now();
    const Summary summary = run_seeds(seeds, mutants ? Mutant::kNone : mutant_named(mutant), told, failures_max);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    const double rate = static_cast<double>(summary.failovers) / seconds;
    for (std::size_t i = 0; !told && i < std::min(kStoriesMax, summary.failed.size()); ++i) {
      std::printf("--- story of seed %llu\n", static_cast<unsigned long long>(summary.failed[i].seed));
      static_cast<void>(run_world(summary.failed[i].seed, mutants ? Mutant::kNone : mutant_named(mutant), true));
    }
    std::printf(
        "%llu runs, %llu failovers (%llu keeping SAs), %llu packets, %llu replays, %zu violations, %.0f "
        "failovers/s\n",
        static_cast<unsigned long long>(summary.runs), static_cast<unsigned long long>(summary.failovers),
        static_cast<unsigned long long>(summary.kept), static_cast<unsigned long long>(summary.packets),
        static_cast<unsigned long long>(summary.replays), summary.failed.size(), rate);
    json = {{"runs", summary.runs},
            {"failovers", summary.failovers},
            {"violations", summary.failed.size()},
            {"failovers_per_second", rate}};
    for (const RunResult& result : summary.failed) json["failed_seeds"].push_back(result.seed);
    good = summary.failed.empty();
  }
  if (mutants) {
    nlohmann::json caught = nlohmann::json::array();
    good = run_mutants(mutant_seeds, mutant, caught) && good;
    json["mutants"] = caught;
  }
  if (!json_path.empty()) std::ofstream(json_path) << json.dump(2) << '\n';
  return good ? 0 : 1;
}

}  // namespace
}  // namespace tandem::sim

int main(int argc, char** argv) { return tandem::sim::run_main(argc, argv); }
