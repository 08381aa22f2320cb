// SPDX-License-Identifier: Apache-2.0
// The traffic of the demonstration and of the tests with real processes: a paced UDP flow whose payloads carry a
// 64-bit sequence number and the time they were sent, its receiver that logs every arrival, and one TCP transfer
// whose content is verified. Times are CLOCK_MONOTONIC nanoseconds: the namespaces of one machine share that clock.
//
// A receiver's log is a row of records of three little-endian 64-bit words: sequence, sent, received. Every mode
// prints "ready" when its socket stands and one line of JSON at its end (SIGTERM ends it).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <vector>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kStampBytes = 24;
constexpr std::uint64_t kMagic = 0x54414e44454d0001;
volatile std::sig_atomic_t stop_requested = 0;

void request_stop(int) { stop_requested = 1; }

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * kSecond + now.tv_nsec;
}

void sleep_until(std::int64_t deadline_ns) {
  const timespec deadline{deadline_ns / kSecond, deadline_ns % kSecond};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR && stop_requested == 0) {
  }
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "demo_traffic: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

// The options of one mode: `--name value` pairs.
class Options {
 public:
  Options(int count, char** words) {
    for (int i = 2; i + 1 < count; i += 2) {
      if (std::strncmp(words[i], "--", 2) == 0) values_[words[i] + 2] = words[i + 1];
    }
  }
  std::string text(const std::string& name, const std::string& otherwise = "") const {
    const auto found = values_.find(name);
    return found == values_.end() ? otherwise : found->second;
  }
  double number(const std::string& name, double otherwise) const {
    const auto found = values_.find(name);
    return found == values_.end() ? otherwise : std::atof(found->second.c_str());
  }

 private:
  std::map<std::string, std::string> values_;
};

// "10.0.0.1:4000" as a socket address; ends the program when it is malformed.
sockaddr_in parse_endpoint(const std::string& text) {
  sockaddr_in endpoint{};
  endpoint.sin_family = AF_INET;
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || inet_pton(AF_INET, text.substr(0, colon).c_str(), &endpoint.sin_addr) != 1) {
    std::fprintf(stderr, "demo_traffic: '%s' is no address:port\n", text.c_str());
    std::exit(2);
  }
  endpoint.sin_port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
  return endpoint;
}

int bound_socket(int type, const std::string& address) {
  const int handle = socket(AF_INET, type, 0);
  if (handle < 0) fail("socket");
  const int one = 1;
  setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  const sockaddr_in local = parse_endpoint(address);
  if (bind(handle, reinterpret_cast<const sockaddr*>(&local), sizeof(local)) != 0) fail("bind");
  return handle;
}

// Measurements should not wait behind busy daemons; without the right to it we measure a little worse.
void raise_priority() {
  sched_param priority{};
  priority.sched_priority = 1;
  if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) std::fprintf(stderr, "demo_traffic: no real-time priority\n");
  mlockall(MCL_CURRENT);
}

void say_ready() {
  std::puts("ready");
  std::fflush(stdout);
}

void put_word(std::uint8_t* target, std::uint64_t value) {
  for (std::size_t i = 0; i < 8; ++i) target[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::uint64_t get_word(const std::uint8_t* source) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= static_cast<std::uint64_t>(source[i]) << (8 * i);
  return value;
}

// UDP sender: packet n leaves at start + n / rate, by absolute deadlines, so that a late packet delays no other.
int udp_send(const Options& options) {
  const int handle = bound_socket(SOCK_DGRAM, options.text("bind", "0.0.0.0:0"));
  const sockaddr_in target = parse_endpoint(options.text("to"));
  const double rate = options.number("rate", 1000);
  std::vector<std::uint8_t> payload(std::max(kStampBytes, static_cast<std::size_t>(options.number("size", 100))), 0x5a);
  raise_priority();
  say_ready();
  const std::int64_t start = now_ns();
  std::uint64_t sent = 0;
  std::uint64_t errors = 0;
  std::int64_t late_max = 0;
  for (std::uint64_t slot = 0; stop_requested == 0; ++slot) {
    const std::int64_t due = start + static_cast<std::int64_t>(static_cast<double>(slot) * kSecond / rate);
    sleep_until(due);
    const std::int64_t now = now_ns();
    late_max = std::max(late_max, now - due);
    put_word(payload.data(), kMagic);
    put_word(payload.data() + 8, sent);
    put_word(payload.data() + 16, static_cast<std::uint64_t>(now));
    const ssize_t done =
        sendto(handle, payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&target), sizeof(target));
    // A packet that the own kernel refused never left: it keeps its number and counts as an error, not as a loss.
    if (done == static_cast<ssize_t>(payload.size())) {
      ++sent;
    } else {
      ++errors;
    }
  }
  std::printf("{\"sent\": %llu, \"errors\": %llu, \"start_ns\": %lld, \"end_ns\": %lld, \"late_max_us\": %lld}\n",
              static_cast<unsigned long long>(sent), static_cast<unsigned long long>(errors),
              static_cast<long long>(start), static_cast<long long>(now_ns()), static_cast<long long>(late_max / 1000));
  return 0;
}

// UDP receiver: logs every stamped payload in the order of arrival.
int udp_receive(const Options& options) {
  const int handle = bound_socket(SOCK_DGRAM, options.text("bind"));
  const int buffer_bytes = 8 << 20;
  setsockopt(handle, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes));
  std::FILE* log = std::fopen(options.text("log", "/dev/null").c_str(), "wb");
  if (log == nullptr) fail("log");
  raise_priority();
  say_ready();
  std::array<std::uint8_t, 65536> packet{};
  std::uint64_t received = 0;
  std::uint64_t malformed = 0;
  while (stop_requested == 0) {
    pollfd waiting{handle, POLLIN, 0};
    if (poll(&waiting, 1, 200) <= 0) {
      std::fflush(log);
      continue;
    }
    const ssize_t length = recv(handle, packet.data(), packet.size(), MSG_DONTWAIT);
    if (length < 0) continue;
    const std::int64_t now = now_ns();
    if (static_cast<std::size_t>(length) < kStampBytes || get_word(packet.data()) != kMagic) {
      ++malformed;
      continue;
    }
    std::array<std::uint8_t, 24> record{};
    std::memcpy(record.data(), packet.data() + 8, 16);
    put_word(record.data() + 16, static_cast<std::uint64_t>(now));
    std::fwrite(record.data(), 1, record.size(), log);
    ++received;
  }
  std::fclose(log);
  std::printf("{\"received\": %llu, \"malformed\": %llu}\n", static_cast<unsigned long long>(received),
              static_cast<unsigned long long>(malformed));
  return 0;
}

// The byte of the TCP transfer at an offset: a hash of the eight-byte word's index (splitmix64).
void fill_pattern(std::uint64_t offset, std::uint8_t* target, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t word = (offset + i) / 8 * 0x9e3779b97f4a7c15ULL + 0x1234567ULL;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ULL;
    word ^= word >> 27;
    target[i] = static_cast<std::uint8_t>(word >> (8 * ((offset + i) % 8)));
  }
}

struct TcpOutcome {
  std::uint64_t bytes = 0;
  std::uint64_t confirmed = 0;
  bool wrong_content = false;
  int error = 0;
  std::int64_t stall_max_ns = 0;
};

int report_tcp(const TcpOutcome& outcome) {
  std::printf(
      "{\"bytes\": %llu, \"confirmed\": %llu, \"wrong_content\": %s, \"reset\": %s, \"error\": \"%s\", "
      "\"stall_max_ms\": %.1f}\n",
      static_cast<unsigned long long>(outcome.bytes), static_cast<unsigned long long>(outcome.confirmed),
      outcome.wrong_content ? "true" : "false",
      outcome.error == ECONNRESET || outcome.error == EPIPE ? "true" : "false",
      outcome.error == 0 ? "" : std::strerror(outcome.error), static_cast<double>(outcome.stall_max_ns) / 1e6);
  return outcome.error == 0 && !outcome.wrong_content ? 0 : 1;
}

// Sends the pattern at `--mbit` until asked to stop, then waits for the receiver's count of verified bytes.
int tcp_send(const Options& options) {
  const int handle = bound_socket(SOCK_STREAM, options.text("bind", "0.0.0.0:0"));
  const sockaddr_in target = parse_endpoint(options.text("to"));
  if (connect(handle, reinterpret_cast<const sockaddr*>(&target), sizeof(target)) != 0) fail("connect");
  say_ready();
  const double bytes_per_ns = options.number("mbit", 20) * 1e6 / 8 / kSecond;
  std::array<std::uint8_t, 8192> block{};
  TcpOutcome outcome;
  const std::int64_t start = now_ns();
  while (stop_requested == 0 && outcome.error == 0) {
    sleep_until(start + static_cast<std::int64_t>(static_cast<double>(outcome.bytes) / bytes_per_ns));
    fill_pattern(outcome.bytes, block.data(), block.size());
    std::size_t done = 0;
    while (done < block.size()) {
      const ssize_t count = send(handle, block.data() + done, block.size() - done, MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        outcome.error = errno;
        break;
      }
      done += static_cast<std::size_t>(count);
    }
    outcome.bytes += done;
  }
  if (outcome.error == 0) {
    shutdown(handle, SHUT_WR);
    std::array<std::uint8_t, 8> answer{};
    std::size_t done = 0;
    while (done < answer.size()) {
      const ssize_t count = recv(handle, answer.data() + done, answer.size() - done, 0);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        outcome.error = count < 0 ? errno : ECONNABORTED;
        break;
      }
      done += static_cast<std::size_t>(count);
    }
    if (done == answer.size()) outcome.confirmed = get_word(answer.data());
    if (outcome.error == 0 && outcome.confirmed != outcome.bytes) outcome.error = EIO;
  }
  return report_tcp(outcome);
}

// Takes one connection, verifies the pattern to its end and answers with the number of verified bytes.
int tcp_receive(const Options& options) {
  const int listener = bound_socket(SOCK_STREAM, options.text("bind"));
  if (listen(listener, 1) != 0) fail("listen");
  say_ready();
  const int handle = accept(listener, nullptr, nullptr);
  if (handle < 0) fail("accept");
  std::vector<std::uint8_t> block(65536);
  std::vector<std::uint8_t> expected(block.size());
  TcpOutcome outcome;
  std::int64_t last = now_ns();
  while (!outcome.wrong_content) {
    const ssize_t count = recv(handle, block.data(), block.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) outcome.error = errno;
    if (count <= 0) break;
    const std::int64_t now = now_ns();
    outcome.stall_max_ns = std::max(outcome.stall_max_ns, now - last);
    last = now;
    fill_pattern(outcome.bytes, expected.data(), static_cast<std::size_t>(count));
    outcome.wrong_content = !std::equal(block.begin(), block.begin() + count, expected.begin());
    outcome.bytes += static_cast<std::uint64_t>(count);
  }
  if (outcome.error == 0 && !outcome.wrong_content) {
    std::array<std::uint8_t, 8> answer{};
    put_word(answer.data(), outcome.bytes);
    if (send(handle, answer.data(), answer.size(), MSG_NOSIGNAL) != 8) outcome.error = errno;
    outcome.confirmed = outcome.bytes;
  }
  close(handle);
  return report_tcp(outcome);
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = request_stop;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  const std::string mode = argc > 1 ? argv[1] : "";
  const Options options(argc, argv);
  if (mode == "udp-send") return udp_send(options);
  if (mode == "udp-receive") return udp_receive(options);
  if (mode == "tcp-send") return tcp_send(options);
  if (mode == "tcp-receive") return tcp_receive(options);
  std::fprintf(stderr,
               "usage: demo_traffic udp-send --to A:P [--bind A:P] [--rate PPS] [--size BYTES]\n"
               "       demo_traffic udp-receive --bind A:P [--log FILE]\n"
               "       demo_traffic tcp-send --to A:P [--bind A:P] [--mbit N]\n"
               "       demo_traffic tcp-receive --bind A:P\n");
  return 2;
}
