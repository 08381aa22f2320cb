// SPDX-License-Identifier: Apache-2.0
// The loop of the soft card: poll, receive, process, send. Serves N7.
#include "driver/softcard/worker.hpp"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "driver/atomic_field.hpp"

namespace tandem::softcard {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

bool always(void*) { return true; }

}  // namespace

std::uint64_t boot_time_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

bool LogLimit::allows(std::uint64_t now_ns, std::uint64_t& held_back) {
  if (now_ns < next_ns_) {
    ++held_back_;
    return false;
  }
  next_ns_ = now_ns + kSecond;
  held_back = held_back_;
  held_back_ = 0;
  return true;
}

Worker::Worker(card::CardMemory& memory, card::Pipeline& pipeline, PortLink& outer, PortLink& inner, Control& control,
               int notify_fd, int doorbell_fd, int stop_fd, CardClock clock)
    : memory_(memory),
      pipeline_(pipeline),
      links_{&outer, &inner},
      control_(control),
      notify_fd_(notify_fd),
      doorbell_fd_(doorbell_fd),
      stop_fd_(stop_fd),
      clock_(clock) {}

void Worker::run() {
  enum Source { kWireOuter, kWireInner, kTapOuter, kTapInner, kListen, kClient, kDoorbell, kStop, kSources };
  for (;;) {
    std::array<pollfd, kSources> fds{};
    fds[kWireOuter].fd = link(card::Port::kOuter).wire_fd();
    fds[kWireInner].fd = link(card::Port::kInner).wire_fd();
    fds[kTapOuter].fd = link(card::Port::kOuter).tap_fd();
    fds[kTapInner].fd = link(card::Port::kInner).tap_fd();
    fds[kListen].fd = control_.listen_fd();
    fds[kClient].fd = control_.client_fd();
    fds[kDoorbell].fd = doorbell_fd_;
    fds[kStop].fd = stop_fd_;
    for (pollfd& entry : fds) {
      entry.events = POLLIN;
    }
    // Nothing tells when the card is armed: a held card looks again every millisecond.
    const bool holds = holds_wires();
    if (holds) {
      fds[kWireOuter].fd = fds[kWireInner].fd = -1;
    }
    if (::poll(fds.data(), fds.size(), injects_wait_ ? 0 : holds ? 1 : -1) < 0 && errno != EINTR) {
      spdlog::error("poll: {}", std::strerror(errno));
      return;
    }
    if (fds[kStop].revents != 0) {
      return;
    }
    // The leaving host before the next one: a daemon that restarts must find the place free.
    if (fds[kClient].revents != 0 || fds[kListen].revents != 0) {
      control_.check_client();
    }
    if (fds[kListen].revents != 0) {
      control_.accept_client();
    }
    if (fds[kWireOuter].revents != 0) {
      drain_wire(card::Port::kOuter);
    }
    if (fds[kWireInner].revents != 0) {
      drain_wire(card::Port::kInner);
    }
    if (fds[kTapOuter].revents != 0) {
      drain_tap(card::Port::kOuter);
    }
    if (fds[kTapInner].revents != 0) {
      drain_tap(card::Port::kInner);
    }
    if (fds[kDoorbell].revents != 0) {
      std::uint64_t rings = 0;
      injects_wait_ = ::read(doorbell_fd_, &rings, sizeof(rings)) > 0 || injects_wait_;
    }
    if (injects_wait_) {
      drain_injects();
    }
    note_engine();
  }
}

bool Worker::holds_wires() const {
  return driver::load_field(memory_.registers.hold_deadline_ns) != 0 && pipeline_.holds_wires(clock_());
}

void Worker::note_engine() {
  const card::EngineFigures figures = pipeline_.engine_figures();
  std::uint64_t held_back = 0;
  if (figures.packets == engine_packets_seen_ || !log_engine_.allows(clock_(), held_back)) {
    return;
  }
  engine_packets_seen_ = figures.packets;
  spdlog::info("RTL engine: {} packets of {} words in {} clocks; a packet took {:.1f} clocks on average, {} at most",
               figures.packets, figures.words, figures.clocks,
               static_cast<double>(figures.packet_clocks_sum) / static_cast<double>(figures.packets),
               figures.packet_clocks_max);
}

void Worker::drain_wire(card::Port port) {
  bool more = true;
  for (int round = 0; round < kRoundsMax && more && !holds_wires(); ++round) {
    ReceiveNotes notes;
    const std::uint32_t count = link(port).receive(batch_, notes, more);
    note(port, notes);
    if (count == 0) {
      continue;
    }
    const std::uint64_t before = protected_total();
    pipeline_.process(port, batch_.packets.data(), count, clock_());
    dispatch(count, protected_total() != before);
  }
}

void Worker::drain_tap(card::Port port) {
  bool more = true;
  for (int round = 0; round < kRoundsMax && more; ++round) {
    ReceiveNotes notes;
    const std::uint32_t count = link(port).receive_tap(batch_, notes, more);
    note(port, notes);
    if (notes.error == EBADFD || notes.error == EBADF) {
      spdlog::error("TAP {} was deleted; restart the card to have it again", link(port).tap_name());
      link(port).drop_tap();
      return;
    }
    if (count != 0) {
      send_for_host(port, count);
    }
  }
}

// Frames of the host's stack: what speaks for a virtual address leaves only while the card may speak. A host
// that hangs with the address still on its TAP is silenced so.
void Worker::send_for_host(card::Port port, std::uint32_t count) {
  const bool speaks = pipeline_.may_speak(clock_());
  auto& frames = outgoing_[static_cast<std::size_t>(port)];
  std::uint32_t ready = 0;
  bool virtual_name = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    const card::Packet& packet = batch_.packets[i];
    const bool as_virtual = pipeline_.speaks_for_virtual(port, packet);
    if (as_virtual && !speaks) {
      const bool armed = card::activation_armed(driver::load_field(memory_.registers.activation));
      pipeline_.count(armed ? card::Counter::kDropLease : card::Counter::kDropNotArmed, 1);
      continue;
    }
    virtual_name = virtual_name || as_virtual;
    frames[ready++] = {packet.data, packet.octets};
  }
  pipeline_.count(card::Counter::kInjected, transmit(port, ready, virtual_name));
}

void Worker::drain_injects() {
  injects_wait_ = true;
  for (int round = 0; round < kRoundsMax && injects_wait_; ++round) {
    for (std::uint32_t i = 0; i < card::kBatchMax; ++i) {
      batch_.reset(i, card::kFrameMax);
    }
    const std::uint64_t before = protected_total();
    const std::uint32_t count = pipeline_.process_injected(batch_.packets.data(), card::kBatchMax, clock_());
    injects_wait_ = count == card::kBatchMax;
    bool gated = protected_total() != before;
    for (std::uint32_t i = 0; i < count && !gated; ++i) {
      const card::Packet& packet = batch_.packets[i];
      gated = packet.verdict == card::Verdict::kSend && pipeline_.leaves_under_lease(packet.out_port, packet);
    }
    dispatch(count, gated);
  }
}

// Carries out the verdicts of a batch. A punt's `out_port` is the port it came in by.
void Worker::dispatch(std::uint32_t count, bool protects) {
  std::array<std::uint32_t, card::kPorts> ready{};
  for (std::uint32_t i = 0; i < count; ++i) {
    const card::Packet& packet = batch_.packets[i];
    if (packet.verdict == card::Verdict::kSend) {
      const auto out = static_cast<std::size_t>(packet.out_port);
      outgoing_[out][ready[out]++] = {packet.data, packet.octets};
    }
  }
  // Protected traffic first: punts may take long.
  for (std::size_t out = 0; out < card::kPorts; ++out) {
    transmit(static_cast<card::Port>(out), ready[out], protects);
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    const card::Packet& packet = batch_.packets[i];
    if (packet.verdict == card::Verdict::kPunt && !link(packet.out_port).send_tap(packet.data, packet.octets)) {
      pipeline_.count(card::Counter::kDropPort, 1);
    }
  }
  notify_host();
}

std::uint32_t Worker::transmit(card::Port port, std::uint32_t count, bool gated) {
  if (count == 0) {
    return 0;
  }
  auto& frames = outgoing_[static_cast<std::size_t>(port)];
  const SendCount sent = gated ? link(port).send(frames.data(), count, still_speaks, this)
                               : link(port).send(frames.data(), count, always, nullptr);
  if (sent.refused != 0) {
    pipeline_.count(card::Counter::kDropPort, sent.refused);
  }
  if (sent.silenced != 0) {
    pipeline_.count(card::Counter::kDropLease, sent.silenced);
    std::uint64_t held_back = 0;
    if (log_lease_.allows(clock_(), held_back)) {
      spdlog::warn("the lease ran out between work and wire: {} packets dropped (+{} lines held back)", sent.silenced,
                   held_back);
    }
  }
  return sent.sent;
}

// The last look at the lease before traffic under it leaves: nothing but the system call may follow it.
bool Worker::still_speaks(void* worker) {
  const auto& self = *static_cast<const Worker*>(worker);
  return self.pipeline_.may_speak(self.clock_());
}

void Worker::notify_host() {
  const std::uint64_t events = driver::load_field(memory_.event_index.produced);
  const std::uint64_t punts = driver::load_field(memory_.punt_index.produced);
  if (events != events_seen_ || punts != punts_seen_) {
    events_seen_ = events;
    punts_seen_ = punts;
    const std::uint64_t one = 1;
    // A full counter means that the host is told already.
    static_cast<void>(!::write(notify_fd_, &one, sizeof(one)));
  }
}

void Worker::note(card::Port port, const ReceiveNotes& notes) {
  if (notes.too_big != 0) {
    pipeline_.count(card::Counter::kDropTooBig, notes.too_big);
  }
  if (notes.tagged != 0) {
    pipeline_.count(card::Counter::kDropNotForUs, notes.tagged);
  }
  std::uint64_t held_back = 0;
  if ((notes.too_big != 0 || notes.checksum_unfinished != 0) && log_offload_.allows(clock_(), held_back)) {
    spdlog::warn(
        "{}: frames with unfinished checksums or above {} octets: turn offloads off at the sender and here "
        "(ethtool -K IF tx off tso off gso off gro off) (+{} lines held back)",
        link(port).interface_name(), card::kFrameMax, held_back);
  }
  if (notes.error != 0 && log_error_.allows(clock_(), held_back)) {
    spdlog::warn("{} or {}: {} (+{} lines held back)", link(port).interface_name(), link(port).tap_name(),
                 std::strerror(notes.error), held_back);
  }
}

std::uint64_t Worker::protected_total() const {
  const std::uint64_t* counters = memory_.registers.counters;
  return driver::load_field(counters[static_cast<std::size_t>(card::Counter::kSealed)]) +
         driver::load_field(counters[static_cast<std::size_t>(card::Counter::kOpened)]) +
         driver::load_field(counters[static_cast<std::size_t>(card::Counter::kBypassed)]);
}

}  // namespace tandem::softcard
