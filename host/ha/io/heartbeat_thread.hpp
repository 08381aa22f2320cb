// SPDX-License-Identifier: Apache-2.0
// The heartbeat thread: real-time priority, its own UDP sockets, a HeartbeatCore, and the card's lease; it
// does nothing else. The main loop talks to it by small messages. Serves N7.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/base/ip_address.hpp"
#include "host/base/log.hpp"
#include "host/base/result.hpp"
#include "host/ha/heartbeat.hpp"

namespace tandem::ha {

struct HeartbeatPath {
  Endpoint local;
  Endpoint partner;
};

// One path, as seen here.
struct HeartbeatPathView {
  HeartbeatPath path;
  std::uint64_t received = 0;  // genuine heartbeats, copies included
  std::uint64_t last_ns = 0;   // the last one, on the card's clock; 0: none yet
};

class HeartbeatThread {
 public:
  struct Hooks {
    // Called on the heartbeat thread: must be thread-safe and must not block.
    std::function<std::uint64_t()> now_ns;                       // the card's clock
    std::function<void(std::uint64_t deadline_ns)> renew_lease;  // one register write
    std::function<void(Verdict verdict)> verdict;                // e.g. posts to the main loop
    Duration hung_after = std::chrono::seconds(5);               // see loop_alive()
  };
  virtual ~HeartbeatThread() = default;  // stops and joins
  // Thread-safe; take effect at once.
  virtual void set_key(ByteView key) = 0;
  virtual void set_facts(const HeartbeatFacts& facts) = 0;
  virtual void partner_left() = 0;
  // HeartbeatCore::set_witness; the card obeys it when this returns.
  virtual void set_witness(std::optional<TimePoint> until) = 0;
  // The main loop turns. From the first call on, `hung_after` (awake) without another call or message is a hang:
  // nothing is received, said or renewed then, as if the whole process were paused, so that the partner takes over.
  virtual void loop_alive() = 0;
  virtual PartnerView partner() const = 0;
  virtual bool eligible() const = 0;
  virtual HeartbeatCore::Totals totals() const = 0;
  virtual std::vector<HeartbeatPathView> paths() const = 0;
};

// SCHED_FIFO where permitted (a line in the log where not). Error text names the path at fault.
Result<std::unique_ptr<HeartbeatThread>, std::string> start_heartbeat_thread(HeartbeatConfig config,
                                                                             const std::vector<HeartbeatPath>& paths,
                                                                             HeartbeatThread::Hooks hooks, Log& log);

}  // namespace tandem::ha
