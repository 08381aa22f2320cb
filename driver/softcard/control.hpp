// SPDX-License-Identifier: Apache-2.0
// The soft card's control socket: hands memory and eventfds to one host at a time. A host's death only frees
// the place: memory and data path live on, and the lease runs out by itself (N7).
#pragma once

#include <string>

#include "driver/soft/attach_protocol.hpp"
#include "driver/unique_fd.hpp"

namespace tandem::softcard {

class Control {
 public:
  // Listens at `path` (mode 0600). A socket file that nobody listens on is replaced. `greeting` is what a host
  // is told; the descriptors stay the caller's. Throws std::runtime_error (start-up).
  Control(std::string path, const driver::AttachGreeting& greeting, int memory_fd, int notify_fd, int doorbell_fd);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  int listen_fd() const { return listener_.get(); }
  // -1: no host.
  int client_fd() const { return client_.get(); }

  // Call when listen_fd() is readable, after check_client(): greets or refuses one host.
  void accept_client();
  // Call when client_fd() has anything to say; frees the place once the host is gone.
  void check_client();

 private:
  bool greet(int fd, driver::AttachStatus status) const;

  std::string path_;
  driver::AttachGreeting greeting_;
  int fds_[driver::kAttachFds];
  driver::UniqueFd listener_;
  driver::UniqueFd client_;
};

}  // namespace tandem::softcard
