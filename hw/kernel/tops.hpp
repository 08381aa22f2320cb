// SPDX-License-Identifier: Apache-2.0
// The kernels' tops: each call takes one packet off its input stream and ends it. One 640-bit word per port.
#pragma once

#include <cstdint>

#include "hw/contract/memory.hpp"
#include "hw/kernel/engine.hpp"
#include "hw/kernel/stream.hpp"

// Constants of the image: the contract's magic and version, how many SA pairs its tables may hold, the commit that it
// was built from (four octets a word, the first in the low bits), and whether it is a simulation (never, in an image).
extern "C" void tandem_identity(std::uint64_t* magic, std::uint32_t* contract_version, std::uint32_t* slots_max,
                                std::uint32_t* build_id_0, std::uint32_t* build_id_1, std::uint32_t* build_id_2,
                                std::uint32_t* build_id_3, std::uint32_t* build_id_4, std::uint32_t* simulated);

// Frames of the inner port -> ESP out of the outer port; the host's frames -> `host` (TAP). `memory` and
// `outbound` are the card's memory as hw/contract lays it out; `now_ns` is the card's clock.
extern "C" void tandem_encrypt(tandem::card::Stream<tandem::card::Word>& inner,
                               tandem::card::Stream<tandem::card::Word>& outer,
                               tandem::card::Stream<tandem::card::Word>& host, tandem::card::CardMemory* memory,
                               tandem::card::OutboundSlot* outbound, std::uint32_t slots, std::uint64_t now_ns);

// Frames of the outer port -> opened packets out of the inner port; the host's frames -> `host` (TAP of the
// port that the word's user bits name).
extern "C" void tandem_decrypt(tandem::card::Stream<tandem::card::Word>& outer,
                               tandem::card::Stream<tandem::card::Word>& inner,
                               tandem::card::Stream<tandem::card::Word>& host, tandem::card::CardMemory* memory,
                               tandem::card::InboundSlot* inbound, std::uint32_t slots, std::uint64_t now_ns);

// The AES-GCM engine alone (hw/contract/engine.hpp): takes the key rows that wait, then at most one packet. The same
// streams as hw/rtl/gcm_word.v.
extern "C" void tandem_engine(tandem::card::Stream<tandem::card::KeyWord>& key,
                              tandem::card::Stream<tandem::card::JobWord>& job,
                              tandem::card::Stream<tandem::card::Word>& source,
                              tandem::card::Stream<tandem::card::Word>& target,
                              tandem::card::Stream<tandem::card::TagWord>& tag);
