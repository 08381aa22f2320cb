// SPDX-License-Identifier: Apache-2.0
#include "sim/xrt/kernel_wires.hpp"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "hw/kernel/words.hpp"

namespace tandem::sim::xrt {

KernelWires::KernelWires(KernelFabric& fabric, softcard::PortLink& outer, softcard::PortLink& inner,
                         std::function<std::uint64_t()> clock)
    : fabric_(fabric), clock_(std::move(clock)) {
  ports_[static_cast<std::size_t>(card::Port::kOuter)].link = &outer;
  ports_[static_cast<std::size_t>(card::Port::kInner)].link = &inner;
}

void KernelWires::run(softcard::Control& control, int doorbell_fd, int stop_fd) {
  enum Source { kListen, kClient, kDoorbell, kStop, kWires, kSources = kWires + card::kPorts };
  for (;;) {
    std::array<pollfd, kSources> fds{};
    fds[kListen].fd = control.listen_fd();
    fds[kClient].fd = control.client_fd();
    fds[kDoorbell].fd = doorbell_fd;
    fds[kStop].fd = stop_fd;
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      // What the card has no room for waits in the socket.
      fds[kWires + i].fd = ports_[i].next == ports_[i].count ? ports_[i].link->wire_fd() : -1;
    }
    for (pollfd& entry : fds) {
      entry.events = POLLIN;
    }
    const timespec look{0, kLookNs};
    if (::ppoll(fds.data(), fds.size(), &look, nullptr) < 0 && errno != EINTR) {
      spdlog::error("poll: {}", std::strerror(errno));
      return;
    }
    if (fds[kStop].revents != 0) {
      return;
    }
    if (fds[kClient].revents != 0 || fds[kListen].revents != 0) {
      control.check_client();
    }
    if (fds[kListen].revents != 0) {
      control.accept_client();
    }
    std::uint64_t rings = 0;
    static_cast<void>(!::read(doorbell_fd, &rings, sizeof(rings)));
    work();
  }
}

// A card cannot be stopped between its gate and its wire, a process can: what was let in while the card might speak,
// and comes out when it may not any more, is dropped here. kTurnsInside turns later all of that is gone.
void KernelWires::work() {
  bool moved = true;
  for (int turn = 0; turn < kTurnsMax && moved; ++turn) {
    moved = false;
    for (const card::Port port : {card::Port::kOuter, card::Port::kInner}) {
      moved = take_in(port) || moved;
    }
    moved = fabric_.turn() || moved;
    for (const card::Port port : {card::Port::kOuter, card::Port::kInner}) {
      put_out(port);
    }
    for (Port& port : ports_) {
      const bool speaks = fabric_.may_speak(clock_());
      turns_to_drop_ = speaks ? kTurnsInside : turns_to_drop_;
      send(port, speaks || turns_to_drop_ == 0);
    }
    turns_to_drop_ -= turns_to_drop_ > 0 ? 1 : 0;
  }
}

// Frames into the port's stream as long as there is room for a whole one. Returns whether one went in.
bool KernelWires::take_in(card::Port port) {
  Port& own = ports_[static_cast<std::size_t>(port)];
  card::Stream<card::Word>& wire = fabric_.from_wire(port);
  bool moved = false;
  for (;;) {
    if (own.next == own.count) {
      softcard::ReceiveNotes notes;
      bool more = false;
      own.next = 0;
      own.count = own.link->receive(own.batch, notes, more);
      if (own.count == 0) {
        return moved;
      }
    }
    const card::Packet& packet = own.batch.packets[own.next];
    const std::uint32_t words = (packet.octets + card::kWordDataOctets - 1) / card::kWordDataOctets;
    if (wire.room() < words) {
      return moved;
    }
    for (std::uint32_t at = 0; at < packet.octets; at += card::kWordDataOctets) {
      std::uint8_t octets[card::kWordDataOctets] = {};
      const std::uint32_t count = std::min<std::uint32_t>(card::kWordDataOctets, packet.octets - at);
      std::memcpy(octets, packet.data + at, count);
      wire.write(card::make_word(octets, count, at + count == packet.octets));
    }
    ++own.next;
    moved = true;
  }
}

void KernelWires::put_out(card::Port port) {
  Port& own = ports_[static_cast<std::size_t>(port)];
  card::Stream<card::Word>& wire = fabric_.to_wire(port);
  while (!wire.empty()) {
    const card::Word word = wire.read();
    std::uint8_t octets[card::kWordDataOctets];
    card::word_octets_get(word, card::kWordDataLow, octets, card::kWordDataOctets);
    own.leaving.insert(own.leaving.end(), octets, octets + card::word_octets(word));
    if (card::word_get(word, card::kWordLastBit, 1) != 0) {
      own.complete.push_back(std::move(own.leaving));
      own.leaving.clear();
    }
  }
}

void KernelWires::send(Port& port, bool speaks) {
  std::array<iovec, card::kBatchMax> frames{};
  for (std::size_t at = 0; speaks && at < port.complete.size(); at += card::kBatchMax) {
    const std::size_t count = std::min<std::size_t>(card::kBatchMax, port.complete.size() - at);
    for (std::size_t i = 0; i < count; ++i) {
      frames[i] = {port.complete[at + i].data(), port.complete[at + i].size()};
    }
    port.link->send(
        frames.data(), static_cast<std::uint32_t>(count), [](void*) { return true; }, nullptr);
  }
  port.complete.clear();
}

}  // namespace tandem::sim::xrt
