// SPDX-License-Identifier: Apache-2.0
// The sync channel's protocol without I/O: hello, numbered records, cumulative acknowledgements, a bounded
// window. It neither knows roles nor decides anything: its owner does. Frames go over a mutually
// authenticated TLS session (io/tls_session.hpp). Serves N4, N6.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "host/base/bytes.hpp"
#include "host/base/time.hpp"
#include "host/ha/records.hpp"

namespace tandem::ha {

struct SyncLinkConfig {
  std::uint32_t window_records = 4096;          // unacknowledged records on the wire
  std::uint64_t queue_octets_max = 256u << 20;  // beyond that the link gives up (kOverflow)
  Duration stall = std::chrono::seconds(1);     // no acknowledgement, or no more of a frame: the partner counts as lost
  Duration hello = std::chrono::seconds(3);     // from open() to the partner's hello: else kStalled
};

enum class LinkErrc { kMalformed, kVersion, kCluster, kMember, kConfig, kContract, kOverflow, kStalled, kProtocol };

// What happened, in order.
struct PartnerHello {
  Hello hello;
};
struct Received {
  std::uint64_t number = 0;  // to acknowledge once applied
  Record record;
};
struct Acknowledged {
  std::uint64_t number = 0;  // all up to and including it
};
// The session must be closed; text says what and where (for kConfig: which items differ). Until close() or open() the
// link stays open, but takes nothing in and gives nothing out.
struct Broken {
  LinkErrc code;
  std::string text;
  std::optional<Hello> partner = std::nullopt;  // whose hello did not match ours
};
using LinkEvent = std::variant<PartnerHello, Received, Acknowledged, Broken>;

class SyncLink {
 public:
  explicit SyncLink(SyncLinkConfig config);
  ~SyncLink();

  // A new session stands: numbering starts at 1, everything queued before is gone. Queues our hello.
  void open(TimePoint now, const Hello& mine);
  void close();
  bool is_open() const;
  // Both hellos are through and match.
  bool is_joined() const;

  // Octets from the session, any fragmentation. Hostile.
  std::vector<LinkEvent> receive(TimePoint now, ByteView octets);
  std::vector<LinkEvent> handle_timers(TimePoint now);
  TimePoint next_deadline() const;

  // Queues a record, returns its number. Precondition: is_joined().
  std::uint64_t append(TimePoint now, const Record& record);
  // We have applied (and, for SAs, written to the card) everything up to `number`.
  void acknowledge(std::uint64_t number);
  std::uint64_t last_appended() const;
  std::uint64_t last_acknowledged() const;

  // Takes the octets to be written to the session, as far as the window allows; empty: nothing.
  Bytes take_output(TimePoint now);

  struct Totals {
    std::uint64_t records_sent = 0, octets_sent = 0, records_received = 0, octets_received = 0;
  };
  Totals totals() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::ha
