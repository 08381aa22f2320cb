// SPDX-License-Identifier: Apache-2.0
// N2: the numbers that a peer sees under one SA only go up, whichever member sends. Two members that speak at the same
// time (a split without a witness) each go up by themselves: such runs are exempt, and no others.
#pragma once

#include <unordered_map>

#include "sim/cluster/checker/keys.hpp"
#include "sim/cluster/checker/report.hpp"

namespace tandem::sim {

class N2Sequence {
 public:
  N2Sequence(Report& report, bool exempt) : report_(report), exempt_(exempt) {}
  void sent(KeyId key, std::uint32_t number, std::string_view who) {
    std::uint32_t& last = last_[key];
    if (number <= last && !exempt_) {
      report_.violation("N2", std::string(who) + " sent number " + std::to_string(number) + " after " +
                                  std::to_string(last) + " under key " + std::to_string(key));
    }
    if (number > last) last = number;
  }

 private:
  Report& report_;
  bool exempt_;
  std::unordered_map<KeyId, std::uint32_t> last_;
};

}  // namespace tandem::sim
