// SPDX-License-Identifier: Apache-2.0
#include "host/app/admin_server.hpp"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio.hpp>
#include <chrono>

namespace tandem::app {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

constexpr int kClientsMax = 16;
constexpr auto kClientTime = std::chrono::seconds(5);
constexpr auto kAcceptPause = std::chrono::milliseconds(200);

using Execute = std::function<admin::Response(const admin::Request&)>;

// One client, from accept to close; keeps itself alive by its handlers, and what it calls too: it may outlive the
// server.
class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(Socket socket, std::shared_ptr<const Execute> execute, std::shared_ptr<int> count)
      : socket_(std::move(socket)),
        deadline_(socket_.get_executor()),
        execute_(std::move(execute)),
        count_(std::move(count)) {
    ++*count_;
  }
  ~Client() { --*count_; }

  void start() {
    deadline_.expires_after(kClientTime);
    deadline_.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
      const auto client = self.lock();
      boost::system::error_code ignored;
      if (!error && client) client->socket_.close(ignored);
    });
    buffer_.resize(admin::kLengthOctets);
    asio::async_read(socket_, asio::buffer(buffer_), [self = shared_from_this()](const auto& error, std::size_t) {
      if (!error) self->read_body();
    });
  }

 private:
  void read_body() {
    const auto length = admin::announced_length(buffer_);
    if (!length || *length > admin::kRequestOctetsMax) return;
    buffer_.resize(*length);
    asio::async_read(socket_, asio::buffer(buffer_), [self = shared_from_this()](const auto& error, std::size_t) {
      if (!error) self->answer();
    });
  }

  void answer() {
    const auto request = admin::decode_request(buffer_);
    buffer_ = admin::encode(request ? (*execute_)(*request) : admin::Response{false, "malformed request", "{}"});
    asio::async_write(socket_, asio::buffer(buffer_), [self = shared_from_this()](const auto&, std::size_t) {});
  }

  Socket socket_;
  asio::steady_timer deadline_;
  std::shared_ptr<const Execute> execute_;
  std::shared_ptr<int> count_;
  Bytes buffer_;
};

class UnixAdminServer final : public AdminServer {
 public:
  UnixAdminServer(asio::io_context& loop, std::string path, Execute execute, Log& log)
      : path_(std::move(path)),
        acceptor_(loop),
        pause_(loop),
        execute_(std::make_shared<const Execute>(std::move(execute))),
        log_(log) {}
  ~UnixAdminServer() override {
    if (bound_) ::unlink(path_.c_str());
  }

  Result<void, std::string> listen() {
    if (path_.size() >= sizeof(sockaddr_un::sun_path)) return Failure{path_ + ": too long for a socket's name"};
    struct stat there {};
    if (::lstat(path_.c_str(), &there) == 0) {
      if (!S_ISSOCK(there.st_mode)) return Failure{path_ + ": is there already and is no socket"};
      boost::system::error_code refused;
      Socket probe(acceptor_.get_executor());
      probe.connect(path_, refused);
      if (!refused) return Failure{path_ + ": another daemon listens there"};
      ::unlink(path_.c_str());
    }
    boost::system::error_code error;
    const mode_t before = ::umask(0177);
    acceptor_.open(asio::local::stream_protocol(), error);
    if (!error) acceptor_.bind(path_, error);
    ::umask(before);
    bound_ = !error;
    if (!error) acceptor_.listen(kClientsMax, error);
    if (error) return Failure{path_ + ": " + error.message()};
    accept();
    return {};
  }

 private:
  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, Socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error) {
        // Out of descriptors, most likely: the client still waits, so trying again at once would spin.
        log_.warning("control socket: " + error.message());
        pause_.expires_after(kAcceptPause);
        pause_.async_wait([this](const boost::system::error_code& stopped) {
          if (!stopped) accept();
        });
        return;
      }
      if (*clients_ < kClientsMax) {
        std::make_shared<Client>(std::move(socket), execute_, clients_)->start();
      }
      accept();
    });
  }

  std::string path_;
  asio::local::stream_protocol::acceptor acceptor_;
  asio::steady_timer pause_;
  std::shared_ptr<const Execute> execute_;
  Log& log_;
  bool bound_ = false;
  std::shared_ptr<int> clients_ = std::make_shared<int>(0);
};

}  // namespace

Result<std::unique_ptr<AdminServer>, std::string> start_admin_server(boost::asio::io_context& loop,
                                                                     const std::string& path, Execute execute,
                                                                     Log& log) {
  auto server = std::make_unique<UnixAdminServer>(loop, path, std::move(execute), log);
  if (auto listening = server->listen(); !listening) return Failure{listening.error()};
  return std::unique_ptr<AdminServer>(std::move(server));
}

}  // namespace tandem::app
