// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/batch.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "sim/cluster/pool.hpp"

namespace tandem::sim {
namespace {

using Json = nlohmann::json;
using WallClock = std::chrono::steady_clock;

constexpr auto kProgressInterval = std::chrono::seconds(5);
const Violation kDeath{"assertion", "the process died: an assertion failed or worse"};

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Json violations_json(const std::vector<Violation>& violations) {
  Json list = Json::array();
  for (const Violation& violation : violations) list.push_back({violation.checker, violation.text});
  return list;
}

std::vector<Violation> read_violations(const Json& list) {
  std::vector<Violation> violations;
  for (const Json& entry : list) violations.push_back({entry[0].get<std::string>(), entry[1].get<std::string>()});
  return violations;
}

std::string run_line(std::uint64_t item, const Plan& plan, Mutant mutant) {
  const double before = cpu_seconds();
  const RunResult result = run_world(plan, mutant, false);
  return Json{{"item", item},
              {"failovers", result.failovers},
              {"kept", result.kept},
              {"packets", result.packets},
              {"replays", result.replays},
              {"cpu", cpu_seconds() - before},
              {"violations", violations_json(result.violations)}}
      .dump();
}

class Collector {
 public:
  explicit Collector(const Batch& batch) : batch_(batch) {}

  bool take(const std::string& line) {
    const Json json = Json::parse(line);
    ++summary.runs;
    summary.failovers += json["failovers"].get<std::uint64_t>();
    summary.kept += json["kept"].get<std::uint64_t>();
    summary.packets += json["packets"].get<std::uint64_t>();
    summary.replays += json["replays"].get<std::uint64_t>();
    summary.cpu_seconds += json["cpu"].get<double>();
    const auto violations = read_violations(json["violations"]);
    if (!violations.empty()) fail(json["item"].get<std::uint64_t>(), violations);
    show_progress();
    return summary.complete;
  }
  bool died(std::uint64_t item) {
    ++summary.runs;
    fail(item, {kDeath});
    return summary.complete;
  }

  Summary summary;

 private:
  void fail(std::uint64_t item, const std::vector<Violation>& violations) {
    for (const Violation& violation : violations) {
      std::printf("%s: %s: %s\n", batch_.name(item).c_str(), violation.checker.c_str(), violation.text.c_str());
    }
    std::fflush(stdout);
    summary.failed.emplace(item, violations);
    if (summary.failed.size() >= batch_.failures_max) summary.complete = false;
  }
  void show_progress() {
    const auto now = WallClock::now();
    if (!batch_.progress || now < next_progress_) return;
    next_progress_ = now + kProgressInterval;
    const double seconds = std::chrono::duration<double>(now - began_).count();
    const auto total = static_cast<double>(batch_.last - batch_.first + 1);
    const auto done = static_cast<double>(summary.runs);
    std::fprintf(stderr, "%.0f of %.0f runs, %llu failovers, %zu failed; %.0f failovers/s, %.0f s to go\n", done, total,
                 static_cast<unsigned long long>(summary.failovers), summary.failed.size(),
                 static_cast<double>(summary.failovers) / seconds, (total - done) * seconds / done);
  }

  const Batch& batch_;
  WallClock::time_point began_ = WallClock::now();
  WallClock::time_point next_progress_ = began_ + kProgressInterval;
};

std::string hunt(Mutant mutant, std::uint64_t seeds_max) {
  for (std::uint64_t seed = 1; seed <= seeds_max; ++seed) {
    const RunResult result = run_world(draw_plan(seed), mutant, false);
    if (result.violations.empty()) continue;
    const Violation& first = result.violations.front();
    return Json{{"mutant", mutant}, {"checker", first.checker}, {"seed", seed}, {"text", first.text}}.dump();
  }
  return Json{{"mutant", mutant}, {"checker", ""}, {"seed", seeds_max}, {"text", ""}}.dump();
}

std::string_view name_of(Mutant mutant) {
  for (const auto& [known, name] : kMutants) {
    if (known == mutant) return name;
  }
  return "none";
}

}  // namespace

Summary run_batch(const Batch& batch) {
  Collector collector(batch);
  Pool pool;
  pool.jobs = batch.jobs;
  pool.first = batch.first;
  pool.last = batch.last;
  pool.work = [&](std::uint64_t item) { return run_line(item, batch.plan(item), batch.mutant); };
  pool.take = [&](const std::string& line) { return collector.take(line); };
  pool.died = [&](std::uint64_t item) { return collector.died(item); };
  if (!run_pool(pool)) {
    std::fprintf(stderr, "the system gives no more processes\n");
    collector.summary.complete = false;
  }
  return std::move(collector.summary);
}

std::vector<Caught> run_mutants(unsigned jobs, std::uint64_t seeds_max, std::string_view only) {
  std::vector<Mutant> wanted;
  for (const auto& [mutant, name] : kMutants) {
    if (only.empty() || only == name) wanted.push_back(mutant);
  }
  if (wanted.empty()) return {};
  std::vector<Caught> caught;
  Pool pool;
  pool.jobs = jobs;
  pool.last = wanted.size() - 1;
  pool.work = [&](std::uint64_t item) { return hunt(wanted[item], seeds_max); };
  pool.take = [&](const std::string& line) {
    const Json json = Json::parse(line);
    caught.push_back({name_of(json["mutant"].get<Mutant>()), json["checker"].get<std::string>(),
                      json["seed"].get<std::uint64_t>(), json["text"].get<std::string>()});
    return true;
  };
  pool.died = [&](std::uint64_t item) {
    caught.push_back({name_of(wanted[item]), kDeath.checker, 0, kDeath.text});
    return true;
  };
  static_cast<void>(run_pool(pool));
  return caught;
}

RunResult run_isolated(const Plan& plan, Mutant mutant) {
  RunResult result;
  Pool pool;
  pool.work = [&](std::uint64_t item) { return run_line(item, plan, mutant); };
  pool.take = [&](const std::string& line) {
    result.violations = read_violations(Json::parse(line)["violations"]);
    return true;
  };
  pool.died = [&](std::uint64_t) {
    result.violations = {kDeath};
    return true;
  };
  static_cast<void>(run_pool(pool));
  return result;
}

}  // namespace tandem::sim
