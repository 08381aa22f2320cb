// SPDX-License-Identifier: Apache-2.0
// The sync channel's transport: TLS 1.3 over TCP, both sides authenticated by certificates of the cluster's own
// CA, on the daemon's event loop. The member with the lower number dials, the other listens; a broken
// session is dialled again after `retry`. A listener that nobody dials for a second dials too, and a dialler with a
// `listen` address accepts: so two members with the same number meet, and find out. Octets in, octets out: the protocol
// is SyncLink's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "host/base/bytes.hpp"
#include "host/base/ip_address.hpp"
#include "host/base/log.hpp"
#include "host/base/result.hpp"
#include "host/base/time.hpp"

namespace boost::asio {
class io_context;
}

namespace tandem::ha {

struct TlsSessionConfig {
  bool dial = false;
  Endpoint listen;   // the listener's
  Endpoint partner;  // whom to dial; the listener accepts only from this address
  std::string ca_file, certificate_file, key_file;
  std::string partner_name;  // subject alternative name (DNS) that the partner's certificate must carry
  Duration retry = std::chrono::milliseconds(100);
  std::size_t output_octets_max = 64u << 20;  // unwritten output beyond that closes the session
};

// What operators want to know of a certificate.
struct CertificateFacts {
  std::string subject;
  std::string serial;            // hex digits
  std::int64_t not_after_s = 0;  // seconds since 1970
};

class TlsSession {
 public:
  struct Handlers {
    // Session up; `exported_key`: 32 octets, equal on both sides (RFC 8446 7.5), for the heartbeats.
    std::function<void(ByteView exported_key)> up;
    std::function<void(ByteView octets)> data;
    std::function<void(const std::string& why)> down;
    // Somebody is there at the partner's address, but TLS fails: not our CA's, not the expected name, expired; or it
    // refuses our certificate. Called at every attempt; may be empty.
    std::function<void(const std::string& why)> refused;
  };
  virtual ~TlsSession() = default;
  // Queues octets; they leave in order. Nothing happens while down.
  virtual void send(Bytes octets) = 0;
  // Ends the present session; a new one will be tried, after a second if `slowly`.
  virtual void drop(const std::string& why, bool slowly = false) = 0;
  virtual bool is_up() const = 0;
  // Reads CA, certificate and key again; the next session uses them, the present one goes on as it is. What does not
  // fit together or has expired is refused, and the files read before stay in use.
  virtual Result<void, std::string> reload() = 0;
  virtual CertificateFacts certificate() const = 0;
  // Of the present session; nothing while down.
  virtual std::optional<CertificateFacts> partner_certificate() const = 0;
};

// Error text names the file or address at fault. Handlers run on the loop, never inside send() or drop().
Result<std::unique_ptr<TlsSession>, std::string> start_tls_session(boost::asio::io_context& loop,
                                                                   TlsSessionConfig config,
                                                                   TlsSession::Handlers handlers, Log& log);

}  // namespace tandem::ha
