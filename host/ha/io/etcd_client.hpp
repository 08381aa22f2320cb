// SPDX-License-Identifier: Apache-2.0
// A connection to etcd's JSON gateway (v3): one request at a time, HTTP or HTTPS with optional client certificate,
// several endpoints of which the next is tried after a failure. What WitnessCore asks, as octets.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/base/ip_address.hpp"
#include "host/base/result.hpp"
#include "host/base/time.hpp"
#include "host/ha/witness.hpp"

namespace boost::asio {
class io_context;
}

namespace tandem::ha {

struct EtcdConfig {
  std::vector<Endpoint> endpoints;  // client addresses of the members of one etcd cluster
  std::string key;                  // the owner key
  Duration timeout = std::chrono::milliseconds(500);
  // HTTPS if `ca_file` is set: TLS >= 1.2, the server's certificate must carry `server_name`, or its address when that
  // is empty. With a certificate and key we show ours.
  std::string ca_file, certificate_file, key_file, server_name;
};

class EtcdClient {
 public:
  virtual ~EtcdClient() = default;
  // `done` is called once on the loop, never from inside. A request before the last one was answered replaces it: that
  // one's connection is closed and its `done` never called.
  virtual void ask(const WitnessAsk& ask, std::function<void(const WitnessReply&)> done) = 0;
};

// Error text names the file at fault. The gateway's answers are bounded to 64 KiB and hostile.
Result<std::unique_ptr<EtcdClient>, std::string> make_etcd_client(boost::asio::io_context& loop, EtcdConfig config);

// --- the gateway's JSON, without I/O

struct EtcdCall {
  std::string path;
  std::string body;
};
EtcdCall to_call(const WitnessAsk& ask, const std::string& key);
// `status`: HTTP's.
WitnessReply read_answer(const WitnessAsk& ask, unsigned status, const std::string& body);

}  // namespace tandem::ha
