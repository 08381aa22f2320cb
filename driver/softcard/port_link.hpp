// SPDX-License-Identifier: Apache-2.0
// One port of the soft card: an AF_PACKET socket on the interface that is its wire, and a TAP device with
// the same MAC, behind which the host's own network stack sits.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "driver/unique_fd.hpp"
#include "hw/native/pipeline.hpp"

namespace tandem::softcard {

// What the data path wants done with frames that the wire cannot take now.
struct SendCount {
  std::uint32_t sent = 0;
  std::uint32_t refused = 0;   // by the wire
  std::uint32_t silenced = 0;  // by the gate
};

// One batch of buffers in the form the pipeline wants, with all that recvmmsg() needs.
class FrameBatch {
 public:
  FrameBatch();
  FrameBatch(const FrameBatch&) = delete;
  FrameBatch& operator=(const FrameBatch&) = delete;

  std::array<card::Packet, card::kBatchMax> packets;
  // Points packet `i` at its whole buffer again, `octets` long.
  void reset(std::uint32_t i, std::uint32_t octets);

 private:
  friend class PortLink;
  // Holds one tpacket_auxdata.
  struct Control {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(32)> octets;
  };
  struct Storage {
    alignas(64) std::array<std::array<std::uint8_t, card::kBufferOctets>, card::kBatchMax> buffers;
    std::array<Control, card::kBatchMax> controls;
    std::array<iovec, card::kBatchMax> vectors;
    std::array<mmsghdr, card::kBatchMax> messages;
  };
  std::unique_ptr<Storage> storage_;
};

// What one call of receive() met besides good frames.
struct ReceiveNotes {
  std::uint32_t too_big = 0;
  std::uint32_t tagged = 0;               // VLAN frames: not for an untagged port
  std::uint32_t checksum_unfinished = 0;  // taken, but the sender's offloads are on
  int error = 0;                          // errno that ended the call; 0: none
};

class PortLink {
 public:
  // Opens the wire, makes and raises the TAP with the interface's MAC and MTU; none without a name. Throws
  // std::runtime_error with what to do (start-up).
  PortLink(std::string interface_name, std::string tap_name);

  int wire_fd() const { return wire_.get(); }
  int tap_fd() const { return tap_.get(); }
  const std::string& interface_name() const { return interface_name_; }
  const std::string& tap_name() const { return tap_name_; }
  const std::array<std::uint8_t, 6>& mac() const { return mac_; }
  // Largest IP packet, octets; at most what a frame buffer holds.
  std::uint16_t mtu() const { return mtu_; }

  // Takes up to kBatchMax frames that wait on the wire, without blocking. Returns how many packets of `batch`
  // were filled; `more`: the wire may hold more.
  std::uint32_t receive(FrameBatch& batch, ReceiveNotes& notes, bool& more);
  // The same from the TAP.
  std::uint32_t receive_tap(FrameBatch& batch, ReceiveNotes& notes, bool& more);

  // Sends frames out of the wire. `gate(context)` is asked immediately before every system call; once it says
  // no, the rest is silenced. A full wire is waited for kSendTries times a millisecond, no longer.
  SendCount send(iovec* frames, std::uint32_t count, bool (*gate)(void* context), void* context);
  // Hands one frame to the host's stack; false: it did not take it.
  bool send_tap(const std::uint8_t* frame, std::uint32_t octets);
  // Gives up a TAP that somebody deleted.
  void drop_tap() { tap_.reset(); }

  static constexpr int kSendTries = 3;

 private:
  void read_interface();
  void open_wire();
  void open_tap();

  std::string interface_name_;
  std::string tap_name_;
  int interface_index_ = 0;
  std::array<std::uint8_t, 6> mac_{};
  std::uint16_t mtu_ = 0;
  driver::UniqueFd wire_;
  driver::UniqueFd tap_;
  std::array<mmsghdr, card::kBatchMax> outgoing_{};
};

}  // namespace tandem::softcard
