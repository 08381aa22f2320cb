// SPDX-License-Identifier: Apache-2.0
// Two TLS sessions over loopback with certificates made here: data, identities, reconnection, hostile strangers.
#include "host/ha/io/tls_session.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace tandem::ha {
namespace {

// A CA with certificates for alpha and beta, and another CA with one for alpha.
struct Pki {
  std::string path = "/tmp/tandem-pki-XXXXXX";
  Pki() {
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    make_ca("ca");
    make_ca("foreign");
    issue("ca", "alpha", "alpha");
    issue("ca", "beta", "beta");
    issue("foreign", "intruder", "alpha");
  }
  ~Pki() { std::filesystem::remove_all(path); }
  static void shell(const std::string& command) { REQUIRE(std::system((command + " >/dev/null 2>&1").c_str()) == 0); }
  std::string file(const std::string& name) const { return path + "/" + name; }
  void make_ca(const std::string& name) const {
    shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" + name +
          " -keyout " + file(name + ".key") + " -out " + file(name + ".crt"));
  }
  void issue(const std::string& ca, const std::string& name, const std::string& dns) const {
    shell("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + name +
          " -addext subjectAltName=DNS:" + dns + " -keyout " + file(name + ".key") + " -out " + file(name + ".csr"));
    shell("openssl x509 -req -days 2 -copy_extensions copy -CA " + file(ca + ".crt") + " -CAkey " + file(ca + ".key") +
          " -CAcreateserial -in " + file(name + ".csr") + " -out " + file(name + ".crt"));
  }
};

const Pki& pki() {
  static const Pki instance;
  return instance;
}

int tcp_socket(std::uint16_t port, bool connect, std::uint16_t* bound = nullptr) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  REQUIRE((connect ? ::connect(fd, any, size) : ::bind(fd, any, size)) == 0);
  if (bound != nullptr) {
    REQUIRE(::getsockname(fd, any, &size) == 0);
    *bound = ntohs(address.sin_port);
  }
  return fd;
}

std::uint16_t free_port() {
  std::uint16_t port = 0;
  ::close(tcp_socket(0, false, &port));
  return port;
}

struct Side {
  std::unique_ptr<TlsSession> session;
  CapturingLog log;
  unsigned ups = 0, downs = 0;
  Bytes key, received;
  std::string why;

  void start(boost::asio::io_context& loop, bool dial, std::uint16_t port, const std::string& certificate,
             const std::string& expects, const std::string& ca = "ca") {
    TlsSessionConfig config;
    config.dial = dial;
    config.partner = {IpAddress::ipv4(INADDR_LOOPBACK), port};
    if (!dial) config.listen = {IpAddress::ipv4(INADDR_LOOPBACK), port};
    config.ca_file = pki().file(ca + ".crt");
    config.certificate_file = pki().file(certificate + ".crt");
    config.key_file = pki().file(certificate + ".key");
    config.partner_name = expects;
    config.retry = std::chrono::milliseconds(20);
    TlsSession::Handlers handlers;
    handlers.up = [this](ByteView exported) {
      ++ups;
      key.assign(exported.begin(), exported.end());
    };
    handlers.data = [this](ByteView octets) { received.insert(received.end(), octets.begin(), octets.end()); };
    handlers.down = [this](const std::string& reason) {
      ++downs;
      why = reason;
    };
    auto started = start_tls_session(loop, config, handlers, log);
    REQUIRE(started.ok());
    session = std::move(started).value();
  }
};

struct Couple {
  boost::asio::io_context loop;
  std::uint16_t port = free_port();
  Side listener, dialler;

  // Runs until `done`, at most that long; false: not done.
  bool run(const std::function<bool()>& done, int milliseconds = 3000) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop.restart();
      loop.run_for(std::chrono::milliseconds(2));
    }
    return true;
  }
  void join() {
    listener.start(loop, false, port, "beta", "alpha");
    dialler.start(loop, true, port, "alpha", "beta");
    REQUIRE(run([this] { return listener.ups == 1 && dialler.ups == 1; }));
  }
};

Bytes pattern(std::size_t octets) {
  Bytes out(octets);
  for (std::size_t i = 0; i < octets; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  return out;
}

}  // namespace

TEST_CASE("octets travel both ways in order, and both sides export the same key") {
  Couple c;
  c.join();
  CHECK(c.listener.key.size() == 32);
  CHECK(c.listener.key == c.dialler.key);
  const Bytes whole = pattern(3'000'000);
  for (std::size_t at = 0; at < whole.size();) {
    const std::size_t size = std::min<std::size_t>(at % 3 == 0 ? 100 : 70'000, whole.size() - at);
    const auto first = whole.begin() + static_cast<std::ptrdiff_t>(at);
    c.dialler.session->send(Bytes(first, first + static_cast<std::ptrdiff_t>(size)));
    c.listener.session->send(Bytes(first, first + static_cast<std::ptrdiff_t>(size)));
    at += size;
  }
  REQUIRE(
      c.run([&] { return c.listener.received.size() == whole.size() && c.dialler.received.size() == whole.size(); }));
  CHECK(c.listener.received == whole);
  CHECK(c.dialler.received == whole);
}

TEST_CASE("a certificate of another CA is refused and the refusal is logged") {
  Couple c;
  c.listener.start(c.loop, false, c.port, "beta", "alpha");
  c.dialler.start(c.loop, true, c.port, "intruder", "beta");
  CHECK_FALSE(c.run([&] { return c.listener.ups + c.dialler.ups > 0; }, 300));
  CHECK(c.listener.log.contains("certificate refused"));
}

TEST_CASE("a certificate of the right CA with the wrong name is refused by either side") {
  {
    Couple c;
    c.listener.start(c.loop, false, c.port, "beta", "gamma");
    c.dialler.start(c.loop, true, c.port, "alpha", "beta");
    CHECK_FALSE(c.run([&] { return c.listener.ups + c.dialler.ups > 0; }, 300));
    CHECK(c.listener.log.contains("certificate refused"));
  }
  Couple c;
  c.listener.start(c.loop, false, c.port, "beta", "alpha");
  c.dialler.start(c.loop, true, c.port, "alpha", "gamma");
  CHECK_FALSE(c.run([&] { return c.dialler.ups > 0; }, 300));
  CHECK(c.dialler.log.contains("certificate refused"));
}

TEST_CASE("a dropped session is told once on each side and dialled again with a new key") {
  Couple c;
  c.join();
  const Bytes old_key = c.dialler.key;
  c.listener.session->drop("test");
  CHECK_FALSE(c.listener.session->is_up());
  CHECK(c.listener.downs == 0);  // never inside drop()
  REQUIRE(c.run([&] { return c.listener.ups == 2 && c.dialler.ups == 2; }));
  CHECK(c.listener.downs == 1);
  CHECK(c.dialler.downs == 1);
  CHECK(c.listener.why == "test");
  CHECK(c.listener.key == c.dialler.key);
  CHECK(c.listener.key != old_key);
}

TEST_CASE("a new session of the partner replaces the stale one after its handshake") {
  Couple c;
  c.join();
  Side second;
  second.start(c.loop, true, c.port, "alpha", "beta");
  REQUIRE(c.run([&] { return second.ups == 1 && c.listener.ups == 2; }));
  CHECK(c.listener.downs == 1);
  CHECK(c.listener.why == "replaced by a newer session");
  second.session.reset();
}

TEST_CASE("garbage and silent connections harm nobody") {
  Couple c;
  c.join();
  std::vector<int> strangers;
  for (int i = 0; i < 12; ++i) {
    strangers.push_back(tcp_socket(c.port, true));
    c.run([] { return false; }, 5);
    if (i % 2 == 0) REQUIRE(::send(strangers.back(), "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL) == 18);
  }
  c.run([] { return false; }, 100);
  CHECK(c.listener.session->is_up());
  CHECK(c.listener.downs == 0);
  c.dialler.session->send(pattern(1000));
  REQUIRE(c.run([&] { return c.listener.received.size() == 1000; }));
  // And with the silent ones still there, the partner gets through again.
  c.dialler.session->drop("test");
  REQUIRE(c.run([&] { return c.listener.ups == 2 && c.dialler.ups == 2; }));
  for (const int fd : strangers) ::close(fd);
}

TEST_CASE("strangers that take turns fill no log: each is a line between two sessions", "[hostile]") {
  Couple c;
  c.join();
  const auto lines = [&c] {
    return std::count_if(c.listener.log.lines().begin(), c.listener.log.lines().end(), [](const auto& line) {
      return line.text.find("which is not the partner") != std::string::npos;
    });
  };
  const auto knock = [&c](std::uint8_t last) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(0x7f000000u + last);
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    address.sin_port = htons(c.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    c.loop.restart();
    c.loop.run_for(std::chrono::milliseconds(2));
    ::close(fd);
  };
  for (int i = 0; i < 20; ++i) {
    knock(3);
    knock(4);
  }
  REQUIRE(c.run([&] { return lines() >= 2; }));
  CHECK(lines() == 2);
  for (int last = 5; last < 250; ++last) knock(static_cast<std::uint8_t>(last));
  CHECK(lines() <= 64);
  CHECK(c.listener.session->is_up());
}

TEST_CASE("output that nobody takes ends the session instead of growing") {
  Couple c;
  c.join();
  c.dialler.session->send(Bytes(65u << 20));
  CHECK_FALSE(c.dialler.session->is_up());
  REQUIRE(c.run([&] { return c.dialler.downs == 1; }));
}

TEST_CASE("files that are missing or do not belong together are named") {
  boost::asio::io_context loop;
  NullLog log;
  TlsSessionConfig config;
  config.partner_name = "beta";
  config.ca_file = pki().file("ca.crt");
  config.certificate_file = pki().file("alpha.crt");
  config.key_file = pki().file("beta.key");
  CHECK(start_tls_session(loop, config, {}, log).error().find("beta.key") != std::string::npos);
  config.ca_file = pki().file("none.crt");
  CHECK(start_tls_session(loop, config, {}, log).error().find("none.crt") != std::string::npos);
}

}  // namespace tandem::ha
