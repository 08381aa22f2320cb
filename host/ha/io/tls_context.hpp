// SPDX-License-Identifier: Apache-2.0
// Inside io/ only: the TLS rules of the sync channel (STA-031): TLS 1.3, both sides authenticated by the cluster's CA,
// AES-GCM, no resumption; and the key that a session exports for the heartbeats (RFC 8446 7.5).
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <memory>
#include <string>

#include "host/base/bytes.hpp"
#include "host/base/result.hpp"
#include "host/ha/io/tls_session.hpp"

namespace tandem::ha {

constexpr std::size_t kExportedKeyOctets = 32;

// Error text names the file at fault.
Result<std::unique_ptr<boost::asio::ssl::context>, std::string> make_tls_context(const TlsSessionConfig& config);

// Whether our own certificate is valid now and issued by the CA in the same context; error text names the file.
Result<void, std::string> check_own_certificate(SSL_CTX* context, const TlsSessionConfig& config);

CertificateFacts facts_of(const X509* certificate);

// The partner's certificate must carry `name` as a DNS name (no wildcards, never the common name).
void expect_partner(SSL* ssl, const std::string& name);

// Why the partner's certificate was refused; empty when that was not the reason.
std::string refusal(SSL* ssl);

// Equal on both sides of the session; empty on failure.
SecretBytes export_key(SSL* ssl);

// No delay for small records; a dead path is noticed within about a second.
void tune_socket(boost::asio::ip::tcp::socket& socket);

}  // namespace tandem::ha
