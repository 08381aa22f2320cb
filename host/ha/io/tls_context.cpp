// SPDX-License-Identifier: Apache-2.0
// The TLS rules of the sync channel as OpenSSL settings. RFC 8446; requirement STA-031.
#include "host/ha/io/tls_context.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bn.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <array>
#include <ctime>
#include <memory>
#include <string_view>

namespace tandem::ha {
namespace {

constexpr std::string_view kExporterLabel = "EXPORTER-tandem-heartbeat";
constexpr const char* kCiphers = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
constexpr unsigned kUserTimeoutMs = 1000;

void set_option(int fd, int level, int name, int value) {
  // A kernel that refuses only notices later: stall and heartbeats do not depend on it.
  static_cast<void>(::setsockopt(fd, level, name, &value, sizeof value));
}

}  // namespace

Result<std::unique_ptr<boost::asio::ssl::context>, std::string> make_tls_context(const TlsSessionConfig& config) {
  namespace ssl = boost::asio::ssl;
  auto context = std::make_unique<ssl::context>(ssl::context::tls);
  SSL_CTX* native = context->native_handle();
  if (SSL_CTX_set_min_proto_version(native, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(native, TLS1_3_VERSION) != 1 || SSL_CTX_set_ciphersuites(native, kCiphers) != 1 ||
      SSL_CTX_set_num_tickets(native, 0) != 1) {
    return Failure{std::string("OpenSSL lacks TLS 1.3 with AES-GCM")};
  }
  SSL_CTX_set_options(native, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);

  boost::system::error_code error;
  const auto failed = [&error](const std::string& file) { return Failure{file + ": " + error.message()}; };
  if (context->load_verify_file(config.ca_file, error)) return failed(config.ca_file);
  if (context->use_certificate_chain_file(config.certificate_file, error)) return failed(config.certificate_file);
  if (context->use_private_key_file(config.key_file, ssl::context::pem, error)) return failed(config.key_file);
  if (SSL_CTX_check_private_key(native) != 1) {
    return Failure{config.key_file + ": is not the key of " + config.certificate_file};
  }
  if (context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, error)) return failed("OpenSSL");
  return context;
}

Result<void, std::string> check_own_certificate(SSL_CTX* context, const TlsSessionConfig& config) {
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> check(X509_STORE_CTX_new(),
                                                                              &X509_STORE_CTX_free);
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context, &chain);
  if (!check || X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(context), SSL_CTX_get0_certificate(context),
                                    chain) != 1) {
    return Failure{std::string("OpenSSL cannot check a certificate")};
  }
  if (X509_verify_cert(check.get()) == 1) return {};
  return Failure{config.certificate_file + ": " + X509_verify_cert_error_string(X509_STORE_CTX_get_error(check.get()))};
}

CertificateFacts facts_of(const X509* certificate) {
  CertificateFacts facts;
  std::array<char, 256> subject{};
  X509_NAME_oneline(X509_get_subject_name(certificate), subject.data(), static_cast<int>(subject.size()));
  facts.subject = subject.data();
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr), &BN_free);
  if (char* digits = number ? BN_bn2hex(number.get()) : nullptr; digits != nullptr) {
    facts.serial = digits;
    OPENSSL_free(digits);
  }
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1) facts.not_after_s = ::timegm(&end);
  return facts;
}

void expect_partner(SSL* ssl, const std::string& name) {
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS);
  TANDEM_ASSERT(SSL_set1_host(ssl, name.c_str()) == 1);
}

std::string refusal(SSL* ssl) {
  const long result = SSL_get_verify_result(ssl);
  return result == X509_V_OK ? std::string{} : std::string(X509_verify_cert_error_string(result));
}

SecretBytes export_key(SSL* ssl) {
  SecretBytes key(kExportedKeyOctets);
  if (SSL_export_keying_material(ssl, key.mutable_view().data(), key.size(), kExporterLabel.data(),
                                 kExporterLabel.size(), nullptr, 0, 0) != 1) {
    key.clear();
  }
  return key;
}

void tune_socket(boost::asio::ip::tcp::socket& socket) {
  const int fd = socket.native_handle();
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(kUserTimeoutMs));
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 1);
}

}  // namespace tandem::ha
