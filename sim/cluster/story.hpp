// SPDX-License-Identifier: Apache-2.0
// What happened in a run, one line an event: written only when somebody will read it, as text costs more than the
// simulation.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "host/base/log.hpp"
#include "sim/cluster/scheduler.hpp"

namespace tandem::sim {

class Story {
 public:
  Story(const Scheduler& clock, bool told) : clock_(clock), told_(told) {}
  bool told() const { return told_; }

  // `who` acts, `what` happened; the time is the clock's, in milliseconds since the run began.
  void tell(std::string_view who, std::string_view what) const {
    if (!told_) return;
    const double ms = std::chrono::duration<double, std::milli>(clock_.now() - start_).count();
    std::printf("%10.3f ms  %-8.*s %.*s\n", ms, static_cast<int>(who.size()), who.data(), static_cast<int>(what.size()),
                what.data());
  }

 private:
  const Scheduler& clock_;
  bool told_;
  TimePoint start_ = clock_.now();
};

// A member's own log lines as part of the story.
class StoryLog final : public Log {
 public:
  StoryLog(const Story& story, std::string who) : story_(story), who_(std::move(who)) {}
  void line(LogLevel level, std::string_view text) override {
    if (level == LogLevel::kDebug || !story_.told()) return;
    story_.tell(who_, std::string("log: ") + std::string(text));
  }

 private:
  const Story& story_;
  std::string who_;
};

}  // namespace tandem::sim
