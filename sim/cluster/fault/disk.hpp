// SPDX-License-Identifier: Apache-2.0
// The disk behind a member's activation number: it keeps what fsync kept over every crash, can be full, and as a
// mutant goes back in time when its machine restarts.
#pragma once

#include "host/ha/incarnation_store.hpp"
#include "sim/cluster/mutant.hpp"

namespace tandem::sim {

class Disk final : public ha::IncarnationStore {
 public:
  explicit Disk(Mutant mutant) : mutant_(mutant) {}
  void set_full(bool full) { full_ = full; }
  void machine_restarts() {
    if (mutant_ == Mutant::kForgetfulStore) durable_ = 0;
  }

  std::uint64_t durable() const override { return durable_; }
  Result<void, ha::StoreError> reserve(std::uint64_t activation) override {
    if (full_) return Failure{ha::StoreError{ha::StoreErrc::kIo, "no space left on device"}};
    TANDEM_ASSERT(activation > durable_);
    durable_ = activation;
    return {};
  }

 private:
  Mutant mutant_;
  bool full_ = false;
  std::uint64_t durable_ = 0;
};

}  // namespace tandem::sim
