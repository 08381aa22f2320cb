// SPDX-License-Identifier: Apache-2.0
// What a card shows of itself on its bus besides its memory: which image is loaded, and its kernels' registers. A file
// beside the card's socket that the card's process makes and hosts map: it outlives them.
#pragma once

#include <array>
#include <cstdint>

namespace tandem::sim::xrt {

// Kernels with registers, in the order of their addresses: make_xclbin.py sorts them by name.
enum Kernel : std::uint32_t { kDecrypt = 0, kDecryptEnd = 1, kEncrypt = 2, kEncryptEnd = 3, kHost = 4, kIdentity = 5 };
constexpr std::uint32_t kKernels = 6;
constexpr std::array<const char*, kKernels> kKernelNames{"tandem_decrypt",     "tandem_decrypt_end", "tandem_encrypt",
                                                         "tandem_encrypt_end", "tandem_host",        "tandem_identity"};
constexpr std::uint32_t kRegisterWords = 64;
// Where the card's memory begins for its kernels.
constexpr std::uint64_t kDramBase = 0x4000000000;

// Control register of an ap_ctrl_chain kernel (UG1399), at offset 0.
constexpr std::uint32_t kControlStart = 1u << 0;
constexpr std::uint32_t kControlIdle = 1u << 2;
constexpr std::uint32_t kControlAutoRestart = 1u << 7;

// Where Vitis HLS places arguments: 64-bit ones 12 octets apart, from 0x10 on; a 32-bit one behind them.
constexpr std::uint32_t argument_offset(std::uint32_t number) { return 0x10 + 12 * number; }

struct DeviceState {
  std::uint32_t owner;   // pid of the card's process: void for any other
  std::uint32_t loaded;  // 1: `uuid` is
  std::uint8_t uuid[16];
  // Written by the host. The card only takes ap_start back, from a kernel that is not to start again.
  std::uint32_t registers[kKernels][kRegisterWords];
  // Written by the card: 1 while a kernel is in a call.
  std::uint32_t busy[kKernels];
  // What the identity kernel shows once it is started: in the image, so neither loading nor a reset changes it.
  std::uint32_t identity[kRegisterWords];
};

}  // namespace tandem::sim::xrt
