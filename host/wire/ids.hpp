// SPDX-License-Identifier: Apache-2.0
// SPIs and message IDs as distinct types. RFC 7296 2.2, 2.6, 3.1.
#pragma once

#include <cstdint>
#include <string>

namespace tandem::wire {

// One side's SPI of an IKE SA; kNone = not yet chosen.
enum class IkeSpi : std::uint64_t { kNone = 0 };
// SPI of a CHILD SA; kNone = not chosen (0..255 are never used on the wire).
enum class EspSpi : std::uint32_t { kNone = 0 };
// Number of a request; the response carries the same.
enum class MessageId : std::uint32_t { kZero = 0 };

constexpr std::uint64_t to_u64(IkeSpi spi) { return static_cast<std::uint64_t>(spi); }
constexpr std::uint32_t to_u32(EspSpi spi) { return static_cast<std::uint32_t>(spi); }
constexpr std::uint32_t to_u32(MessageId id) { return static_cast<std::uint32_t>(id); }
// `id` + `count`; the caller rekeys long before 2^32 (IKE-004).
constexpr MessageId advance(MessageId id, std::uint32_t count = 1) { return MessageId{to_u32(id) + count}; }

// Hexadecimal, 16 or 8 digits.
std::string to_string(IkeSpi spi);
std::string to_string(EspSpi spi);

}  // namespace tandem::wire
