// SPDX-License-Identifier: Apache-2.0
// The encrypt path's loops: SA, sequence, trailer, AES-GCM, outer header, next hop. RFC 4303 3.3.
#include <cstring>

#include "hw/native/pipeline_impl.hpp"
#include "hw/stage/deliver.hpp"
#include "hw/stage/gcm_request.hpp"
#include "hw/stage/outer_header.hpp"
#include "hw/stage/report.hpp"
#include "hw/stage/sa_lookup.hpp"
#include "hw/stage/sequence.hpp"
#include "hw/stage/trailer.hpp"

namespace tandem {
namespace card {
bool Pipeline::Impl::seal_lookup(const Batch& batch, SealWork& work) {
  OutboundSlot& slot = outbound[work.slot];
  const std::uint32_t generation = load_acquire(&slot.generation);
  work.generation = generation;
  work.policy = &slot.policy[generation & 1u];
  SaLookupIn in;
  in.route = work.route;
  in.instance = work.policy->instance;
  in.flags = work.policy->flags;
  in.inner_mtu = work.policy->inner_mtu;
  in.inner_octets = work.octets;
  const Outcome outcome = sa_lookup(in);
  if ((in.flags & kSaValid) == 0 && outbound_keys.holds(work.slot)) {
    outbound_keys.wipe_later(work.slot);
  }
  if (outcome.fate != Fate::kContinue) {
    finish(batch, *work.packet, outcome, work.ip, work.octets, work.slot);
    return false;
  }
  return true;
}

void Pipeline::Impl::seal_events(const Batch& batch, const SealWork& work, std::uint32_t events, std::uint64_t value) {
  const OutboundState& state = outbound[work.slot].state;
  EventsIn in = {};
  in.events = events;
  in.direction = kDirectionOutbound;
  in.slot = work.slot;
  in.instance = work.policy->instance;
  in.value = value;
  in.number = state.next_sequence - 1;
  in.packets = state.packets;
  in.now_ns = batch.moment.now_ns;
  report_events(*memory, in);
}

// Number, headers and trailer around the packet in place; the job for the engine.
bool Pipeline::Impl::seal_prepare(const Batch& batch, SealWork& work, GcmJob& job) {
  OutboundSlot& slot = outbound[work.slot];
  const OutboundPolicy& policy = *work.policy;
  const TrailerOut tail = trailer(work.octets);
  const SequenceIn in =
      sequence_in(policy, slot.credit, batch.moment, memory->registers.sealed_total, work.octets + tail.count);
  const SequenceOut out = sequence(slot.state, in);
  if (out.events != 0) {
    seal_events(batch, work, out.events, out.value);
  }
  if (out.outcome.fate != Fate::kContinue) {
    finish(batch, *work.packet, out.outcome, work.ip, work.octets, work.slot);
    return false;
  }
  store_relaxed(&memory->registers.sealed_total, in.sealed_total + 1);

  const ForwardOut changed = forward(work.ip, work.tos);
  work.ip[8] = changed.ttl;
  store_be16(work.ip + 10, changed.checksum);
  std::uint8_t* end = work.ip + work.octets;
  copy_octets(end, tail.octets, kTrailerMax);

  const OuterHeaderOut outer = outer_header(
      outer_header_in(policy, {work.tos, work.dont_fragment}, out.number, out.iv, in.octets, in.sealed_total));

  GcmRequestIn request;
  copy_octets(request.salt, policy.salt, 4);
  store_be64(request.iv, out.iv);
  request.number = out.number;
  request.spi = policy.spi;
  request.esn = in.esn;
  gcm_request(request, job);
  job.data = work.ip;
  job.octets = in.octets;
  job.tag = work.ip + in.octets;
  work.ip -= outer.count;
  work.octets = outer.packet_octets;
  std::memcpy(work.ip, outer.octets, outer.count);
  return true;
}

void Pipeline::Impl::seal_finish(const Batch& batch, SealWork& work) {
  if (add_ethernet(batch, Port::kOuter, work.policy->outer_target, *work.packet, work.ip, work.octets)) {
    send(*work.packet, Port::kOuter, Counter::kSealed);
    return;
  }
  // The number is used: the packet must reach the peer, so the host sends it once it knows the neighbour.
  punt_slow(Port::kOuter, PuntReason::kNoNextHop, work.slot, work.ip, work.octets, batch.moment.now_ns, *work.packet);
}

// seals[0..works) hold what transit() said PROTECT of.
void Pipeline::Impl::encrypt(const Batch& batch, std::uint32_t works) {
  for (std::uint32_t i = 0; i < works; ++i) {
    seals[i].slot = route_slot(seals[i].route, slots);
    if (seals[i].slot < slots) {
      __builtin_prefetch(&outbound[seals[i].slot].generation);
    }
  }
  for (std::uint32_t i = 0; i < works; ++i) {
    if (seals[i].slot < slots) {
      const OutboundSlot& slot = outbound[seals[i].slot];
      const std::uint32_t generation = load_acquire(&slot.generation);
      prefetch_lines(&slot.policy[generation & 1u], sizeof(OutboundPolicy));
      prefetch_lines(&slot.credit, sizeof(Credit) + sizeof(OutboundState));
      outbound_keys.prefetch(seals[i].slot, generation);
    }
  }
  std::uint32_t live = 0;
  for (std::uint32_t i = 0; i < works; ++i) {
    SealWork& work = seals[i];
    if (work.slot >= slots) {
      finish(batch, *work.packet, card::punt_slow(PuntReason::kNoSa), work.ip, work.octets, 0);
    } else if (seal_lookup(batch, work) && seal_prepare(batch, work, jobs[live])) {
      jobs[live].key256 = (work.policy->flags & kSaKey256) != 0;
      jobs[live].key =
          outbound_keys.get(work.slot, work.generation, work.policy->instance, work.policy->key, jobs[live].key256);
      if (live != i) {
        seals[live] = work;
      }
      ++live;
    }
  }
  engine.seal(jobs, live);
  for (std::uint32_t i = 0; i < live; ++i) {
    seal_finish(batch, seals[i]);
  }
}

}  // namespace card
}  // namespace tandem
