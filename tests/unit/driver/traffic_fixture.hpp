// SPDX-License-Identifier: Apache-2.0
// Two soft cards joined by their outer ports, a host behind each inner port, each in its own namespace:
//   host a (10.1.0.2) -- inner [card a] outer -- 192.0.2.0/24 -- outer [card b] inner -- host b (10.2.0.2)
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "driver/card.hpp"
#include "driver/unique_fd.hpp"
#include "tests/unit/driver/card_fixtures.hpp"

namespace tandem::driver::test {

constexpr std::uint16_t kUdpPort = 7000;

struct Appliance {
  std::string name_space;
  std::unique_ptr<SoftcardProcess> process;
  std::unique_ptr<Card> card;
};

class TrafficFixture {
 public:
  TrafficFixture();
  ~TrafficFixture();
  TrafficFixture(const TrafficFixture&) = delete;
  TrafficFixture& operator=(const TrafficFixture&) = delete;

  bool available() const { return available_; }
  Appliance& a() { return a_; }
  Appliance& b() { return b_; }
  std::string host_a() const { return prefix_ + "-ha"; }
  std::string host_b() const { return prefix_ + "-hb"; }

  // A mirrored SA pair in slot 1, flows for ICMP echo and UDP kUdpPort both ways, next hops; armed, and the
  // lease as long as given, ns.
  void protect(std::uint64_t lease_ns);

  // A socket of a namespace; -1 in it when that fails.
  static UniqueFd socket_in(const std::string& name_space, int family, int type, int protocol);

 private:
  void build_wires();
  void start(Appliance& appliance, int number);
  void configure(Appliance& appliance, int number);

  std::string prefix_;
  bool available_ = false;
  Appliance a_;
  Appliance b_;
};

// What passes a namespace's outer interface, with the kernel's time of arrival.
class EspCapture {
 public:
  explicit EspCapture(const std::string& name_space);
  struct Seen {
    std::uint64_t boot_ns;
    bool esp;
  };
  // All IPv4 packets since the last call.
  std::vector<Seen> take();

 private:
  UniqueFd socket_;
};

}  // namespace tandem::driver::test
