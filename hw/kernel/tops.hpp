// SPDX-License-Identifier: Apache-2.0
// The kernels' tops: each call takes one packet, or one look, and ends it. What crosses a port is one wide word.
#pragma once

#include <cstdint>

#include "hw/contract/memory.hpp"
#include "hw/kernel/engine_port.hpp"
#include "hw/kernel/fields.hpp"
#include "hw/kernel/front.hpp"

// Constants of the image: the contract's magic and version, how many SA pairs its tables may hold, the commit that it
// was built from (four octets a word, the first in the low bits), and whether it is a simulation (never, in an image).
extern "C" void tandem_identity(std::uint64_t* magic, std::uint32_t* contract_version, std::uint32_t* slots_max,
                                std::uint32_t* build_id_0, std::uint32_t* build_id_1, std::uint32_t* build_id_2,
                                std::uint32_t* build_id_3, std::uint32_t* build_id_4, std::uint32_t* simulated);

// The encrypt path up to the engine: a frame of the inner port, or an injected one (`inject`, front.hpp). `memory`,
// `flows` and `hops` are the card's memory (CardMemory) as lines, `totals` the same as 64-bit words, `outbound` the SA
// table; `clock` has the card's time ready, in ns. Out come key rows, job and payload for the engine, the plan of how
// the packet leaves (Plan), and the octets of packets that the engine does not see.
extern "C" void tandem_encrypt(
    tandem::card::Stream<tandem::card::Word>& wire, tandem::card::Stream<tandem::card::Word>& inject,
    tandem::card::Stream<tandem::card::ClockWord>& clock, const tandem::card::Line* memory,
    const tandem::card::Line* flows, const tandem::card::Line* hops, std::uint64_t* totals,
    tandem::card::Line* outbound, std::uint32_t slots, tandem::card::Stream<tandem::card::KeyWord>& key,
    tandem::card::Stream<tandem::card::JobWord>& job, tandem::card::Stream<tandem::card::Word>& source,
    tandem::card::Stream<tandem::card::Line>& plan, tandem::card::Stream<tandem::card::Word>& clear);

// The encrypt path behind the engine: ESP out of the outer port (`wire`), for the host kernel a report of every packet
// (Report) and the octets that it shall get (`frame`).
extern "C" void tandem_encrypt_end(tandem::card::Stream<tandem::card::Line>& plan,
                                   tandem::card::Stream<tandem::card::Word>& target,
                                   tandem::card::Stream<tandem::card::TagWord>& tag,
                                   tandem::card::Stream<tandem::card::Word>& clear,
                                   tandem::card::Stream<tandem::card::Word>& wire,
                                   tandem::card::Stream<tandem::card::Line>& report,
                                   tandem::card::Stream<tandem::card::Word>& frame);

// The decrypt path up to the engine: as tandem_encrypt, for the outer port and the inbound SA table, which it only
// reads. The plan is an OpenPlan; an ESP packet is on `clear` too, as it came.
extern "C" void tandem_decrypt(
    tandem::card::Stream<tandem::card::Word>& wire, tandem::card::Stream<tandem::card::Word>& inject,
    tandem::card::Stream<tandem::card::ClockWord>& clock, const tandem::card::Line* memory,
    const tandem::card::Line* flows, const tandem::card::Line* hops, const tandem::card::Line* inbound,
    std::uint32_t slots, tandem::card::Stream<tandem::card::KeyWord>& key,
    tandem::card::Stream<tandem::card::JobWord>& job, tandem::card::Stream<tandem::card::Word>& source,
    tandem::card::Stream<tandem::card::Line>& plan, tandem::card::Stream<tandem::card::Word>& clear);

// The decrypt path behind the engine: opened packets out of the inner port (`wire`), reports and frames as
// tandem_encrypt_end. The one writer of the inbound SAs' state.
extern "C" void tandem_decrypt_end(tandem::card::Stream<tandem::card::Line>& plan,
                                   tandem::card::Stream<tandem::card::Word>& target,
                                   tandem::card::Stream<tandem::card::TagWord>& tag,
                                   tandem::card::Stream<tandem::card::Word>& clear, const tandem::card::Line* memory,
                                   tandem::card::Line* inbound, tandem::card::Stream<tandem::card::Word>& wire,
                                   tandem::card::Stream<tandem::card::Line>& report,
                                   tandem::card::Stream<tandem::card::Word>& frame);

// Between paths and host: reports into counters, rings and marks, the inject ring into the paths, the clock into
// Registers::now_ns. One look at each a call. `memory` is the card's memory as 64-bit words, `marks` the same as 32-bit
// ones.
extern "C" void tandem_host(
    tandem::card::Stream<tandem::card::Line>& encrypt_report, tandem::card::Stream<tandem::card::Word>& encrypt_frame,
    tandem::card::Stream<tandem::card::Line>& decrypt_report, tandem::card::Stream<tandem::card::Word>& decrypt_frame,
    tandem::card::Stream<tandem::card::Word>& encrypt_inject, tandem::card::Stream<tandem::card::Word>& decrypt_inject,
    tandem::card::Stream<tandem::card::ClockWord>& clock, std::uint64_t* memory, std::uint32_t* marks);

// The AES-GCM engine alone (hw/contract/engine.hpp): one job, with the key rows that it counts and its payload. The
// same streams as hw/rtl/gcm_word.v. A path has one of its own.
extern "C" void tandem_engine(tandem::card::Stream<tandem::card::KeyWord>& key,
                              tandem::card::Stream<tandem::card::JobWord>& job,
                              tandem::card::Stream<tandem::card::Word>& source,
                              tandem::card::Stream<tandem::card::Word>& target,
                              tandem::card::Stream<tandem::card::TagWord>& tag);
