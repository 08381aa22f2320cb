// SPDX-License-Identifier: Apache-2.0
// Dialling, listening, replacing, reading and writing of the sync channel's sessions.
//
//   dialler                                   listener
//   connect ---------------------------------> accept, only from the partner's address
//   <------------- TLS 1.3 handshake ---------> both certificates checked
//   <--------------------------- octet "ready"  the dialler's handshake ends before its certificate is judged:
//   up                                     up   it counts as up only once the listener says so
#include "host/ha/io/tls_session.hpp"

#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "host/ha/io/tls_context.hpp"

namespace tandem::ha {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr std::chrono::seconds kHandshakeTimeout{2};  // connecting included
constexpr std::chrono::seconds kSlowRetry{1};         // after a refusal; and until a listener dials
constexpr std::size_t kPendingMax = 4;                // handshakes at a time; a further one ends the oldest
constexpr std::size_t kReadOctets = 64u << 10;
constexpr std::size_t kGatherOctets = 64u << 10;  // one write carries what is queued, up to about this much
constexpr std::size_t kNotedMax = 64;  // different complaints between two sessions; strangers can make any number
constexpr std::uint8_t kReady = 0x01;

tcp::endpoint to_asio(const Endpoint& endpoint) {
  const ByteView octets = endpoint.address.view();
  if (endpoint.address.family == Family::kIpv4) {
    asio::ip::address_v4::bytes_type bytes{};
    std::copy(octets.begin(), octets.end(), bytes.begin());
    return {asio::ip::address_v4(bytes), endpoint.port};
  }
  asio::ip::address_v6::bytes_type bytes{};
  std::copy(octets.begin(), octets.end(), bytes.begin());
  return {asio::ip::address_v6(bytes), endpoint.port};
}

struct Connection {
  Connection(asio::io_context& loop, asio::ssl::context& context) : stream(loop, context), timer(loop) {}
  ~Connection() {
    for (Bytes& octets : queue) wipe(octets.data(), octets.size());
    wipe(writing.data(), writing.size());
    wipe(reading.data(), reading.size());
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void close() {
    closed = true;
    timer.cancel();
    ErrorCode ignored;
    stream.lowest_layer().close(ignored);
  }

  asio::ssl::stream<tcp::socket> stream;
  asio::steady_timer timer;  // of connecting and handshake
  std::array<std::uint8_t, kReadOctets> reading{};
  std::deque<Bytes> queue;
  std::size_t queue_octets = 0;
  Bytes writing;  // empty: no write under way
  bool closed = false;
  bool server = false;
};
using ConnectionPtr = std::shared_ptr<Connection>;

// Lives as long as operations of the loop refer to it; silent after stop().
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  Engine(asio::io_context& loop, TlsSessionConfig config, TlsSession::Handlers handlers, Log& log,
         std::unique_ptr<asio::ssl::context> context)
      : loop_(loop),
        config_(std::move(config)),
        handlers_(std::move(handlers)),
        log_(log),
        context_(std::move(context)),
        acceptor_(loop),
        retry_(loop),
        accept_pause_(loop),
        probe_(loop) {}

  Result<void, std::string> start() {
    if (config_.dial) {
      asio::post(loop_, [self = shared_from_this()] { self->dial(); });
      if (config_.listen.port == 0) return {};
    } else if (config_.partner != config_.listen) {
      probe_later();
    }
    const tcp::endpoint local = to_asio(config_.listen);
    ErrorCode error;
    if (acceptor_.open(local.protocol(), error) || acceptor_.set_option(tcp::acceptor::reuse_address(true), error) ||
        acceptor_.bind(local, error) || acceptor_.listen(8, error)) {
      return Failure{"sync channel: cannot listen on " + to_string(config_.listen) + ": " + error.message()};
    }
    accept();
    return {};
  }

  void stop() {
    stopped_ = true;
    ErrorCode ignored;
    acceptor_.close(ignored);
    retry_.cancel();
    accept_pause_.cancel();
    probe_.cancel();
    for (const ConnectionPtr& connection : pending_) connection->close();
    pending_.clear();
    if (current_) current_->close();
    current_.reset();
  }

  bool is_up() const { return current_ != nullptr; }

  // Sessions hold the context that they were made with.
  Result<void, std::string> reload() {
    auto context = make_tls_context(config_);
    if (!context) return Failure{context.error()};
    if (auto checked = check_own_certificate((*context)->native_handle(), config_); !checked) return checked;
    context_ = std::move(context).value();
    return {};
  }
  CertificateFacts certificate() const { return facts_of(SSL_CTX_get0_certificate(context_->native_handle())); }
  std::optional<CertificateFacts> partner_certificate() const {
    if (!current_) return std::nullopt;
    const X509* certificate = SSL_get0_peer_certificate(current_->stream.native_handle());
    return certificate == nullptr ? std::nullopt : std::optional(facts_of(certificate));
  }

  void send(Bytes octets) {
    if (!current_ || octets.empty()) {
      wipe(octets.data(), octets.size());
      return;
    }
    current_->queue_octets += octets.size();
    current_->queue.push_back(std::move(octets));
    if (current_->queue_octets > config_.output_octets_max) {
      drop("the partner takes nothing: " + std::to_string(current_->queue_octets) + " octets are unwritten");
      return;
    }
    write(current_);
  }

  // Ends the session now; its handler is called by the loop.
  void drop(const std::string& why, bool slowly = false) {
    if (!current_) return;
    slowly_ = slowly;
    std::exchange(current_, nullptr)->close();
    owed_down_ = why;
    asio::post(loop_, [self = shared_from_this()] { self->tell_down(); });
  }

 private:
  // Always before the next session's `up`.
  void tell_down() {
    if (stopped_ || !owed_down_) return;
    const std::string why = *std::exchange(owed_down_, std::nullopt);
    handlers_.down(why);
    if (config_.dial && !current_ && !stopped_) retry_later();
  }

  void retry_later() {
    retry_.expires_after(std::exchange(slowly_, false) ? std::max<Duration>(kSlowRetry, config_.retry) : config_.retry);
    retry_.async_wait([self = shared_from_this()](ErrorCode error) {
      if (!error) self->dial();
    });
  }

  // Listener: the partner may listen too, by mistake.
  void probe_later() {
    probe_.expires_after(kSlowRetry);
    probe_.async_wait([self = shared_from_this()](ErrorCode error) {
      if (error || self->stopped_) return;
      self->dial();
      self->probe_later();
    });
  }

  // Repeated attempts fail the same way: only what is new since the last session is worth a line.
  void note(const std::string& text) {
    if (noted_.size() < kNotedMax && noted_.insert(text).second) log_.warning("sync channel: " + text);
  }

  ConnectionPtr make_connection() {
    auto connection = std::make_shared<Connection>(loop_, *context_);
    pending_.push_back(connection);
    if (pending_.size() > kPendingMax) fail(pending_.front(), "too many connections in their handshake");
    return connection;
  }

  void watch(const ConnectionPtr& connection) {
    connection->timer.expires_after(kHandshakeTimeout);
    connection->timer.async_wait([self = shared_from_this(), connection](ErrorCode error) {
      if (!error && !connection->closed) self->fail(connection, "no answer within 2 s");
    });
  }

  // A connection that never became the session. By value: it may be an element of pending_, which is erased here.
  // NOLINTNEXTLINE(performance-unnecessary-value-param)
  void fail(ConnectionPtr connection, const std::string& why, ErrorCode error = {}) {
    if (connection->closed || stopped_) return;
    std::string reason = refusal(connection->stream.native_handle());
    const bool refused = !reason.empty() || error.category() == asio::error::get_ssl_category();
    if (!reason.empty()) reason = ", certificate refused: " + reason;
    connection->close();
    std::erase(pending_, connection);
    const std::string text = "connection with " + to_string(config_.partner.address) + " failed: " + why + reason;
    note(text);
    if (config_.dial) retry_later();
    if (refused && handlers_.refused) handlers_.refused(text);
  }

  void dial() {
    if (stopped_ || current_ || !pending_.empty()) return;
    const ConnectionPtr connection = make_connection();
    tcp::socket& socket = connection->stream.next_layer();
    const tcp::endpoint target = to_asio(config_.partner);
    ErrorCode error;
    // The listener accepts only the address that it knows us by.
    if (!config_.listen.address.unspecified() && config_.listen.address.family == config_.partner.address.family) {
      if (socket.open(target.protocol(), error) || socket.bind(to_asio({config_.listen.address, 0}), error)) {
        return fail(connection, "cannot use " + to_string(config_.listen.address) + ": " + error.message());
      }
    }
    watch(connection);
    socket.async_connect(target, [self = shared_from_this(), connection](ErrorCode failed) {
      if (connection->closed) return;
      if (failed) return self->fail(connection, failed.message());
      self->handshake(connection, asio::ssl::stream_base::client);
    });
  }

  void accept() {
    acceptor_.async_accept([self = shared_from_this()](ErrorCode error, tcp::socket socket) {
      if (self->stopped_) return;
      if (error) return self->accept_later();
      self->accepted(std::move(socket));
      self->accept();
    });
  }

  // Out of descriptors, perhaps: trying at once would spin.
  void accept_later() {
    accept_pause_.expires_after(config_.retry);
    accept_pause_.async_wait([self = shared_from_this()](ErrorCode error) {
      if (!error && !self->stopped_) self->accept();
    });
  }

  void accepted(tcp::socket socket) {
    ErrorCode error;
    const tcp::endpoint remote = socket.remote_endpoint(error);
    if (error) return;
    if (remote.address() != to_asio(config_.partner).address()) {
      return note("refused a connection from " + remote.address().to_string() + ", which is not the partner");
    }
    const ConnectionPtr connection = make_connection();
    connection->stream.next_layer() = std::move(socket);
    watch(connection);
    connection->server = true;
    handshake(connection, asio::ssl::stream_base::server);
  }

  void handshake(const ConnectionPtr& connection, asio::ssl::stream_base::handshake_type type) {
    tune_socket(connection->stream.next_layer());
    expect_partner(connection->stream.native_handle(), config_.partner_name);
    connection->stream.async_handshake(type, [self = shared_from_this(), connection](ErrorCode error) {
      if (connection->closed) return;
      if (error) return self->fail(connection, error.message(), error);
      self->confirm(connection);
    });
  }

  void confirm(const ConnectionPtr& connection) {
    const auto done = [self = shared_from_this(), connection](ErrorCode error, std::size_t) {
      if (connection->closed) return;
      if (error) return self->fail(connection, "not confirmed: " + error.message(), error);
      if (connection->reading[0] != kReady) return self->fail(connection, "not confirmed");
      self->adopt(connection);
    };
    if (!connection->server) {
      asio::async_read(connection->stream, asio::buffer(connection->reading, 1), done);
    } else {
      connection->reading[0] = kReady;
      asio::async_write(connection->stream, asio::buffer(connection->reading, 1), done);
    }
  }

  void adopt(const ConnectionPtr& connection) {
    const SecretBytes key = export_key(connection->stream.native_handle());
    if (key.empty()) return fail(connection, "no key could be exported");
    connection->timer.cancel();
    std::erase(pending_, connection);
    if (current_) drop("replaced by a newer session");
    tell_down();
    if (stopped_ || connection->closed) return;
    noted_.clear();
    current_ = connection;
    handlers_.up(key.view());
    if (!connection->closed) read(connection);
  }

  void read(const ConnectionPtr& connection) {
    connection->stream.async_read_some(asio::buffer(connection->reading),
                                       [self = shared_from_this(), connection](ErrorCode error, std::size_t octets) {
                                         if (connection->closed) return;
                                         if (error) return self->lost(connection, error);
                                         self->handlers_.data(ByteView(connection->reading).first(octets));
                                         wipe(connection->reading.data(), octets);
                                         if (!connection->closed) self->read(connection);
                                       });
  }

  void write(const ConnectionPtr& connection) {
    if (!connection->writing.empty() || connection->queue.empty()) return;
    connection->writing = std::move(connection->queue.front());
    connection->queue.pop_front();
    gather(*connection);
    asio::async_write(connection->stream, asio::buffer(connection->writing),
                      [self = shared_from_this(), connection](ErrorCode error, std::size_t) {
                        wipe(connection->writing.data(), connection->writing.size());
                        connection->queue_octets -= connection->writing.size();
                        connection->writing.clear();
                        if (connection->closed) return;
                        if (error) return self->lost(connection, error);
                        self->write(connection);
                      });
  }

  // Appends what is queued to a small first write: many records then share TLS records and system calls.
  static void gather(Connection& connection) {
    std::size_t octets = connection.writing.size();
    std::size_t count = 0;
    for (const Bytes& next : connection.queue) {
      if (octets + next.size() > kGatherOctets) break;
      octets += next.size();
      ++count;
    }
    if (count == 0) return;
    Bytes joined;
    joined.reserve(octets);
    const auto move_in = [&joined](Bytes& part) {
      joined.insert(joined.end(), part.begin(), part.end());
      wipe(part.data(), part.size());
    };
    move_in(connection.writing);
    for (; count > 0; --count) {
      move_in(connection.queue.front());
      connection.queue.pop_front();
    }
    connection.writing = std::move(joined);
  }

  void lost(const ConnectionPtr& connection, ErrorCode error) {
    if (connection == current_) drop(error == asio::error::eof ? "closed by the partner" : error.message());
  }

  asio::io_context& loop_;
  TlsSessionConfig config_;
  TlsSession::Handlers handlers_;
  Log& log_;
  std::unique_ptr<asio::ssl::context> context_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  asio::steady_timer accept_pause_;
  asio::steady_timer probe_;
  bool slowly_ = false;
  std::deque<ConnectionPtr> pending_;
  ConnectionPtr current_;
  std::optional<std::string> owed_down_;
  std::set<std::string> noted_;
  bool stopped_ = false;
};

class AsioTlsSession final : public TlsSession {
 public:
  explicit AsioTlsSession(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}
  // Asio throws only where the loop is broken: then the process ends.
  ~AsioTlsSession() override { engine_->stop(); }  // NOLINT(bugprone-exception-escape)
  void send(Bytes octets) override { engine_->send(std::move(octets)); }
  void drop(const std::string& why, bool slowly) override { engine_->drop(why, slowly); }
  bool is_up() const override { return engine_->is_up(); }
  Result<void, std::string> reload() override { return engine_->reload(); }
  CertificateFacts certificate() const override { return engine_->certificate(); }
  std::optional<CertificateFacts> partner_certificate() const override { return engine_->partner_certificate(); }

 private:
  std::shared_ptr<Engine> engine_;
};

}  // namespace

Result<std::unique_ptr<TlsSession>, std::string> start_tls_session(boost::asio::io_context& loop,
                                                                   TlsSessionConfig config,
                                                                   TlsSession::Handlers handlers, Log& log) {
  if (config.partner_name.empty()) return Failure{std::string("sync channel: the partner's certificate name is empty")};
  Result<std::unique_ptr<asio::ssl::context>, std::string> context = make_tls_context(config);
  if (!context) return Failure{context.error()};
  auto engine = std::make_shared<Engine>(loop, std::move(config), std::move(handlers), log, std::move(context).value());
  if (Result<void, std::string> started = engine->start(); !started) return Failure{started.error()};
  return std::unique_ptr<TlsSession>(std::make_unique<AsioTlsSession>(std::move(engine)));
}

}  // namespace tandem::ha
