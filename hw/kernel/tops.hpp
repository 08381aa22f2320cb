// SPDX-License-Identifier: Apache-2.0
// The kernels' tops. What crosses a port is one wide word.
#pragma once

#include <cstdint>

#include "hw/contract/memory.hpp"
#include "hw/kernel/engine_port.hpp"
#include "hw/kernel/fields.hpp"
#include "hw/kernel/ingress.hpp"

// Constants of the image: the contract's magic and version, how many SA pairs its tables may hold, the commit that it
// was built from (four octets a word, the first in the low bits), and whether it is a simulation (never, in an image).
extern "C" void tandem_identity(std::uint64_t* magic, std::uint32_t* contract_version, std::uint32_t* slots_max,
                                std::uint32_t* build_id_0, std::uint32_t* build_id_1, std::uint32_t* build_id_2,
                                std::uint32_t* build_id_3, std::uint32_t* build_id_4, std::uint32_t* simulated);

// Kernels with `packets` end after so many of them, and begin with what memory says (reader.hpp): a testbench has one
// or a few, a card 2^32 - 1 with auto-restart. Every pointer is the card's memory (CardMemory and the SA tables
// behind it) as lines: one for each process that reads or writes it. `slots`: SA pairs of the tables.

// The encrypt path up to the engine: a frame of the inner port, or an injected one (`inject`, ingress.hpp). `clock` has
// the card's time ready, in ns. Out come key rows, job and payload for the engine, the plan of how the packet leaves
// (Plan), and the octets of packets that the engine does not see. The one writer of the outbound SAs' state.
extern "C" void tandem_encrypt(
    tandem::card::Stream<tandem::card::Word>& ethernet, tandem::card::Stream<tandem::card::Word>& inject,
    tandem::card::Stream<tandem::card::ClockWord>& clock, tandem::card::Stream<tandem::card::KeyWord>& key,
    tandem::card::Stream<tandem::card::JobWord>& job, tandem::card::Stream<tandem::card::Word>& source,
    tandem::card::Stream<tandem::card::Line>& plan, tandem::card::Stream<tandem::card::Word>& clear,
    const tandem::card::Line* command, const tandem::card::Line* settings, const tandem::card::Line* flows,
    const tandem::card::Line* routes, const tandem::card::Line* generations, const tandem::card::Line* entries,
    const tandem::card::Line* hops, tandem::card::Line* states, std::uint32_t slots, std::uint32_t packets);

// The encrypt path behind the engine: ESP out of the outer port (`ethernet`), for the host kernel a report of every
// packet (Report) and the octets that it shall get (`frame`).
extern "C" void tandem_encrypt_end(tandem::card::Stream<tandem::card::Line>& plan,
                                   tandem::card::Stream<tandem::card::Word>& target,
                                   tandem::card::Stream<tandem::card::TagWord>& tag,
                                   tandem::card::Stream<tandem::card::Word>& clear,
                                   tandem::card::Stream<tandem::card::Word>& ethernet,
                                   tandem::card::Stream<tandem::card::Line>& reports,
                                   tandem::card::Stream<tandem::card::Word>& frame, std::uint32_t packets);

// The decrypt path up to the engine: as tandem_encrypt, for the outer port and the inbound SA table, which it only
// reads. The plan is an OpenPlan; an ESP packet is on `clear` too, as it came.
extern "C" void tandem_decrypt(
    tandem::card::Stream<tandem::card::Word>& ethernet, tandem::card::Stream<tandem::card::Word>& inject,
    tandem::card::Stream<tandem::card::ClockWord>& clock, tandem::card::Stream<tandem::card::KeyWord>& key,
    tandem::card::Stream<tandem::card::JobWord>& job, tandem::card::Stream<tandem::card::Word>& source,
    tandem::card::Stream<tandem::card::Line>& plan, tandem::card::Stream<tandem::card::Word>& clear,
    const tandem::card::Line* command, const tandem::card::Line* settings, const tandem::card::Line* flows,
    const tandem::card::Line* generations, const tandem::card::Line* entries, const tandem::card::Line* windows,
    const tandem::card::Line* hops, std::uint32_t slots, std::uint32_t packets);

// The decrypt path behind the engine: opened packets out of the inner port (`ethernet`), reports and frames as
// tandem_encrypt_end. The one writer of the inbound SAs' state.
extern "C" void tandem_decrypt_end(tandem::card::Stream<tandem::card::Line>& plan,
                                   tandem::card::Stream<tandem::card::Word>& target,
                                   tandem::card::Stream<tandem::card::TagWord>& tag,
                                   tandem::card::Stream<tandem::card::Word>& clear,
                                   tandem::card::Stream<tandem::card::Word>& ethernet,
                                   tandem::card::Stream<tandem::card::Line>& reports,
                                   tandem::card::Stream<tandem::card::Word>& frame, const tandem::card::Line* settings,
                                   const tandem::card::Line* entries, const tandem::card::Line* hops,
                                   tandem::card::Line* states, std::uint32_t slots, std::uint32_t packets);

// Between paths and host: reports into counters, rings and marks, the inject ring into the paths, the clock into
// Registers::now_ns. `looks` at each a call: a testbench has one, a card 2^32 - 1 with auto-restart. `memory` is the
// card's memory as 64-bit words, `marks` the same as 32-bit ones.
extern "C" void tandem_host(tandem::card::Stream<tandem::card::Line>& encrypt_report,
                            tandem::card::Stream<tandem::card::Word>& encrypt_frame,
                            tandem::card::Stream<tandem::card::Line>& decrypt_report,
                            tandem::card::Stream<tandem::card::Word>& decrypt_frame,
                            tandem::card::Stream<tandem::card::Word>& encrypt_inject,
                            tandem::card::Stream<tandem::card::Word>& decrypt_inject,
                            tandem::card::Stream<tandem::card::ClockWord>& clock, volatile std::uint64_t* memory,
                            volatile std::uint32_t* marks, std::uint32_t looks);

// The AES-GCM engine alone (hw/contract/engine.hpp): one job, with the key rows that it counts and its payload. The
// same streams as hw/rtl/gcm_word.v. A path has one of its own.
extern "C" void tandem_engine(tandem::card::Stream<tandem::card::KeyWord>& key,
                              tandem::card::Stream<tandem::card::JobWord>& job,
                              tandem::card::Stream<tandem::card::Word>& source,
                              tandem::card::Stream<tandem::card::Word>& target,
                              tandem::card::Stream<tandem::card::TagWord>& tag);
