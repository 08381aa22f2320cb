// SPDX-License-Identifier: Apache-2.0
// The witness's thread: a WitnessCore and its two connections to etcd, beside the main loop, whose turns may be longer
// than the time in which an active must be heard by its witness. Serves N7.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "host/base/log.hpp"
#include "host/base/result.hpp"
#include "host/ha/io/etcd_client.hpp"
#include "host/ha/witness.hpp"

namespace tandem::ha {

class WitnessThread {
 public:
  struct Hooks {
    // Called on the witness's thread: must be thread-safe.
    std::function<TimePoint()> now;                             // the clock of the heartbeats
    std::function<TimePoint()> echoed;                          // PartnerView::echoed
    std::function<void(std::optional<TimePoint> until)> valid;  // in force when it returns
    std::function<void(const WitnessEvent& event)> event;       // e.g. posts to the main loop
  };
  virtual ~WitnessThread() = default;  // stops and joins
  // Thread-safe.
  virtual void set_facts(const WitnessFacts& facts) = 0;
  virtual void claim(const WitnessClaim& claim) = 0;
  virtual void release() = 0;
  virtual WitnessView view() const = 0;
};

// Error text names the file at fault. An etcd that cannot be reached is no error.
Result<std::unique_ptr<WitnessThread>, std::string> start_witness_thread(WitnessConfig config, const EtcdConfig& etcd,
                                                                         WitnessThread::Hooks hooks, Log& log);

}  // namespace tandem::ha
