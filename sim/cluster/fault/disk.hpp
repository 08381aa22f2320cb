// SPDX-License-Identifier: Apache-2.0
// The disk behind a member's activation number: it keeps what fsync kept over every crash, can be full, can lie about
// fsync, and as a mutant goes back in time when its machine restarts.
#pragma once

#include "host/ha/incarnation_store.hpp"
#include "sim/cluster/fault/steps.hpp"
#include "sim/cluster/mutant.hpp"

namespace tandem::sim {

class Disk final : public ha::IncarnationStore {
 public:
  Disk(Steps& steps, Mutant mutant) : steps_(steps), mutant_(mutant) {}
  void set_full(bool full) { full_ = full; }
  // While it lies, what it calls durable is gone when the machine restarts.
  void set_lying(bool lying) { lying_ = lying; }
  void machine_restarts() {
    durable_ = mutant_ == Mutant::kForgetfulStore ? 0 : platter_;
    platter_ = durable_;
    lying_ = false;
  }

  std::uint64_t durable() const override { return durable_; }
  Result<void, ha::StoreError> reserve(std::uint64_t activation) override {
    steps_.step();
    if (full_) return Failure{ha::StoreError{ha::StoreErrc::kIo, "no space left on device"}};
    TANDEM_ASSERT(activation > durable_);
    durable_ = activation;
    if (!lying_) platter_ = activation;
    steps_.step();
    return {};
  }

 private:
  Steps& steps_;
  Mutant mutant_;
  bool full_ = false;
  bool lying_ = false;
  std::uint64_t durable_ = 0;  // as the process sees it
  std::uint64_t platter_ = 0;
};

}  // namespace tandem::sim
