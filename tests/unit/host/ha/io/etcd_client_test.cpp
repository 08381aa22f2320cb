// SPDX-License-Identifier: Apache-2.0
// The client against servers that answer wrongly, in pieces, too much, too late or not at all.
#include <boost/asio.hpp>
#include <catch2/catch.hpp>
#include <deque>
#include <optional>

#include "host/ha/io/etcd_client.hpp"

namespace tandem::ha {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

const std::string kBody = R"({"ID":"7587","TTL":"3"})";

std::string with_length(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Takes connections; each request on one gets the next of `pieces`, an octet or a whole text at a time.
class Server {
 public:
  struct Answer {
    std::string text;
    bool close = false;     // after it
    std::size_t piece = 0;  // octets of a write; 0: all at once
  };
  explicit Server(asio::io_context& loop) : acceptor_(loop, {asio::ip::address_v4::loopback(), 0}) { accept(); }

  Endpoint endpoint() const { return {*IpAddress::parse("127.0.0.1"), acceptor_.local_endpoint().port()}; }

  std::deque<Answer> answers;  // none left: silence
  std::size_t connections = 0;
  std::size_t requests = 0;

 private:
  struct Visitor {
    explicit Visitor(tcp::socket taken) : socket(std::move(taken)) {}
    tcp::socket socket;
    std::string text;
    std::size_t sent = 0;
    Answer answer;
  };
  using VisitorPtr = std::shared_ptr<Visitor>;

  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      ++connections;
      read(std::make_shared<Visitor>(std::move(socket)));
      accept();
    });
  }
  void read(const VisitorPtr& visitor) {
    asio::async_read_until(visitor->socket, asio::dynamic_buffer(visitor->text), "}",
                           [this, visitor](boost::system::error_code error, std::size_t) {
                             if (error) return;
                             visitor->text.clear();
                             ++requests;
                             if (answers.empty()) return;
                             visitor->answer = answers.front();
                             visitor->sent = 0;
                             answers.pop_front();
                             write(visitor);
                           });
  }
  void write(const VisitorPtr& visitor) {
    const Answer& answer = visitor->answer;
    const std::size_t left = answer.text.size() - visitor->sent;
    if (left == 0) {
      if (answer.close) visitor->socket.close();
      return answer.close ? void() : read(visitor);
    }
    const std::size_t count = answer.piece == 0 ? left : std::min(left, answer.piece);
    asio::async_write(visitor->socket, asio::buffer(answer.text.data() + visitor->sent, count),
                      [this, visitor, count](boost::system::error_code error, std::size_t) {
                        if (error) return;
                        visitor->sent += count;
                        write(visitor);
                      });
  }

  tcp::acceptor acceptor_;
};

struct Scene {
  asio::io_context loop;
  Server first{loop}, second{loop};
  std::unique_ptr<EtcdClient> client;

  explicit Scene(Duration timeout = std::chrono::seconds(5)) {
    EtcdConfig config;
    config.endpoints = {first.endpoint(), second.endpoint()};
    config.key = "owner";
    config.timeout = timeout;
    auto made = make_etcd_client(loop, std::move(config));
    REQUIRE(made);
    client = std::move(*made);
  }
  WitnessReply ask() {
    std::optional<WitnessReply> reply;
    client->ask(LeaseGrant{3}, [&reply](const WitnessReply& is) { reply = is; });
    CHECK(!reply);  // never from inside
    while (!reply) loop.run_one();
    return *reply;
  }
  bool fails() { return std::holds_alternative<WitnessFailure>(ask()); }
};

TEST_CASE("an answer is read from any pieces, whole or chunked, and the connection is kept") {
  Scene scene;
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + kBody.substr(0, 5) +
                              "\r\n" + "12\r\n" + kBody.substr(5) + "\r\n0\r\n\r\n";
  REQUIRE(kBody.size() == 5 + 0x12);
  for (const std::size_t piece : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    scene.first.answers = {{with_length(kBody), false, piece}, {chunked, false, piece}};
    for (int i = 0; i < 2; ++i) {
      const WitnessReply reply = scene.ask();
      REQUIRE(std::holds_alternative<LeaseAnswer>(reply));
      CHECK(std::get<LeaseAnswer>(reply).id == 7587);
    }
  }
  CHECK(scene.first.connections == 1);
  CHECK(scene.second.connections == 0);
}

TEST_CASE("what is no whole HTTP answer is a failure, and the next endpoint is asked") {
  const std::string huge(70'000, ' ');
  const std::string faults[] = {
      "",
      "HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{\"ID\"",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ID\"",
      "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
      "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{}",
      "SSH-2.0-OpenSSH_9.2\r\n",
      "HTTP/1.1 200 OK\r\nX: " + huge + "\r\n\r\n{}",
      with_length(huge + kBody),
      "HTTP/1.1 200 OK\r\n\r\n" + huge,
  };
  for (const std::string& fault : faults) {
    Scene scene;
    scene.first.answers = {{fault, true, 0}};
    scene.second.answers = {{with_length(kBody), false, 0}};
    CHECK(scene.fails());
    CHECK(std::holds_alternative<LeaseAnswer>(scene.ask()));
    CHECK(scene.second.requests == 1);
  }
}

TEST_CASE("a member of etcd that answers, and cannot help, is left for the next one") {
  const std::string refusals[] = {
      with_length("[]"),
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 43\r\n\r\n{\"error\":\"etcdserver: no leader\",\"code\":14}",
      with_length(R"({"error":{"grpc_code":14,"message":"etcdserver: no leader"}})"),
      "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n",
  };
  for (const std::string& refusal : refusals) {
    INFO(refusal);
    Scene scene;
    scene.first.answers = {{refusal, false, 0}};
    scene.second.answers = {{with_length(kBody), false, 0}};
    CHECK(scene.fails());
    CHECK(scene.second.requests == 0);
    scene.client->ask(LeaseGrant{3}, [](const WitnessReply&) {});
    while (scene.first.requests + scene.second.requests < 2) scene.loop.run_one();
    CHECK(scene.second.requests == 1);
  }
}

TEST_CASE("that a lease is gone is an answer: the connection is kept") {
  Scene scene;
  scene.first.answers = {
      {with_length(R"({"error":{"grpc_code":5,"message":"etcdserver: requested lease not found"}})"), false, 0},
      {with_length(kBody), false, 0}};
  CHECK(scene.fails());
  CHECK(!scene.fails());
  CHECK(scene.first.connections == 1);
}

TEST_CASE("a server that closes after its answer is connected to anew, silently") {
  Scene scene;
  const std::string last =
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(kBody.size()) + "\r\n\r\n" + kBody;
  scene.first.answers = {{last, true, 0}};
  scene.second.answers = {{with_length(kBody), false, 0}};
  CHECK(!scene.fails());
  CHECK(!scene.fails());
}

TEST_CASE("silence, a refused connection and a stuck answer end by the timeout or at once, never later") {
  Scene scene(std::chrono::milliseconds(50));
  CHECK(scene.fails());  // first: takes the request, answers nothing
  scene.second.answers = {{"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{", false, 0}};
  CHECK(scene.fails());
  scene.first.answers = {{with_length(kBody), false, 0}};
  CHECK(!scene.fails());

  asio::io_context loop;
  EtcdConfig config;
  config.endpoints = {{*IpAddress::parse("127.0.0.1"), 1}};
  auto client = make_etcd_client(loop, config);
  REQUIRE(client);
  std::optional<WitnessReply> reply;
  (*client)->ask(KeyRead{}, [&reply](const WitnessReply& is) { reply = is; });
  while (!reply) loop.run_one();
  CHECK(std::holds_alternative<WitnessFailure>(*reply));
}

TEST_CASE("a request that replaces one that waits is answered, the replaced one never is") {
  Scene scene;
  bool first = false;
  scene.client->ask(KeyRead{}, [&first](const WitnessReply&) { first = true; });
  while (scene.first.requests == 0) scene.loop.run_one();
  scene.second.answers = {{with_length(kBody), false, 0}};
  CHECK(std::holds_alternative<LeaseAnswer>(scene.ask()));
  CHECK(!first);
}

TEST_CASE("certificates that are not there are named") {
  asio::io_context loop;
  EtcdConfig config;
  config.endpoints = {{*IpAddress::parse("127.0.0.1"), 1}};
  config.ca_file = "/nonexistent/ca.pem";
  auto made = make_etcd_client(loop, config);
  REQUIRE(!made);
  CHECK(made.error().find("/nonexistent/ca.pem") != std::string::npos);
}

}  // namespace
}  // namespace tandem::ha
