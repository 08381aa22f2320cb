// SPDX-License-Identifier: Apache-2.0
#include "sim/xrt/kernel_fabric.hpp"

#include <spdlog/spdlog.h>

#include <cstring>
#include <utility>

#include "hw/stage/gate.hpp"

namespace tandem::sim::xrt {
namespace {

// A top is one fiber, which runs its processes one after the other: a packet a call, whatever `packets` says. A card
// runs them side by side.
constexpr std::uint32_t kPackets = 1;

template <typename T>
T* as(std::uint8_t* at) {
  return reinterpret_cast<T*>(at);
}

}  // namespace

KernelFabric::KernelFabric(std::uint8_t* dram, std::size_t octets, DeviceState& state,
                           std::function<std::uint64_t()> clock)
    : dram_(dram),
      octets_(octets),
      state_(state),
      clock_(std::move(clock)),
      open_keys_(std::make_unique<card::EngineKeys>()) {
  card::StreamStall<void>::hook = &Fiber::yield;
  const Reach fixed{sizeof(card::CardMemory), 0};
  const Reach whole{sizeof(card::CardMemory), sizeof(card::OutboundSlot) + sizeof(card::InboundSlot)};
  add_started(kEncrypt, std::vector<Reach>(8, whole), [this](const Arguments& at, std::uint32_t slots) {
    Path& p = encrypt_;
    tandem_encrypt(p.wire_in, p.inject, p.clock, p.key, p.job, p.source, p.plan, p.clear, as<card::Line>(at[0]),
                   as<card::Line>(at[1]), as<card::Line>(at[2]), as<card::Line>(at[3]), as<card::Line>(at[4]),
                   as<card::Line>(at[5]), as<card::Line>(at[6]), as<card::Line>(at[7]), slots, kPackets);
  });
  // Two instances of one kernel: the top, which keeps its keys itself, and its stage with keys of their own.
  add([this] { tandem_engine(encrypt_.key, encrypt_.job, encrypt_.source, encrypt_.target, encrypt_.tag); });
  add_started(kEncryptEnd, {}, [this](const Arguments&, std::uint32_t) {
    Path& p = encrypt_;
    tandem_encrypt_end(p.plan, p.target, p.tag, p.clear, p.wire_out, p.report, p.frame, kPackets);
  });
  add_started(kDecrypt, std::vector<Reach>(7, whole), [this](const Arguments& at, std::uint32_t slots) {
    Path& p = decrypt_;
    tandem_decrypt(p.wire_in, p.inject, p.clock, p.key, p.job, p.source, p.plan, p.clear, as<card::Line>(at[0]),
                   as<card::Line>(at[1]), as<card::Line>(at[2]), as<card::Line>(at[3]), as<card::Line>(at[4]),
                   as<card::Line>(at[5]), as<card::Line>(at[6]), slots, kPackets);
  });
  add([this] {
    card::engine_stage(*open_keys_, decrypt_.key, decrypt_.job, decrypt_.source, decrypt_.target, decrypt_.tag);
  });
  add_started(kDecryptEnd, std::vector<Reach>(4, whole), [this](const Arguments& at, std::uint32_t slots) {
    Path& p = decrypt_;
    tandem_decrypt_end(p.plan, p.target, p.tag, p.clear, p.wire_out, p.report, p.frame, as<card::Line>(at[0]),
                       as<card::Line>(at[1]), as<card::Line>(at[2]), as<card::Line>(at[3]), slots, kPackets);
  });
  add_started(kHost, {fixed, fixed}, [this](const Arguments& at, std::uint32_t) {
    tandem_host(encrypt_.report, encrypt_.frame, decrypt_.report, decrypt_.frame, encrypt_.inject, decrypt_.inject,
                host_clock_, as<std::uint64_t>(at[0]), as<std::uint32_t>(at[1]), kPackets);
  });
}

card::Stream<card::Word>& KernelFabric::to_wire(card::Port port) {
  return port == card::Port::kOuter ? encrypt_.wire_out : decrypt_.wire_out;
}

void KernelFabric::add(std::function<void()> body) {
  fibers_.push_back(std::make_unique<Fiber>([body = std::move(body)] {
    for (;;) {
      body();
    }
  }));
}

void KernelFabric::add_started(Kernel kernel, std::vector<Reach> reach,
                               std::function<void(const Arguments&, std::uint32_t slots)> call) {
  add([this, kernel, reach = std::move(reach), call = std::move(call)] {
    Arguments arguments;
    std::uint32_t slots = 0;
    while (!begin(kernel, reach, arguments, slots)) {
      Fiber::yield();
    }
    call(arguments, slots);
    end(kernel);
  });
}

std::uint32_t KernelFabric::word(Kernel kernel, std::uint32_t offset) const {
  return __atomic_load_n(&state_.registers[kernel][offset / 4], __ATOMIC_ACQUIRE);
}

std::uint64_t KernelFabric::pointer(Kernel kernel, std::uint32_t number) const {
  return word(kernel, argument_offset(number)) | std::uint64_t{word(kernel, argument_offset(number) + 4)} << 32;
}

// An address outside the memory is one that never answers: the kernel waits for it until the card is reset.
bool KernelFabric::begin(Kernel kernel, const std::vector<Reach>& reach, Arguments& arguments, std::uint32_t& slots) {
  const std::uint32_t control = word(kernel, 0);
  if ((control & kControlStart) == 0) {
    lost_[kernel] = false;
    return false;
  }
  slots = word(kernel, argument_offset(static_cast<std::uint32_t>(reach.size())));
  arguments.clear();
  for (std::uint32_t i = 0; i < reach.size(); ++i) {
    const std::uint64_t address = pointer(kernel, i);
    const std::size_t needed = reach[i].octets + slots * reach[i].a_slot;
    const bool inside = address >= kDramBase && address - kDramBase <= octets_ && address % card::kLineOctets == 0 &&
                        needed <= octets_ - (address - kDramBase);
    if (!inside) {
      if (!lost_[kernel]) {
        spdlog::error("kernel {}: pointer {} is {:#x}, outside the card's memory: it waits for ever",
                      kKernelNames[kernel], i, address);
      }
      lost_[kernel] = true;
      return false;
    }
    arguments.push_back(dram_ + (address - kDramBase));
  }
  if ((control & kControlAutoRestart) == 0) {
    __atomic_fetch_and(&state_.registers[kernel][0], ~kControlStart, __ATOMIC_ACQ_REL);
  }
  __atomic_store_n(&state_.busy[kernel], 1u, __ATOMIC_RELEASE);
  return true;
}

void KernelFabric::end(Kernel kernel) { __atomic_store_n(&state_.busy[kernel], 0u, __ATOMIC_RELEASE); }

void KernelFabric::tick(card::Stream<card::ClockWord>& stream) const {
  while (stream.room() != 0) {
    card::ClockWord now;
    card::word_set(now, 0, 64, clock_());
    stream.write(now);
  }
}

std::uint64_t KernelFabric::moves() const {
  std::uint64_t sum = 0;
  for (const Path* p : {&encrypt_, &decrypt_}) {
    sum += p->wire_in.written() + p->wire_out.written() + p->inject.written() + p->source.written() +
           p->target.written() + p->clear.written() + p->frame.written() + p->key.written() + p->job.written() +
           p->tag.written() + p->plan.written() + p->report.written();
  }
  return sum;
}

bool KernelFabric::turn() {
  const std::uint64_t before = moves();
  for (const auto& fiber : fibers_) {
    tick(encrypt_.clock);
    tick(decrypt_.clock);
    tick(host_clock_);
    fiber->resume();
  }
  return moves() != before;
}

bool KernelFabric::may_speak(std::uint64_t now_ns) const {
  const std::uint64_t address = pointer(kEncrypt, 0);
  if ((word(kEncrypt, 0) & kControlStart) == 0 || address < kDramBase || address - kDramBase >= octets_) {
    return false;
  }
  const auto* registers = reinterpret_cast<const card::Registers*>(dram_ + (address - kDramBase));
  return card::gate({__atomic_load_n(&registers->activation, __ATOMIC_ACQUIRE),
                     __atomic_load_n(&registers->lease_deadline_ns, __ATOMIC_ACQUIRE), now_ns})
             .fate == card::Fate::kContinue;
}

}  // namespace tandem::sim::xrt
