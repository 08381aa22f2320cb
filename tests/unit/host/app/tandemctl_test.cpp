// SPDX-License-Identifier: Apache-2.0
// tandemctl as a script sees it: exit code, standard output, standard error, against a server in this process.
#include <sys/wait.h>

#include <atomic>
#include <boost/asio.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iterator>
#include <mutex>
#include <thread>

#include "host/app/admin_server.hpp"
#include "tests/unit/host/app/temporary_folder.hpp"

using namespace tandem;
using namespace tandem::app;

namespace {

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

class Fixture {
 public:
  explicit Fixture(bool with_server = true) {
    if (!with_server) return;
    auto started = start_admin_server(
        loop_, folder_.file("s").string(), [this](const admin::Request& request) { return answer(request); }, log_);
    if (!started) FAIL(started.error());
    server_ = std::move(*started);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Fixture() {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Outcome run(const std::string& arguments) const {
    const auto out = folder_.file("out");
    const auto err = folder_.file("err");
    const int status = std::system((std::string(TANDEMCTL) + " --socket " + folder_.file("s").string() + " " +
                                    arguments + " >" + out.string() + " 2>" + err.string())
                                       .c_str());
    const auto read = [](const std::filesystem::path& path) {
      std::ifstream in(path);
      return std::string(std::istreambuf_iterator<char>(in), {});
    };
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(out), read(err)};
  }
  admin::Request last() {
    const std::lock_guard lock(mutex_);
    return last_;
  }
  std::string body = R"({"role": "active", "solo": false})";

 private:
  admin::Response answer(const admin::Request& request) {
    const std::lock_guard lock(mutex_);
    last_ = request;
    if (request.command == "takeover") return {false, "the members are not in sync", "{}"};
    return {true, "", body};
  }

  TemporaryFolder folder_;
  CapturingLog log_;
  boost::asio::io_context loop_;
  std::mutex mutex_;
  admin::Request last_;
  std::unique_ptr<AdminServer> server_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("0: done, as a table or as JSON wherever --json stands") {
  Fixture fixture;
  const Outcome table = fixture.run("status");
  CHECK(table.code == 0);
  CHECK(table.out == "role                     active\nsolo                     no\n");
  CHECK(table.err.empty());
  for (const char* arguments : {"--json ha status", "ha status --json", "ha --json status"}) {
    const Outcome json = fixture.run(arguments);
    INFO(arguments << " " << json.err);
    CHECK(json.code == 0);
    CHECK(json.out == "{\n  \"role\": \"active\",\n  \"solo\": false\n}\n");
  }
  CHECK(fixture.run("--help").code == 0);
  CHECK(fixture.run("sa show --help").code == 0);
}

TEST_CASE("arguments reach the daemon as they were given") {
  Fixture fixture;
  fixture.body = "[]";
  CHECK(fixture.run("sa list").out == "no IKE SAs\n");
  CHECK(fixture.last().command == "sa.list");
  CHECK(fixture.run("initiate 'a peer' net").code == 0);
  CHECK(fixture.last().command == "initiate");
  CHECK(fixture.last().arguments == std::vector<std::string>{"a peer", "net"});
  CHECK(fixture.run("rekey 80000001").code == 0);
  CHECK(fixture.last().arguments == std::vector<std::string>{"80000001"});
}

TEST_CASE("1: the daemon refused, and says why on standard error only") {
  Fixture fixture;
  const Outcome refused = fixture.run("takeover");
  CHECK(refused.code == 1);
  CHECK(refused.out.empty());
  CHECK(refused.err == "tandemctl: the members are not in sync\n");
}

TEST_CASE("2: wrong usage asks the daemon nothing") {
  Fixture fixture;
  for (const char* arguments : {"", "sa", "reboot", "sa show", "initiate peer", "status --yaml", "status extra"}) {
    INFO(arguments);
    const Outcome outcome = fixture.run(arguments);
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK_FALSE(outcome.err.empty());
  }
  CHECK(fixture.last().command.empty());
}

TEST_CASE("3: no daemon, or no answer that can be read") {
  {
    Fixture fixture(false);
    const Outcome outcome = fixture.run("status");
    CHECK(outcome.code == 3);
    CHECK(outcome.err.find("No such file") != std::string::npos);
  }
  Fixture fixture;
  fixture.body = "no json";
  CHECK(fixture.run("status").code == 3);
}
