// SPDX-License-Identifier: Apache-2.0
// The states of inbound SAs on chip: two lines of fields and the replay window's rows, as memory has them, written
// through. A packet touches the two lines and the row that holds its number's bit; only an SA's first packet, an
// epoch's jump and an edge that moves over whole words touch more. RFC 4303 3.4.3; serves N3: nothing else changes a
// window.
#pragma once

#include <cstdint>

#include "hw/kernel/engine_port.hpp"
#include "hw/kernel/reader.hpp"
#include "hw/stage/replay.hpp"

namespace tandem {
namespace card {

struct WindowChip {
  Line first[kEngineKeys];  // of a state
  Line second[kEngineKeys];
  Line rows[kEngineKeys * kStateRows];
};
static_assert(kStateHeads == 2, "two lines, then rows");

// The last few packets' lines, of each memory on chip.
struct WindowRecents {
  Recent first[kRecents];
  Recent second[kRecents];
  Recent rows[kRecents];
};

inline void window_clear(WindowRecents& recents) {
  recent_clear(recents.first);
  recent_clear(recents.second);
  recent_clear(recents.rows);
}

inline void window_head_get(const WindowChip& chip, const WindowRecents& recents, std::uint32_t slot,
                            InboundState& state) {
  Line lines[kStateHeads];
  lines[0] = recent_row(recents.first, slot, chip.first[slot]);
  lines[1] = recent_row(recents.second, slot, chip.second[slot]);
  StateHead head = {};
  fields_load(lines, head);
  state = head.state;
}

inline void window_head_set(WindowChip& chip, WindowRecents& recents, std::uint32_t slot, const InboundState& state,
                            Line* lines) {
  StateHead head = {};
  head.state = state;
  fields_store(lines, head);
  chip.first[slot] = lines[0];
  chip.second[slot] = lines[1];
  recent_push(recents.first, slot, lines[0]);
  recent_push(recents.second, slot, lines[1]);
}

inline Line window_row_get(const WindowChip& chip, const WindowRecents& recents, std::uint32_t slot,
                           std::uint32_t row) {
  const std::uint32_t at = slot * kStateRows + row;
  return recent_row(recents.rows, at, chip.rows[at]);
}

inline void window_row_set(WindowChip& chip, WindowRecents& recents, std::uint32_t slot, std::uint32_t row,
                           const Line& line) {
  const std::uint32_t at = slot * kStateRows + row;
  chip.rows[at] = line;
  recent_push(recents.rows, at, line);
}

// Line `at` of the state as memory has it.
inline void window_load(WindowChip& chip, WindowRecents& recents, std::uint32_t slot, std::uint32_t at,
                        const Line& line) {
  if (at == 0) {
    chip.first[slot] = line;
    recent_push(recents.first, slot, line);
  } else if (at == 1) {
    chip.second[slot] = line;
    recent_push(recents.second, slot, line);
  } else {
    window_row_set(chip, recents, slot, at - kStateHeads, line);
  }
}

inline std::uint64_t row_word(const Line& row, std::uint32_t word) {
  std::uint64_t words[kLineWords];
  line_get(row, words);
  return words[word % kLineWords];
}

inline Line row_mark(const Line& row, std::uint32_t word, std::uint64_t value) {
  std::uint64_t words[kLineWords];
  line_get(row, words);
  words[word % kLineWords] = value;
  Line out = zero_word<Line>();
  line_set(out, words);
  return out;
}

// Row `row` of a ring that replay_enter() sets anew.
inline Line row_reset(const ReplayReset& reset, std::uint32_t row) {
  std::uint64_t words[kLineWords];
reset_row:
  for (std::uint32_t i = 0; i < kLineWords; ++i) {
#pragma HLS UNROLL
    const std::uint32_t word = row * kLineWords + i;
    words[i] = word < kReplayWords ? reset_word(reset, word) : 0;
  }
  Line out = zero_word<Line>();
  line_set(out, words);
  return out;
}

// Row `row` without what the edge moved over: `cleared` words of the ring in front of word `own`.
inline Line row_clear(const Line& in, std::uint32_t row, std::uint32_t own, std::uint32_t cleared, std::uint32_t ring) {
  std::uint64_t words[kLineWords];
  line_get(in, words);
clear_row:
  for (std::uint32_t i = 0; i < kLineWords; ++i) {
#pragma HLS UNROLL
    const std::uint32_t word = row * kLineWords + i;
    const std::uint32_t before = word <= own ? own - word : own + ring - word;
    if (word < ring && before != 0 && before <= cleared) {
      words[i] = 0;
    }
  }
  Line out = zero_word<Line>();
  line_set(out, words);
  return out;
}

}  // namespace card
}  // namespace tandem
