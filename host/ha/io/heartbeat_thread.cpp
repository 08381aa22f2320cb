// SPDX-License-Identifier: Apache-2.0
// The heartbeat thread: wait, empty the sockets, take messages, tick; nothing else. Serves N7.
//
// What waits in the sockets is always taken before the tick: after a pause of the process the partner's heartbeats
// count before its silence does.
#include "host/ha/io/heartbeat_thread.hpp"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>

namespace tandem::ha {
namespace {

constexpr int kPriority = 50;               // SCHED_FIFO
constexpr int kExpeditedForwarding = 0xb8;  // DSCP 46 (RFC 3246)
constexpr unsigned kDatagramsPerWake = 64;  // a socket; a flood must not keep the tick waiting
constexpr std::size_t kMessagesMax = 256;   // from the main loop; newer facts replace waiting ones

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// A mutex whose holder runs at the priority of who waits: the main loop's short looks cannot hold up the thread.
class PriorityMutex {
 public:
  PriorityMutex() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&mutex_, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  ~PriorityMutex() { pthread_mutex_destroy(&mutex_); }
  PriorityMutex(const PriorityMutex&) = delete;
  PriorityMutex& operator=(const PriorityMutex&) = delete;
  void lock() { pthread_mutex_lock(&mutex_); }
  void unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddress to_socket_address(const Endpoint& endpoint) {
  SocketAddress address;
  if (endpoint.address.family == Family::kIpv4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    std::memcpy(&in.sin_addr, endpoint.address.octets.data(), sizeof in.sin_addr);
    std::memcpy(&address.storage, &in, sizeof in);
    address.size = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(endpoint.port);
    std::memcpy(&in.sin6_addr, endpoint.address.octets.data(), sizeof in.sin6_addr);
    std::memcpy(&address.storage, &in, sizeof in);
    address.size = sizeof in;
  }
  return address;
}

struct Path {
  Descriptor socket;
  SocketAddress partner;
  HeartbeatPathView view;
};

Result<Path, std::string> open_path(const HeartbeatPath& path) {
  const auto failed = [&path](const char* action) {
    return Failure{"heartbeat path " + to_string(path.local) + " to " + to_string(path.partner) + ": cannot " + action +
                   ": " + std::strerror(errno)};
  };
  if (path.local.address.family != path.partner.address.family) {
    errno = EAFNOSUPPORT;
    return failed("use two address families");
  }
  const SocketAddress local = to_socket_address(path.local);
  Descriptor socket(::socket(local.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return failed("open a socket");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&local.storage), local.size) != 0) return failed("bind");
  // Unconnected on purpose: a path without a route now may have one later. The HMAC tells who sent a datagram.
  const int tos = kExpeditedForwarding;
  const bool ipv4 = path.local.address.family == Family::kIpv4;
  static_cast<void>(::setsockopt(socket.get(), ipv4 ? static_cast<int>(IPPROTO_IP) : static_cast<int>(IPPROTO_IPV6),
                                 ipv4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof tos));
  return Path{std::move(socket), to_socket_address(path.partner), {path, 0, 0}};
}

struct NewKey {
  SecretBytes key;
};
struct PartnerLeft {};
using Message = std::variant<NewKey, HeartbeatFacts, PartnerLeft>;

class Thread final : public HeartbeatThread {
 public:
  Thread(HeartbeatConfig config, std::vector<Path> paths, Hooks hooks, Descriptor timer, Descriptor wake)
      : interval_(config.interval),
        paths_(std::move(paths)),
        hooks_(std::move(hooks)),
        timer_(std::move(timer)),
        wake_(std::move(wake)),
        core_(config) {}

  ~Thread() override {
    stop_.store(true);
    wake_up();
    if (thread_.joinable()) thread_.join();
  }

  // False: not permitted.
  bool run() {
    thread_ = std::thread([this] { loop(); });
    pthread_setname_np(thread_.native_handle(), "heartbeat");
    sched_param parameters{};
    parameters.sched_priority = kPriority;
    return pthread_setschedparam(thread_.native_handle(), SCHED_FIFO, &parameters) == 0;
  }

  void set_key(ByteView key) override { post(NewKey{SecretBytes(key)}); }
  void set_facts(const HeartbeatFacts& facts) override { post(facts); }
  void partner_left() override { post(PartnerLeft{}); }
  void loop_alive() override { signs_of_life_.fetch_add(1); }

  void set_witness(std::optional<TimePoint> until) override {
    const HeartbeatStep result = locked_step([&](TimePoint now) { return core_.set_witness(now, until); });
    for (const Verdict verdict : result.verdicts) hooks_.verdict(verdict);
  }

  PartnerView partner() const override {
    const std::lock_guard lock(core_mutex_);
    return core_.partner();
  }
  bool eligible() const override {
    const std::lock_guard lock(core_mutex_);
    return core_.eligible(from_ns(hooks_.now_ns()));
  }
  HeartbeatCore::Totals totals() const override {
    const std::lock_guard lock(core_mutex_);
    return core_.totals();
  }
  std::vector<HeartbeatPathView> paths() const override {
    const std::lock_guard lock(core_mutex_);
    std::vector<HeartbeatPathView> views;
    for (const Path& path : paths_) views.push_back(path.view);
    return views;
  }

 private:
  void post(Message message) {
    if (signs_of_life_.load() != 0) loop_alive();
    {
      const std::lock_guard lock(messages_mutex_);
      const bool replaces = std::holds_alternative<HeartbeatFacts>(message) && !messages_.empty() &&
                            std::holds_alternative<HeartbeatFacts>(messages_.back());
      if (replaces) {
        messages_.back() = std::move(message);
      } else {
        // A thread that takes nothing any more is a hang; the watchdog of the card's lease is there for that.
        TANDEM_ASSERT(messages_.size() < kMessagesMax);
        messages_.push_back(std::move(message));
      }
    }
    wake_up();
  }

  void wake_up() {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake_.get(), &one, sizeof one));
  }

  // Runs `input` on the core at the present time. The lease is written first, as a datagram may tell the partner what
  // the card must already obey; and under the lock, as two threads write it.
  template <typename Input>
  HeartbeatStep locked_step(Input&& input) {
    const std::lock_guard lock(core_mutex_);
    HeartbeatStep result = input(from_ns(hooks_.now_ns()));
    if (result.lease_deadline_ns) hooks_.renew_lease(*result.lease_deadline_ns);
    return result;
  }

  // Runs `input` and carries out what the core says.
  template <typename Input>
  void step(Input&& input) {
    const HeartbeatStep result = locked_step(std::forward<Input>(input));
    for (const Bytes& datagram : result.datagrams) {
      for (const Path& path : paths_) {
        // A path that is down drops, like the network does.
        static_cast<void>(!::sendto(path.socket.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                                    reinterpret_cast<const sockaddr*>(&path.partner.storage), path.partner.size));
      }
    }
    for (const Verdict verdict : result.verdicts) hooks_.verdict(verdict);
  }

  void receive(Path& path) {
    std::array<std::uint8_t, 256> buffer;
    for (unsigned count = 0; count < kDatagramsPerWake; ++count) {
      const ssize_t octets = ::recv(path.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (octets < 0) return;
      const ByteView datagram = ByteView(buffer).first(static_cast<std::size_t>(octets));
      step([&](TimePoint now) {
        const std::uint64_t rejected = core_.totals().rejected;
        HeartbeatStep result = core_.handle_datagram(now, datagram);
        if (core_.totals().rejected == rejected) {
          ++path.view.received;
          path.view.last_ns = to_ns(now);
        }
        return result;
      });
    }
  }

  void take_messages() {
    std::uint64_t count = 0;
    static_cast<void>(!::read(wake_.get(), &count, sizeof count));
    std::vector<Message> messages;
    {
      const std::lock_guard lock(messages_mutex_);
      messages.swap(messages_);
    }
    for (const Message& message : messages) {
      if (const auto* key = std::get_if<NewKey>(&message)) {
        const std::lock_guard lock(core_mutex_);
        core_.set_key(from_ns(hooks_.now_ns()), key->key.view());
      } else if (const auto* facts = std::get_if<HeartbeatFacts>(&message)) {
        step([&](TimePoint now) { return core_.set_facts(now, *facts); });
      } else {
        step([&](TimePoint now) { return core_.partner_left(now); });
      }
    }
  }

  void loop() {
    const std::int64_t beat = std::max<std::int64_t>(interval_.count() / 2, 1);
    itimerspec period{};
    period.it_interval.tv_sec = beat / 1'000'000'000;
    period.it_interval.tv_nsec = beat % 1'000'000'000;
    period.it_value = period.it_interval;
    TANDEM_ASSERT(::timerfd_settime(timer_.get(), 0, &period, nullptr) == 0);
    std::vector<pollfd> waits{{timer_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    for (const Path& path : paths_) waits.push_back({path.socket.get(), POLLIN, 0});
    bool hung = false;
    while (!stop_.load()) {
      // The kernel keeps the timer's beat, however long a turn took. What comes during a hang waits in the sockets.
      if (::poll(waits.data(), hung ? 2 : waits.size(), -1) < 0 && errno != EINTR) TANDEM_ASSERT(false);
      std::uint64_t expirations = 0;
      const bool beats = ::read(timer_.get(), &expirations, sizeof expirations) > 0;
      hung = is_loop_hung(beats);
      if (hung) continue;
      for (Path& path : paths_) receive(path);
      take_messages();
      if (beats) step([&](TimePoint now) { return core_.tick(now); });
    }
  }

  // By beats that we were awake for: what paused both of us is no hang.
  bool is_loop_hung(bool beats) {
    const std::uint64_t signs = signs_of_life_.load();
    if (signs != std::exchange(signs_seen_, signs)) {
      silent_beats_ = 0;
    } else if (beats && signs != 0) {
      ++silent_beats_;
    }
    return silent_beats_ * (interval_ / 2) >= hooks_.hung_after;
  }

  Duration interval_;
  std::vector<Path> paths_;
  Hooks hooks_;
  Descriptor timer_;
  Descriptor wake_;
  mutable PriorityMutex core_mutex_;
  HeartbeatCore core_;
  PriorityMutex messages_mutex_;
  std::vector<Message> messages_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> signs_of_life_{0};  // of the main loop; 0: it has not begun to turn
  std::uint64_t signs_seen_ = 0;
  std::int64_t silent_beats_ = 0;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<HeartbeatThread>, std::string> start_heartbeat_thread(HeartbeatConfig config,
                                                                             const std::vector<HeartbeatPath>& paths,
                                                                             HeartbeatThread::Hooks hooks, Log& log) {
  std::vector<Path> open;
  for (const HeartbeatPath& path : paths) {
    Result<Path, std::string> opened = open_path(path);
    if (!opened) return Failure{opened.error()};
    open.push_back(std::move(opened).value());
  }
  // The timer only wakes; what time it is, the card's clock says.
  Descriptor timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  Descriptor wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (timer.get() < 0 || wake.get() < 0) {
    return Failure{std::string("heartbeat thread: cannot create its timer: ") + std::strerror(errno)};
  }
  auto thread = std::make_unique<Thread>(config, std::move(open), std::move(hooks), std::move(timer), std::move(wake));
  if (!thread->run()) {
    log.warning("heartbeat thread: no real-time priority (needs CAP_SYS_NICE); a loaded machine may cause takeovers");
  }
  return std::unique_ptr<HeartbeatThread>(std::move(thread));
}

}  // namespace tandem::ha
