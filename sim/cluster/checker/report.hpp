// SPDX-License-Identifier: Apache-2.0
// Where checkers put what they found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/cluster/story.hpp"

namespace tandem::sim {

struct Violation {
  std::string checker;
  std::string text;
};

class Report {
 public:
  static constexpr std::size_t kKeptMax = 16;

  explicit Report(const Story& story) : story_(story) {}
  void violation(std::string_view checker, const std::string& text) {
    story_.tell(checker, "VIOLATION: " + text);
    ++count_;
    if (found_.size() < kKeptMax) found_.push_back({std::string(checker), text});
  }
  bool clean() const { return count_ == 0; }
  const std::vector<Violation>& found() const { return found_; }

 private:
  const Story& story_;
  std::size_t count_ = 0;
  std::vector<Violation> found_;
};

}  // namespace tandem::sim
