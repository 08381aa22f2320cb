// SPDX-License-Identifier: Apache-2.0
// The decrypt path's loops: SPI, early replay check, AES-GCM, replay update, trailer, selectors, next hop.
// RFC 4303 3.4. Serves N3: the window moves only after the ICV is good, in the order of arrival.
#include <cstring>

#include "hw/native/pipeline_impl.hpp"
#include "hw/stage/deliver.hpp"
#include "hw/stage/gcm_request.hpp"
#include "hw/stage/parse_ethernet.hpp"
#include "hw/stage/replay.hpp"
#include "hw/stage/report.hpp"
#include "hw/stage/sa_lookup.hpp"
#include "hw/stage/selector_check.hpp"
#include "hw/stage/trailer.hpp"

namespace tandem {
namespace card {
namespace {

constexpr std::uint32_t kEspFrontOctets = kEspHeaderOctets + kEspIvOctets;

std::uint32_t plain_octets(const OpenWork& work) { return work.octets - kEspFrontOctets - kEspIcvOctets; }

}  // namespace

void Pipeline::Impl::open_unknown(const Batch& batch, OpenWork& work) {
  report_events(*memory, unknown_spi(unknown, {work.spi, work.source, work.source_port, batch.moment.now_ns}));
  finish(batch, *work.packet, drop(Counter::kDropUnknownSpi), work.esp, work.octets, 0);
}

bool Pipeline::Impl::open_lookup(const Batch& batch, OpenWork& work) {
  if (work.slot >= slots) {
    open_unknown(batch, work);
    return false;
  }
  InboundSlot& slot = inbound[work.slot];
  work.generation = load_acquire(&slot.generation);
  work.policy = &slot.policy[work.generation & 1u];
  SpiLookupIn in;
  in.spi = work.spi;
  in.policy_spi = work.policy->spi;
  in.flags = work.policy->flags;
  const Outcome outcome = spi_lookup(in);
  if ((in.flags & kSaValid) == 0 && inbound_keys.holds(work.slot)) {
    inbound_keys.wipe_later(work.slot);
  }
  if (outcome.fate != Fate::kContinue) {
    open_unknown(batch, work);
    return false;
  }
  work.key = inbound_keys.get(work.slot, work.generation, work.policy->instance, work.policy->key,
                              (in.flags & kSaKey256) != 0);
  return true;
}

bool Pipeline::Impl::open_check(const Batch& batch, OpenWork& work) {
  InboundSlot& slot = inbound[work.slot];
  const ReplayCheckOut out =
      replay_check(slot.state, replay_check_in(*work.policy, slot.credit, batch.moment, work.sequence));
  work.number = out.number;
  if (out.outcome.fate != Fate::kContinue) {
    store_relaxed(&slot.state.replays, slot.state.replays + 1);
    finish(batch, *work.packet, out.outcome, work.esp, work.octets, work.slot);
    return false;
  }
  return true;
}

void Pipeline::Impl::open_prepare(const OpenWork& work, GcmJob& job, std::uint8_t* tag) {
  GcmRequestIn request;
  copy_octets(request.salt, work.policy->salt, 4);
  copy_octets(request.iv, work.esp + kEspHeaderOctets, kEspIvOctets);
  request.number = work.number;
  request.spi = work.spi;
  request.esn = (work.policy->flags & kSaEsn) != 0;
  gcm_request(request, job);
  job.key = work.key;
  job.key256 = (work.policy->flags & kSaKey256) != 0;
  job.data = work.esp + kEspFrontOctets;
  job.octets = plain_octets(work);
  job.tag = tag;
}

void Pipeline::Impl::open_events(const Batch& batch, const OpenWork& work, std::uint32_t events, std::uint64_t value) {
  const InboundState& state = inbound[work.slot].state;
  EventsIn in = {};
  in.events = events;
  in.direction = kDirectionInbound;
  in.slot = work.slot;
  in.instance = work.policy->instance;
  in.value = value;
  in.number = work.number;
  in.edge = state.right_edge;
  in.packets = state.packets;
  in.now_ns = batch.moment.now_ns;
  in.source = work.source;
  in.source_port = work.source_port;
  report_events(*memory, in);
}

// The window, for an authenticated packet.
bool Pipeline::Impl::open_update(const Batch& batch, OpenWork& work) {
  InboundSlot& slot = inbound[work.slot];
  const ReplayUpdateOut out =
      replay_update(slot.state, replay_update_in(*work.policy, slot.credit, batch.moment, work.number,
                                                 plain_octets(work), work.source, work.source_port));
  if (out.events != 0) {
    open_events(batch, work, out.events, out.value);
  }
  if (out.outcome.fate == Fate::kContinue) {
    return true;
  }
  if (out.outcome.counter == Counter::kDropReplay) {
    store_relaxed(&slot.state.replays, slot.state.replays + 1);
  }
  if (out.outcome.fate != Fate::kPuntSlow) {
    finish(batch, *work.packet, out.outcome, work.esp, work.octets, work.slot);
    return false;
  }
  // The host gets the packet as it came: under counter mode sealing the plaintext again restores it.
  GcmJob again;
  std::uint8_t tag[kGcmTagOctets];
  open_prepare(work, again, tag);
  engine.seal(&again, 1);
  const std::uint8_t* ip = work.packet->data + kEthernetOctets;
  finish(batch, *work.packet, out.outcome, ip, static_cast<std::uint32_t>(work.esp + work.octets - ip), work.slot);
  return false;
}

// Trailer, selectors, ECN, TTL, next hop of an accepted packet.
void Pipeline::Impl::open_deliver(const Batch& batch, OpenWork& work) {
  std::uint8_t* ip = work.esp + kEspFrontOctets;
  const std::uint8_t* end = ip + plain_octets(work);
  TrailerCheckIn check;
  check.plain_octets = plain_octets(work);
  check.pad_octets = end[-2];
  check.next_header = end[-1];
  check.padding_good = padding_good(end, check.plain_octets);
  const TrailerCheckOut checked = trailer_check(check);
  if (checked.outcome.fate != Fate::kContinue) {
    finish(batch, *work.packet, checked.outcome, ip, 0, work.slot);
    return;
  }
  Window window;
  load_window(ip, window);
  const Ipv4 inner = parse_ipv4(window, checked.inner_octets);
  if (!inner.good) {
    finish(batch, *work.packet, drop(Counter::kDropInner), ip, 0, work.slot);
    return;
  }
  SelectorCheckIn selectors;
  selectors.flow = flow_key(window, inner);
  selectors.selectors = work.policy->selectors;
  selectors.count = work.policy->selector_count;
  const Outcome selected = selector_check(selectors);
  if (selected.fate != Fate::kContinue) {
    InboundState& state = inbound[work.slot].state;
    store_relaxed(&state.selector_mismatches, state.selector_mismatches + 1);
    finish(batch, *work.packet, selected, ip, inner.total_octets, work.slot);
    return;
  }
  const DecapsulateOut ecn = decapsulate_ecn(work.tos, inner.tos);
  if (ecn.outcome.fate != Fate::kContinue) {
    finish(batch, *work.packet, ecn.outcome, ip, inner.total_octets, work.slot);
    return;
  }
  const PortConfig& inside = batch.config->ports[static_cast<std::uint32_t>(Port::kInner)];
  Packet& packet = *work.packet;
  if (inner.target.octets[0] >= 224 || is_local(inside, kFamilyIpv4, inner.target)) {
    // For the gateway itself: to the inner port's TAP, as if it had come in there.
    const ForwardOut changed = receive(ip, ecn.tos);
    ip[1] = changed.tos;
    store_be16(ip + 10, changed.checksum);
    std::uint8_t* frame = ip - kEthernetOctets;
    std::memcpy(frame, inside.mac, 6);
    std::memset(frame + 6, 0, 6);
    store_be16(frame + 12, kEtherTypeIpv4);
    packet.data = frame;
    packet.octets = inner.total_octets + kEthernetOctets;
    packet.out_port = Port::kInner;
    packet.verdict = Verdict::kPunt;
    count(Counter::kPuntedHost, 1);
    return;
  }
  if (inner.ttl <= 1) {
    finish(batch, packet, card::punt_slow(PuntReason::kTtl), ip, inner.total_octets, work.slot);
    return;
  }
  const ForwardOut changed = forward(ip, ecn.tos);
  ip[1] = changed.tos;
  ip[8] = changed.ttl;
  store_be16(ip + 10, changed.checksum);
  if (!add_ethernet(batch, Port::kInner, inner.target, packet, ip, inner.total_octets)) {
    punt_slow(Port::kInner, PuntReason::kNoNextHop, work.slot, ip, inner.total_octets, batch.moment.now_ns, packet);
    return;
  }
  send(packet, Port::kInner, Counter::kOpened);
}

void Pipeline::Impl::open_finish(const Batch& batch, OpenWork& work, bool authentic) {
  if (!authentic) {
    InboundState& state = inbound[work.slot].state;
    store_relaxed(&state.auth_failures, state.auth_failures + 1);
    finish(batch, *work.packet, drop(Counter::kDropAuth), work.esp, 0, work.slot);
    return;
  }
  if (open_update(batch, work)) {
    open_deliver(batch, work);
  }
}

// opens[0..works) hold ESP packets with `slot` set.
void Pipeline::Impl::decrypt(const Batch& batch, std::uint32_t works) {
  for (std::uint32_t i = 0; i < works; ++i) {
    if (opens[i].slot < slots) {
      __builtin_prefetch(&inbound[opens[i].slot].generation);
    }
  }
  for (std::uint32_t i = 0; i < works; ++i) {
    if (opens[i].slot < slots) {
      const InboundSlot& slot = inbound[opens[i].slot];
      const std::uint32_t generation = load_acquire(&slot.generation);
      prefetch_lines(&slot.policy[generation & 1u], 192 + sizeof(Selector));
      prefetch_lines(&slot.credit, sizeof(Credit) + 128);
      inbound_keys.prefetch(opens[i].slot, generation);
    }
  }
  std::uint32_t live = 0;
  for (std::uint32_t i = 0; i < works; ++i) {
    if (open_lookup(batch, opens[i]) && open_check(batch, opens[i])) {
      if (live != i) {
        opens[live] = opens[i];
      }
      open_prepare(opens[live], jobs[live], tags[live]);
      ++live;
    }
  }
  engine.open(jobs, live);
  for (std::uint32_t i = 0; i < live; ++i) {
    open_finish(batch, opens[i], tags_equal(tags[i], jobs[i].data + jobs[i].octets));
  }
}

}  // namespace card
}  // namespace tandem
