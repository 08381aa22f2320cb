// SPDX-License-Identifier: Apache-2.0
// A small world for IKE tests: two sites, each with an active core and perhaps a standby that gets every replicated
// state, a network in memory and virtual time. What is lost, repeated or late is a function's choice.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "host/base/seeded_random.hpp"
#include "host/ike/core.hpp"

namespace tandem::ike::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Slots final : public ChildSlots {
 public:
  explicit Slots(std::uint32_t first) : next_(first), route_((first >> 20 & 0xfff) * 100) {}
  std::optional<ChildSlot> allocate() override {
    if (left == 0) return std::nullopt;
    --left;
    const ChildSlot slot{next_, next_ & 0xffff};
    next_ += 0x10;
    reserved.insert(slot.spi);
    return slot;
  }
  void release(std::uint32_t spi) override { reserved.erase(spi); }
  std::optional<std::uint32_t> allocate_route() override { return ++route_; }
  std::uint64_t inbound_gap(std::uint32_t spi_in) const override { return gap ? gap(spi_in) : 0; }

  std::function<std::uint64_t(std::uint32_t)> gap;  // after a takeover

  std::set<std::uint32_t> reserved;
  unsigned left = 100000;

 private:
  std::uint32_t next_;
  std::uint32_t route_;
};

// One member: what a core needs to live.
struct Member {
  Member(Config config, std::uint64_t seed, std::uint32_t first_spi, std::uint16_t incarnation_of_member)
      : random(seed),
        slots(first_spi),
        core(std::move(config), random, slots, log),
        incarnation(incarnation_of_member) {}
  SeededRandom random;
  Slots slots;
  CapturingLog log;
  Core core;
  std::uint16_t incarnation;
};

// What happens to one datagram on its way: how many copies arrive, and how late each.
using Fate = std::vector<Duration>;
using Network = std::function<Fate(std::size_t index, const Datagram&)>;

struct Site {
  Config config;
  IpAddress address;
  std::vector<std::unique_ptr<Member>> members;  // the first is active
  bool replicated = false;
  // Called before each gated datagram leaves, after replication; false: the member dies here, unsaid.
  std::function<bool(const Datagram&)> before_send;
  std::function<bool(const Datagram&)> after_send;
  std::vector<OutboundJump> jumps;
  unsigned left_unsent = 0;
  std::uint64_t seed = 0;

  Core& core() { return members.front()->core; }
  Member& active() { return *members.front(); }
};

Config base_config(std::string_view local, std::string_view remote, std::string_view local_id,
                   std::string_view remote_id, std::string_view local_net, std::string_view remote_net);
// Of the two sites of a World that says nothing else.
Config config_a();
Config config_b();
std::vector<wire::TrafficSelector> net(std::string_view prefix);
SecretBytes secret(std::string_view text);

class World {
 public:
  World(Config a, Config b);
  // a: 192.0.2.1 with 10.1.0.0/16; b: 192.0.2.2 with 10.2.0.0/16; a child "net" each way.
  World();

  // Adds a standby to a site; from now on it gets all states.
  void add_standby(Site& site);
  // The active member of a site is gone; its standby speaks.
  void take_over(Site& site, bool exact = true);
  // All members of a site die; one starts again without SAs, with these secrets of its cluster (empty: it makes new
  // ones), and shows crash tokens at once.
  void restart(Site& site, ClusterSecrets secrets);
  void perform(Site& site, Step step);
  void run_for(Duration duration);
  // Runs for a second of virtual time, enough for any exchange without loss.
  void settle() { run_for(seconds(1)); }
  // a initiates "net" and the world settles.
  void connect();

  Site& site_at(const IpAddress& address) { return address == a.address ? a : b; }
  Site& other(Site& site) { return &site == &a ? b : a; }

  Site a;
  Site b;
  TimePoint now{seconds(1000)};
  Network network = [](std::size_t, const Datagram&) { return Fate{milliseconds(5)}; };
  std::size_t sent = 0;
  std::size_t init_requests = 0;
  std::vector<Datagram> history;
  std::function<Datagram(Datagram)> rewrite;  // a NAT on the way

 private:
  struct Flight {
    TimePoint at;
    std::size_t order;
    Datagram datagram;
  };
  bool transmit(const Datagram& datagram);
  void pump_site_timers(Site& site);
  std::vector<Flight> flights_;
  std::size_t order_ = 0;
};

// The established SAs of a site, replaced and closing ones left out.
std::vector<const IkeSaState*> established(Site& site);
std::vector<const ChildSaState*> installed(Site& site);
// Empty when both sites hold the same SAs with the same keys, one carrier a route; else what differs.
std::string disagreement(World& world);
const ChildSaState& only_child(Site& site);
LocalSpi only_sa(Site& site);

}  // namespace tandem::ike::test
