// SPDX-License-Identifier: Apache-2.0
// The host's view of a card: one interface, implemented by soft/ (shared memory of a tandem-softcard
// process), inproc/ (a pipeline in this process, for the simulator) and xrt/ (an Alveo). Not thread-safe
// except renew_lease(), now_ns(), activation() and activate(), which any one other thread may call.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/result.hpp"
#include "hw/contract/memory.hpp"

namespace tandem::driver {

enum class CardErrc {
  kBusy,          // another daemon holds the card
  kGone,          // the card's process or device went away
  kNotFound,      // nothing at that place
  kWrongVersion,  // contract version or magic differs
  kBadIndex,      // slot or route outside the table
  kTableFull,     // bucket of the flow or next-hop table full; an older entry was not evicted
  kRingFull,      // inject ring full
  kTooLarge,      // packet above kFrameMax
  kInvalid,       // entry that this contract version cannot do
  kIo,            // anything the operating system refused; see text
};
std::string_view to_string(CardErrc code);

struct CardError {
  CardErrc code;
  std::string text;  // what and where, and what to do about it
};

template <typename T = void>
using CardResult = Result<T, CardError>;

struct CardInfo {
  card::DriverKind driver;
  std::string name;
  std::uint32_t contract_version;
  std::string build_id;  // hex
  std::uint32_t slots;
  bool simulated;
};

// A sensor's reading; no value: the card has no such sensor or it cannot be read now.
struct CardTemperature {
  std::string where;
  std::optional<double> celsius;
};

struct CardTelemetry {
  std::vector<CardTemperature> temperatures;
  std::optional<double> power_watts;
};

struct PuntView {
  card::PuntReason reason;
  card::Port port;
  std::uint32_t index;
  std::span<const std::uint8_t> packet;  // valid until the next call of take_punts()
};

class Card {
 public:
  virtual ~Card() = default;

  virtual CardInfo info() const = 0;

  // Card clock. Soft and inproc cards share the host's boot-time clock; a pause or suspend cannot fool it.
  virtual std::uint64_t now_ns() const = 0;

  // The whole takeover on the data path: one register write (N5).
  virtual void activate(std::uint32_t epoch, std::uint16_t incarnation, bool armed, bool solo) = 0;
  virtual std::uint64_t activation() const = 0;
  // No ESP leaves or enters at or after `deadline_ns` (card time) (N7).
  virtual void renew_lease(std::uint64_t deadline_ns) = 0;
  virtual std::uint64_t lease_deadline_ns() const = 0;
  // Until `deadline_ns` (card time, at most kHoldMaxNs ahead) a card that is not armed leaves its wires unread: what
  // arrives waits as long as there is room. Arming ends it. For a handover without loss.
  virtual void hold_wires(std::uint64_t deadline_ns) = 0;
  virtual void set_grant(std::uint32_t numbers) = 0;

  virtual CardResult<> configure(const card::CardConfig& config) = 0;

  // Write beside the live entry, then commit. The credit is in force before the entry is.
  virtual CardResult<> install_outbound(std::uint32_t index, const card::OutboundPolicy& policy,
                                        const card::Credit& credit) = 0;
  virtual CardResult<> install_inbound(std::uint32_t index, const card::InboundPolicy& policy,
                                       const card::Credit& credit) = 0;
  // Take the entry out and wipe its key in both copies. Removing an empty slot is no error.
  virtual CardResult<> remove_outbound(std::uint32_t index) = 0;
  virtual CardResult<> remove_inbound(std::uint32_t index) = 0;
  virtual CardResult<> set_outbound_credit(std::uint32_t index, const card::Credit& credit) = 0;
  virtual CardResult<> set_inbound_credit(std::uint32_t index, const card::Credit& credit) = 0;
  // Snapshots of card-owned state; fields are each read once, not as one atomic unit.
  virtual CardResult<card::OutboundState> outbound_state(std::uint32_t index) const = 0;
  virtual CardResult<card::InboundState> inbound_state(std::uint32_t index) const = 0;

  virtual CardResult<> set_route(std::uint32_t route, std::uint64_t value) = 0;
  // Adds or replaces; when the bucket is full the entry idle longest (by `used` marks) makes room.
  virtual CardResult<> add_flow(const card::FlowKey& key, card::FlowAction action, std::uint32_t route) = 0;
  virtual void remove_flow(const card::FlowKey& key) = 0;
  virtual void flush_flows() = 0;
  virtual CardResult<> set_next_hop(card::Port port, std::uint8_t family, const card::Address& address,
                                    std::span<const std::uint8_t, 6> mac) = 0;
  virtual void remove_next_hop(card::Port port, std::uint8_t family, const card::Address& address) = 0;

  // Takes everything out: SAs (keys wiped), flows, routes, next hops; disarms. The port configuration stays.
  virtual CardResult<> clear() = 0;

  // Takes up to events.size() events; returns how many.
  virtual std::size_t take_events(std::span<card::Event> events) = 0;
  // Calls back for up to `max` punted packets; the view dies with the call.
  virtual std::size_t take_punts(std::size_t max, void (*visit)(void* context, const PuntView& punt),
                                 void* context) = 0;
  virtual CardResult<> inject(card::InjectKind kind, card::Port port, std::span<const std::uint8_t> packet) = 0;
  // An inner IP packet that the SPD cache cannot hold (fragment, options), sealed under the SA of `route`.
  virtual CardResult<> inject_on_route(std::uint32_t route, std::span<const std::uint8_t> packet) = 0;

  // Returns once no batch that began before the call is in work: after activate() with armed off, counters
  // read then are final. kIo: the card hangs in a batch.
  virtual CardResult<> settle() = 0;
  // Largest inner packet of the outbound SA in a slot, octets; nothing when the slot is empty.
  virtual std::optional<std::uint16_t> outbound_mtu(std::uint32_t index) const = 0;

  virtual std::uint64_t counter(card::Counter counter) const = 0;
  // What the card's sensors say; a card without any says nothing.
  virtual CardTelemetry telemetry() const { return {}; }

  // Readable when events or punts may wait; -1: the caller polls.
  virtual int notify_fd() const = 0;
  // Call after notify_fd() became readable, before taking events.
  virtual void acknowledge_notify() = 0;
  // To be asked all the time, some 50 times a second. Errors: kGone once the card's process or device has died, kIo
  // when it does not work any more.
  virtual CardResult<> health() const = 0;
};

}  // namespace tandem::driver
