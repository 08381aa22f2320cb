// SPDX-License-Identifier: Apache-2.0
// The control socket with clients good and bad.
#include "host/app/admin_server.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio.hpp>
#include <catch2/catch.hpp>
#include <cstring>

#include "driver/unique_fd.hpp"
#include "tests/unit/host/app/temporary_folder.hpp"

using namespace tandem;
using namespace tandem::app;

namespace {

class Fixture {
 public:
  Fixture() {
    auto started = start();
    if (!started) FAIL(started.error());
    server = std::move(*started);
  }
  Result<std::unique_ptr<AdminServer>, std::string> start() {
    return start_admin_server(
        loop, path,
        [this](const admin::Request& request) {
          ++executed;
          return admin::Response{true, "", "\"" + request.command + "\""};
        },
        log);
  }
  void run(int milliseconds = 20) {
    loop.restart();
    loop.run_for(std::chrono::milliseconds(milliseconds));
  }
  driver::UniqueFd connect() const {
    driver::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return fd;
  }

  TemporaryFolder folder;
  std::string path = folder.file("control.sock").string();
  CapturingLog log;
  boost::asio::io_context loop;
  int executed = 0;
  std::unique_ptr<AdminServer> server;
};

void send(const driver::UniqueFd& fd, ByteView octets) {
  REQUIRE(::send(fd.get(), octets.data(), octets.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(octets.size()));
}

// What came so far; -1: the server closed without a word, -2: nothing yet.
ssize_t receive(const driver::UniqueFd& fd, Bytes& out) {
  out.resize(65536);
  const ssize_t got = ::recv(fd.get(), out.data(), out.size(), MSG_DONTWAIT);
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return got > 0 ? got : got == 0 || errno == ECONNRESET ? -1 : -2;
}

// Runs the loop until something came or the server closed, two seconds at most.
ssize_t await(Fixture& fixture, const driver::UniqueFd& fd, Bytes& out) {
  ssize_t got = -2;
  for (int turn = 0; turn < 400 && got == -2; ++turn) {
    fixture.run(5);
    got = receive(fd, out);
  }
  return got;
}

std::optional<admin::Response> answer(Fixture& fixture, const driver::UniqueFd& fd) {
  Bytes octets;
  if (await(fixture, fd, octets) < 4) return std::nullopt;
  return admin::decode_response(ByteView(octets).subspan(admin::kLengthOctets));
}

}  // namespace

TEST_CASE("a request is executed and answered, also octet by octet") {
  Fixture fixture;
  const Bytes request = admin::encode(admin::Request{"status", {}});
  const auto fd = fixture.connect();
  const bool slowly = GENERATE(false, true);
  if (slowly) {
    for (std::size_t i = 0; i < request.size(); ++i) {
      send(fd, ByteView(request).subspan(i, 1));
      fixture.run(1);
    }
  } else {
    send(fd, request);
  }
  const auto response = answer(fixture, fd);
  REQUIRE(response);
  CHECK(response->body == "\"status\"");
  CHECK(fixture.executed == 1);
}

TEST_CASE("only the owner may connect, and the socket goes with the server") {
  Fixture fixture;
  struct stat facts {};
  REQUIRE(::stat(fixture.path.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  fixture.server.reset();
  CHECK_FALSE(std::filesystem::exists(fixture.path));
}

TEST_CASE("garbage is told to be malformed and executes nothing") {
  Fixture fixture;
  const auto fd = fixture.connect();
  send(fd, Bytes{0, 0, 0, 16, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9});
  const auto response = answer(fixture, fd);
  REQUIRE(response);
  CHECK_FALSE(response->ok);
  CHECK(response->error == "malformed request");
  const auto empty = fixture.connect();
  send(empty, Bytes{0, 0, 0, 0});
  fixture.run();
  CHECK(answer(fixture, empty));
  CHECK(fixture.executed == 0);
}

TEST_CASE("a length beyond what a request may have closes the connection without reading on") {
  Fixture fixture;
  for (const Bytes& head : {Bytes{0xff, 0xff, 0xff, 0xff}, Bytes{0, 1, 0, 1}}) {
    const auto fd = fixture.connect();
    send(fd, head);
    Bytes octets;
    CHECK(await(fixture, fd, octets) == -1);
  }
  CHECK(fixture.executed == 0);
}

TEST_CASE("half a request keeps nobody else waiting and is closed in time") {
  Fixture fixture;
  const auto stuck = fixture.connect();
  send(stuck, Bytes{0, 0, 0, 64, 1, 2, 3});
  const auto gone = fixture.connect();
  send(gone, Bytes{0, 0});
  ::shutdown(gone.get(), SHUT_RDWR);
  const auto good = fixture.connect();
  send(good, admin::encode(admin::Request{"status", {}}));
  fixture.run();
  CHECK(answer(fixture, good));
  Bytes octets;
  CHECK(receive(stuck, octets) == -2);
  fixture.run(5000);
  CHECK(await(fixture, stuck, octets) == -1);
  CHECK(fixture.executed == 1);
}

TEST_CASE("of twenty clients sixteen are served at a time, and all places come back") {
  Fixture fixture;
  std::vector<driver::UniqueFd> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(fixture.connect());
    fixture.run(2);
  }
  Bytes octets;
  for (std::size_t i = 16; i < 20; ++i) CHECK(await(fixture, clients[i], octets) == -1);
  for (std::size_t i = 0; i < 16; ++i) CHECK(receive(clients[i], octets) == -2);
  clients.clear();
  fixture.run(200);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 16; ++i) {
      clients.push_back(fixture.connect());
      send(clients.back(), admin::encode(admin::Request{"status", {}}));
      fixture.run(2);
    }
    fixture.run();
    for (const auto& client : clients) CHECK(answer(fixture, client));
    clients.clear();
    fixture.run(50);
  }
  CHECK(fixture.executed == 48);
}

TEST_CASE("a second server leaves the first one's socket alone") {
  Fixture fixture;
  const auto second = fixture.start();
  REQUIRE_FALSE(second.ok());
  CHECK(second.error() == fixture.path + ": another daemon listens there");
  CHECK(std::filesystem::exists(fixture.path));
  const auto fd = fixture.connect();
  send(fd, admin::encode(admin::Request{"status", {}}));
  fixture.run();
  CHECK(answer(fixture, fd));
}

TEST_CASE("a dead daemon's socket is replaced, another kind of file is not") {
  TemporaryFolder folder;
  CapturingLog log;
  boost::asio::io_context loop;
  const auto execute = [](const admin::Request&) { return admin::Response{}; };
  const std::string stale = folder.file("stale.sock").string();
  {
    driver::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, stale.c_str(), stale.size() + 1);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  CHECK(start_admin_server(loop, stale, execute, log).ok());
  const auto precious = folder.write("precious", "text");
  CHECK_FALSE(start_admin_server(loop, precious.string(), execute, log).ok());
  CHECK(std::filesystem::file_size(precious) == 4);
}

TEST_CASE("a path that no socket can have is an error, not an exception") {
  CapturingLog log;
  boost::asio::io_context loop;
  const auto execute = [](const admin::Request&) { return admin::Response{}; };
  const auto result = start_admin_server(loop, "/tmp/" + std::string(200, 'x'), execute, log);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().find("too long") != std::string::npos);
  CHECK_FALSE(start_admin_server(loop, "/no/such/folder/socket", execute, log).ok());
}

TEST_CASE("a client that is being served outlives its server") {
  Fixture fixture;
  const auto fd = fixture.connect();
  const Bytes request = admin::encode(admin::Request{"status", {}});
  send(fd, ByteView(request).first(10));
  fixture.run();
  fixture.server.reset();
  send(fd, ByteView(request).subspan(10));
  fixture.run();
  CHECK(answer(fixture, fd));
}
