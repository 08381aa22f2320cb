// SPDX-License-Identifier: Apache-2.0
// Two heartbeat threads over loopback: they hear each other, renew the lease, and notice a death (N7).
#include "host/ha/io/heartbeat_thread.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

namespace tandem::ha {
namespace {

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(fd, any, size) == 0);
  REQUIRE(::getsockname(fd, any, &size) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// Generous, so that a loaded machine raises no false alarm.
HeartbeatConfig slow(std::uint8_t member) {
  HeartbeatConfig config;
  config.member = member;
  config.interval = std::chrono::milliseconds(40);
  config.lease = std::chrono::milliseconds(160);
  config.takeover = std::chrono::milliseconds(200);
  config.eligible = std::chrono::milliseconds(400);
  return config;
}

struct Side {
  std::atomic<std::uint64_t> lease{0};
  std::array<std::atomic<unsigned>, 8> verdicts{};
  CapturingLog log;
  std::unique_ptr<HeartbeatThread> thread;

  void start(std::uint8_t member, const std::vector<HeartbeatPath>& paths) {
    HeartbeatThread::Hooks hooks;
    hooks.now_ns = now_ns;
    hooks.renew_lease = [this](std::uint64_t deadline) { lease = deadline; };
    hooks.verdict = [this](Verdict verdict) { ++verdicts[static_cast<std::size_t>(verdict)]; };
    hooks.hung_after = std::chrono::milliseconds(400);
    auto started = start_heartbeat_thread(slow(member), paths, hooks, log);
    REQUIRE(started.ok());
    thread = std::move(started).value();
    thread->set_key(Bytes(32, 3));
  }
  unsigned count(Verdict verdict) const { return verdicts[static_cast<std::size_t>(verdict)]; }
};

// Looks again and again, for two seconds at most.
template <typename Condition>
bool wait_for(Condition condition) {
  for (int i = 0; i < 400; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

// Over one path, in sync.
void pair_up(Side& active, Side& standby) {
  const IpAddress loopback = IpAddress::ipv4(INADDR_LOOPBACK);
  const HeartbeatPath path{{loopback, free_port()}, {loopback, free_port()}};
  active.start(1, {path});
  standby.start(2, {{path.partner, path.local}});
  active.thread->set_facts({Role::kActive, false, true, 1, 1});
  standby.thread->set_facts({Role::kStandby, false, true, 1, 1});
  REQUIRE(wait_for([&] { return standby.thread->partner().in_sync && active.thread->partner().heard; }));
}

}  // namespace

TEST_CASE("two threads hear each other over two paths, and the survivor of a death is told to take over", "[N7]") {
  const IpAddress loopback = IpAddress::ipv4(INADDR_LOOPBACK);
  std::vector<HeartbeatPath> paths, reverse;
  for (int i = 0; i < 2; ++i) {
    paths.push_back({{loopback, free_port()}, {loopback, free_port()}});
    reverse.push_back({paths.back().partner, paths.back().local});
  }
  Side active, standby;
  active.start(1, paths);
  standby.start(2, reverse);
  active.thread->set_facts({Role::kActive, false, true, 1, 1});
  standby.thread->set_facts({Role::kStandby, false, true, 1, 1});
  REQUIRE(wait_for([&] { return standby.thread->partner().role == Role::kActive && active.thread->partner().heard; }));
  REQUIRE(wait_for([&] { return active.lease > now_ns(); }));
  REQUIRE(wait_for([&] { return active.thread->totals().received > 20; }));
  CHECK(active.lease > now_ns());
  CHECK(standby.lease == 0);
  CHECK(active.thread->totals().lapses == 0);
  CHECK(active.thread->totals().rejected == 0);
  CHECK_FALSE(standby.thread->eligible());

  active.thread.reset();
  REQUIRE(wait_for([&] { return standby.count(Verdict::kTakeOver) == 1; }));
  CHECK(standby.thread->eligible());
  standby.thread->set_facts({Role::kActive, true, false, 2, 2});
  REQUIRE(wait_for([&] { return standby.lease > now_ns(); }));
}

TEST_CASE("a goodbye needs no silence", "[N7]") {
  Side active, standby;
  pair_up(active, standby);
  standby.thread->partner_left();
  REQUIRE(wait_for([&] { return standby.count(Verdict::kTakeOver) == 1; }));
}

TEST_CASE("a member whose main loop hangs is taken over from, and silent when it goes on", "[N7]") {
  Side active, standby;
  pair_up(active, standby);
  // Its disk does not answer, say, from here on; the other's loop turns.
  active.thread->loop_alive();
  REQUIRE(wait_for([&] {
    standby.thread->loop_alive();
    return standby.count(Verdict::kTakeOver) == 1;
  }));
  CHECK(active.lease <= now_ns());
  CHECK(standby.thread->eligible());
  standby.thread->set_facts({Role::kActive, true, false, 2, 2, true, true});
  REQUIRE(wait_for([&] {
    standby.thread->loop_alive();
    return standby.lease > now_ns();
  }));
  CHECK(active.lease <= now_ns());
  active.thread->loop_alive();
  REQUIRE(wait_for([&] {
    standby.thread->loop_alive();
    active.thread->loop_alive();
    return active.count(Verdict::kDeposed) == 1;
  }));
  CHECK(active.lease == 0);
}

TEST_CASE("a path that cannot be opened is named") {
  NullLog log;
  const HeartbeatPath path{{IpAddress::ipv4(0x08080808), 9}, {IpAddress::ipv4(0x08080809), 9}};
  const auto started = start_heartbeat_thread(slow(1), {path}, {}, log);
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().find("8.8.8.8:9") != std::string::npos);
}

}  // namespace tandem::ha
