// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/kernels.hpp"

#include <array>
#include <span>
#include <string>
#include <utility>

namespace tandem::driver {
namespace {

Failure<CardError> fail(CardErrc code, std::string text) { return {CardError{code, std::move(text)}}; }

constexpr std::uint32_t kPointer = 8;
constexpr std::uint32_t kWord = 4;

constexpr std::array<WantedArgument, 10> kEncrypt{{{"command", kPointer},
                                                   {"settings", kPointer},
                                                   {"flows", kPointer},
                                                   {"routes", kPointer},
                                                   {"generations", kPointer},
                                                   {"entries", kPointer},
                                                   {"hops", kPointer},
                                                   {"states", kPointer},
                                                   {"slots", kWord},
                                                   {"packets", kWord}}};
constexpr std::array<WantedArgument, 1> kEncryptEnd{{{"packets", kWord}}};
constexpr std::array<WantedArgument, 9> kDecrypt{{{"command", kPointer},
                                                  {"settings", kPointer},
                                                  {"flows", kPointer},
                                                  {"generations", kPointer},
                                                  {"entries", kPointer},
                                                  {"windows", kPointer},
                                                  {"hops", kPointer},
                                                  {"slots", kWord},
                                                  {"packets", kWord}}};
constexpr std::array<WantedArgument, 6> kDecryptEnd{{{"settings", kPointer},
                                                     {"entries", kPointer},
                                                     {"hops", kPointer},
                                                     {"states", kPointer},
                                                     {"slots", kWord},
                                                     {"packets", kWord}}};
constexpr std::array<WantedArgument, 3> kHost{{{"memory", kPointer}, {"marks", kPointer}, {"looks", kWord}}};

struct Startable {
  const char* name;
  std::span<const WantedArgument> arguments;
};
// In the order in which they start. The engines and the clock have no registers: they run by themselves.
constexpr std::array<Startable, 5> kStartables{{{"tandem_decrypt_end", kDecryptEnd},
                                                {"tandem_encrypt_end", kEncryptEnd},
                                                {"tandem_encrypt", kEncrypt},
                                                {"tandem_decrypt", kDecrypt},
                                                {"tandem_host", kHost}}};

// A call takes as many packets, or looks, as can be said; with auto-restart the next one follows.
constexpr std::uint64_t kForEver = 0xffffffff;

// Every pointer is the card's memory as a whole, in words of some width.
std::uint64_t value_of(std::string_view argument, const TablePlace& place) {
  if (argument == "slots") {
    return place.slots;
  }
  return argument == "packets" || argument == "looks" ? kForEver : place.address;
}

// Whether the kernel's registers hold what they should. Errors: kGone, kIo.
CardResult<bool> holds(const XrtKernel& kernel, const Startable& startable, const TablePlace& place) {
  for (const WantedArgument& argument : startable.arguments) {
    auto value = kernel.read(argument.name);
    if (!value) {
      return Failure<CardError>{value.error()};
    }
    if (*value != value_of(argument.name, place)) {
      return false;
    }
  }
  return true;
}

CardResult<> give(XrtKernel& kernel, const Startable& startable, const TablePlace& place) {
  for (const WantedArgument& argument : startable.arguments) {
    if (auto written = kernel.write(argument.name, value_of(argument.name, place)); !written) {
      return written;
    }
  }
  auto arrived = holds(kernel, startable, place);
  if (!arrived) {
    return Failure<CardError>{arrived.error()};
  }
  if (!*arrived) {
    return fail(CardErrc::kIo, "kernel " + kernel.name() +
                                   ": its registers do not hold what was written; load the "
                                   "image again (tandemctl card flash)");
  }
  return {};
}

}  // namespace

CardResult<XrtKernels> XrtKernels::open(const xrt::device& device, const xrt::xclbin& image) {
  std::vector<XrtKernel> kernels;
  for (const Startable& startable : kStartables) {
    auto kernel = XrtKernel::open(device, image, startable.name, startable.arguments);
    if (!kernel) {
      return Failure<CardError>{kernel.error()};
    }
    kernels.push_back(std::move(*kernel));
  }
  return XrtKernels(std::move(kernels));
}

CardResult<int> XrtKernels::bank() const {
  int common = -1;
  for (std::size_t i = 0; i < kStartables.size(); ++i) {
    for (const WantedArgument& argument : kStartables[i].arguments) {
      if (argument.octets != kPointer) {
        continue;
      }
      auto bank = kernels_[i].bank(argument.name);
      if (!bank) {
        return bank;
      }
      if (common >= 0 && *bank != common) {
        return fail(CardErrc::kInvalid, "kernel " + kernels_[i].name() + "'s '" + std::string(argument.name) +
                                            "' is wired to memory " + std::to_string(*bank) + ", others to " +
                                            std::to_string(common) + ": all must see one; link the image anew");
      }
      common = *bank;
    }
  }
  return common;
}

CardResult<KernelsState> XrtKernels::state(const TablePlace& place) const {
  KernelsState state = KernelsState::kStopped;
  for (std::size_t i = 0; i < kStartables.size(); ++i) {
    auto runs = kernels_[i].runs();
    if (!runs) {
      return Failure<CardError>{runs.error()};
    }
    if (!*runs) {
      continue;
    }
    auto here = holds(kernels_[i], kStartables[i], place);
    if (!here) {
      return Failure<CardError>{here.error()};
    }
    if (!*here) {
      return KernelsState::kElsewhere;
    }
    state = KernelsState::kHere;
  }
  return state;
}

CardResult<> XrtKernels::start(const TablePlace& place) {
  std::array<bool, kStartables.size()> runs{};
  for (std::size_t i = 0; i < kStartables.size(); ++i) {
    auto running = kernels_[i].runs();
    if (!running) {
      return Failure<CardError>{running.error()};
    }
    runs[i] = *running;
    if (!runs[i]) {
      if (auto given = give(kernels_[i], kStartables[i], place); !given) {
        return given;
      }
    }
  }
  for (std::size_t i = 0; i < kStartables.size(); ++i) {
    if (!runs[i]) {
      if (auto started = kernels_[i].start(); !started) {
        return started;
      }
    }
  }
  return {};
}

}  // namespace tandem::driver
