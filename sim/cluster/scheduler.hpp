// SPDX-License-Identifier: Apache-2.0
// The virtual clock: what is to happen, in order of time and, at one instant, in order of asking. Nothing else in
// the simulator knows what time it is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "host/base/time.hpp"

namespace tandem::sim {

class Scheduler {
 public:
  using Action = std::function<void()>;

  TimePoint now() const { return now_; }
  std::uint64_t steps() const { return steps_; }

  // An instant that has passed counts as now.
  void at(TimePoint when, Action action) {
    heap_.push_back({std::max(when, now_), order_++, std::move(action)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  void after(Duration delay, Action action) { at(now_ + delay, std::move(action)); }

  // Runs everything up to `end`, at most `steps_max` actions in the scheduler's whole life; false: more than that.
  bool run_until(TimePoint end, std::uint64_t steps_max) {
    while (!heap_.empty() && heap_.front().when <= end) {
      if (++steps_ > steps_max) return false;
      std::pop_heap(heap_.begin(), heap_.end(), later);
      Item item = std::move(heap_.back());
      heap_.pop_back();
      now_ = item.when;
      item.action();
    }
    now_ = end;
    return true;
  }

 private:
  struct Item {
    TimePoint when;
    std::uint64_t order;
    Action action;
  };
  static bool later(const Item& a, const Item& b) { return a.when != b.when ? a.when > b.when : a.order > b.order; }

  TimePoint now_{std::chrono::seconds(1000)};
  std::uint64_t order_ = 0;
  std::uint64_t steps_ = 0;
  std::vector<Item> heap_;
};

}  // namespace tandem::sim
