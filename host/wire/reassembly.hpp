// SPDX-License-Identifier: Apache-2.0
// Reassembly of IPv4 fragments with hard bounds on memory and time. RFC 791 3.2, RFC 1858, RFC 5722's rule for IPv4
// too: an overlap kills the datagram.
#pragma once

#include <map>
#include <optional>
#include <tuple>

#include "host/base/bytes.hpp"
#include "host/base/ip_address.hpp"
#include "host/base/time.hpp"

namespace tandem::wire {

struct ReassemblyLimits {
  std::size_t datagrams_max = 64;
  std::size_t octets_max = 1U << 20;  // payload held over all datagrams
  std::size_t fragments_max = 128;    // per datagram
  Duration timeout = std::chrono::seconds(15);
};

struct ReassemblyCounters {
  std::uint64_t completed = 0;
  std::uint64_t expired = 0;    // timeout
  std::uint64_t evicted = 0;    // oldest, to make room
  std::uint64_t malformed = 0;  // overlap, beyond 65535, odd sizes, contradicting ends
};

// Values in, values out; `now` never goes back. Full: the oldest datagram makes room.
class Ipv4Reassembler final {
 public:
  explicit Ipv4Reassembler(ReassemblyLimits limits = {}) : limits_(limits) {}

  // Takes one IPv4 packet. A packet that is no fragment comes back as a copy; the last missing fragment brings the
  // whole packet (no options, no fragment bits, checksum right); all else brings nothing. Repeated identical fragments
  // are ignored.
  std::optional<Bytes> add(ByteView packet, TimePoint now);
  // Forgets datagrams older than the timeout.
  void expire(TimePoint now);
  // When expire() next has work; kNever when nothing is held.
  TimePoint next_timeout() const;

  std::size_t datagrams() const { return pending_.size(); }
  std::size_t octets() const { return octets_; }
  const ReassemblyCounters& counters() const { return counters_; }

 private:
  using Key = std::tuple<IpAddress, IpAddress, std::uint8_t, std::uint16_t>;
  struct Pending {
    TimePoint since{};
    std::map<std::size_t, Bytes> parts{};
    std::size_t octets = 0;
    std::optional<std::size_t> total{};
    std::uint8_t tos = 0;
    std::uint8_t ttl = 0;
    bool congestion = false;  // some fragment was marked CE (RFC 3168 5.3)
  };

  void forget(std::map<Key, Pending>::iterator which);
  bool accept(Pending& pending, std::size_t offset, ByteView part, bool last);
  void make_room(const Key& key, std::size_t octets);

  ReassemblyLimits limits_;
  std::map<Key, Pending> pending_;
  std::size_t octets_ = 0;
  ReassemblyCounters counters_;
};

}  // namespace tandem::wire
