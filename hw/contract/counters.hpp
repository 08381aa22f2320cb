// SPDX-License-Identifier: Apache-2.0
// Every packet that enters the card leaves by exactly one of these: the card-wide counters, in packets.
// One list feeds the enum, the names that tandemctl and the metrics show, and the documentation.
#pragma once

#include <cstdint>

namespace tandem {
namespace card {

// X(enumerator, name, what it counts)
#define TANDEM_CARD_COUNTERS(X)                                                             \
  X(kSealed, "sealed", "inner packets sent as ESP")                                         \
  X(kOpened, "opened", "ESP packets accepted and delivered to the inner port")              \
  X(kBypassed, "bypassed", "inner or outer packets forwarded in clear by a BYPASS flow")    \
  X(kPuntedHost, "punted_host", "frames handed to the port's TAP")                          \
  X(kPuntedSlow, "punted_slow", "packets handed to the daemon's slow path")                 \
  X(kInjected, "injected", "frames sent for the host")                                      \
  X(kDummy, "dummy", "authenticated ESP dummy packets (RFC 4303 2.6)")                      \
  X(kDropMalformed, "drop_malformed", "frame or header shorter than it says, bad checksum") \
  X(kDropNotForUs, "drop_not_for_us", "destination MAC is neither ours nor group")          \
  X(kDropNotArmed, "drop_not_armed", "protected traffic while not active")                  \
  X(kDropLease, "drop_lease", "protected traffic after the lease ran out")                  \
  X(kDropUnknownSpi, "drop_unknown_spi", "ESP for an SPI that is not in the table")         \
  X(kDropAuth, "drop_auth", "ICV wrong")                                                    \
  X(kDropReplay, "drop_replay", "sequence number seen or left of the window")               \
  X(kDropPadding, "drop_padding", "bad padding or next header after the ICV was good")      \
  X(kDropInner, "drop_inner", "inner packet malformed")                                     \
  X(kDropSelector, "drop_selector", "inner packet outside the SA's selectors")              \
  X(kDropEcn, "drop_ecn", "CE on a packet that was not ECN capable (RFC 6040 4.2)")         \
  X(kDropPolicy, "drop_policy", "DISCARD, or cleartext where PROTECT is demanded")          \
  X(kDropNoSa, "drop_no_sa", "flow whose route names no usable SA")                         \
  X(kDropCredit, "drop_credit", "outbound number not below the reserved limit (N2)")        \
  X(kDropSequence, "drop_sequence", "sequence numbers of the SA used up")                   \
  X(kDropLifetime, "drop_lifetime", "hard lifetime over")                                   \
  X(kDropTtl, "drop_ttl", "inner TTL too small to forward")                                 \
  X(kDropTooBig, "drop_too_big", "packet larger than a buffer can hold")                    \
  X(kDropRingFull, "drop_ring_full", "punt ring full")                                      \
  X(kDropPort, "drop_port", "the port's wire did not take the frame")                       \
  X(kEventsLost, "events_lost", "events that found the ring full; the host must rescan")

enum class Counter : std::uint32_t {
#define TANDEM_COUNTER_ENUM(id, name, help) id,
  TANDEM_CARD_COUNTERS(TANDEM_COUNTER_ENUM)
#undef TANDEM_COUNTER_ENUM
      kCount
};
constexpr std::uint32_t kCounters = static_cast<std::uint32_t>(Counter::kCount);
constexpr std::uint32_t kCountersMax = 64;  // room in the register map
static_assert(kCounters <= kCountersMax, "register map");

}  // namespace card
}  // namespace tandem
