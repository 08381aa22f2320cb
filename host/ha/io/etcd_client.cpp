// SPDX-License-Identifier: Apache-2.0
// HTTP and HTTPS to etcd, by Boost.Beast. One connection is kept; whatever goes wrong closes it, and the next request
// goes to the next endpoint.
#include "host/ha/io/etcd_client.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <memory>
#include <optional>

namespace tandem::ha {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr std::size_t kAnswerOctetsMax = 64u << 10;

tcp::endpoint to_asio(const Endpoint& endpoint) {
  return {asio::ip::make_address(to_string(endpoint.address)), endpoint.port};
}

using Done = std::function<void(const WitnessReply&)>;

// One connection to one endpoint. Closed means dead: a new one is made.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::io_context& loop, asio::ssl::context* tls, Endpoint endpoint, const EtcdConfig& config)
      : endpoint_(endpoint), config_(config), plain_(loop) {
    if (tls != nullptr) secured_.emplace(loop, *tls);
  }

  bool usable() const { return open_ && !closed_; }

  void ask(const WitnessAsk& ask, Done done) {
    ask_ = ask;
    done_ = std::move(done);
    const EtcdCall call = to_call(ask, config_.key);
    request_ = {};
    request_.version(11);
    request_.method(http::verb::post);
    request_.target(call.path);
    request_.set(http::field::host, to_string(endpoint_));
    request_.set(http::field::content_type, "application/json");
    request_.body() = call.body;
    request_.prepare_payload();
    lowest().expires_after(config_.timeout);
    if (open_) return write();
    lowest().async_connect(to_asio(endpoint_), [self = shared_from_this()](ErrorCode error) {
      if (error) return self->fail(error.message());
      self->connected();
    });
  }

  void close() {
    closed_ = true;
    done_ = nullptr;
    lowest().close();
  }

 private:
  beast::tcp_stream& lowest() { return secured_ ? secured_->next_layer() : plain_; }

  void connected() {
    if (closed_) return;
    ErrorCode ignored;
    lowest().socket().set_option(tcp::no_delay(true), ignored);
    open_ = true;
    if (!secured_) return write();
    SSL* ssl = secured_->native_handle();
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    const bool named = config_.server_name.empty() ? X509_VERIFY_PARAM_set1_ip_asc(
                                                         SSL_get0_param(ssl), to_string(endpoint_.address).c_str()) == 1
                                                   : SSL_set1_host(ssl, config_.server_name.c_str()) == 1;
    if (!named) return fail("the server's name cannot be checked");
    secured_->async_handshake(asio::ssl::stream_base::client, [self = shared_from_this()](ErrorCode error) {
      if (error) return self->fail("TLS: " + error.message());
      self->write();
    });
  }

  template <typename Action>
  void on_stream(Action action) {
    if (secured_) {
      action(*secured_);
    } else {
      action(plain_);
    }
  }

  void write() {
    if (closed_) return;
    on_stream([this](auto& stream) {
      http::async_write(stream, request_, [self = shared_from_this()](ErrorCode error, std::size_t) {
        if (error) return self->fail(error.message());
        self->read();
      });
    });
  }

  void read() {
    if (closed_) return;
    parser_.emplace();
    parser_->body_limit(kAnswerOctetsMax);
    on_stream([this](auto& stream) {
      http::async_read(stream, buffer_, *parser_, [self = shared_from_this()](ErrorCode error, std::size_t) {
        if (error) return self->fail(error.message());
        self->answered();
      });
    });
  }

  void answered() {
    if (closed_) return;
    lowest().expires_never();
    const auto& message = parser_->get();
    const WitnessReply reply = read_answer(ask_, message.result_int(), message.body());
    // A member of etcd that is cut off from the others answers at once that it cannot help: another one may.
    const auto* failure = std::get_if<WitnessFailure>(&reply);
    if (!message.keep_alive() || (failure != nullptr && !failure->lease_gone)) closed_ = true;
    const Done done = std::exchange(done_, nullptr);
    if (done) done(reply);
  }

  void fail(const std::string& why) {
    if (closed_) return;
    closed_ = true;
    lowest().close();
    const Done done = std::exchange(done_, nullptr);
    if (done) done(WitnessFailure{to_string(endpoint_) + ": " + why, false});
  }

  Endpoint endpoint_;
  const EtcdConfig& config_;
  beast::tcp_stream plain_;
  std::optional<beast::ssl_stream<beast::tcp_stream>> secured_;
  bool open_ = false;
  bool closed_ = false;
  WitnessAsk ask_;
  Done done_;
  http::request<http::string_body> request_;
  beast::flat_buffer buffer_{kAnswerOctetsMax * 2};
  std::optional<http::response_parser<http::string_body>> parser_;
};

class BeastEtcdClient final : public EtcdClient {
 public:
  BeastEtcdClient(asio::io_context& loop, std::shared_ptr<const EtcdConfig> config,
                  std::unique_ptr<asio::ssl::context> tls)
      : loop_(loop), config_(std::move(config)), tls_(std::move(tls)) {}
  ~BeastEtcdClient() override {
    if (connection_) connection_->close();
  }

  void ask(const WitnessAsk& ask, Done done) override {
    // One that still waits is replaced: only its closing takes the request back from the wire as far as that goes.
    if (busy_ && connection_) connection_->close();
    if (connection_ && (busy_ || !connection_->usable())) {
      connection_.reset();
      next_ = (next_ + 1) % config_->endpoints.size();
    }
    if (!connection_) {
      connection_ = std::make_shared<Connection>(loop_, tls_.get(), config_->endpoints[next_], *config_);
    }
    busy_ = true;
    // The client outlives its connection's handlers: its end closes the connection, which then calls nobody.
    connection_->ask(ask, [this, done = std::move(done)](const WitnessReply& reply) {
      busy_ = false;
      done(reply);
    });
  }

 private:
  asio::io_context& loop_;
  std::shared_ptr<const EtcdConfig> config_;
  std::unique_ptr<asio::ssl::context> tls_;
  std::shared_ptr<Connection> connection_;
  std::size_t next_ = 0;
  bool busy_ = false;
};

}  // namespace

Result<std::unique_ptr<EtcdClient>, std::string> make_etcd_client(asio::io_context& loop, EtcdConfig config) {
  TANDEM_ASSERT(!config.endpoints.empty());
  std::unique_ptr<asio::ssl::context> tls;
  if (!config.ca_file.empty()) {
    tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
    ErrorCode error;
    const auto failed = [&error](const std::string& file) { return Failure{file + ": " + error.message()}; };
    if (SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION) != 1) {
      return Failure{std::string("OpenSSL lacks TLS 1.2")};
    }
    if (tls->set_verify_mode(asio::ssl::verify_peer, error)) return failed("OpenSSL");
    if (tls->load_verify_file(config.ca_file, error)) return failed(config.ca_file);
    if (!config.certificate_file.empty()) {
      if (tls->use_certificate_chain_file(config.certificate_file, error)) return failed(config.certificate_file);
      if (tls->use_private_key_file(config.key_file, asio::ssl::context::pem, error)) return failed(config.key_file);
    }
  }
  return std::unique_ptr<EtcdClient>(
      std::make_unique<BeastEtcdClient>(loop, std::make_shared<const EtcdConfig>(std::move(config)), std::move(tls)));
}

}  // namespace tandem::ha
