// SPDX-License-Identifier: Apache-2.0
// Reads and writes of the card's memory, in processes of their own: a stage asks, the reader keeps as many reads under
// way as the bus allows, the next stage takes the lines when they are there. So a read's latency costs no packet a
// clock; what remains is one clock a line. Everything is answered in the order in which it was asked.
#pragma once

#include <cstdint>

#include "hw/kernel/tables.hpp"

namespace tandem {
namespace card {

// What a packet asks for: two runs of lines, `count` 0 for none.
struct Ask {
  std::uint32_t line[2];
  std::uint32_t count[2];
};

inline Ask ask_none() { return Ask{{0, 0}, {0, 0}}; }
inline Ask ask_run(std::uint32_t line, std::uint32_t count) { return Ask{{line, 0}, {count, 0}}; }

// Answers one ask a packet. II 1; carries only what is left of the ask.
inline void read_stage(Stream<Ask>& asks, const Line* memory, Stream<Line>& lines, std::uint32_t packets) {
  Ask ask = ask_none();
read_lines:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 1 style = flp
    model_step(1);
    if (ask.count[0] + ask.count[1] == 0) {
      ask = asks.read();
    }
    const std::uint32_t run = ask.count[0] != 0 ? 0 : 1;
    if (ask.count[run] != 0) {
      model_read();
      lines.write(memory[ask.line[run]]);
      ask.line[run] += 1;
      ask.count[run] -= 1;
    }
    done += ask.count[0] + ask.count[1] == 0 ? 1 : 0;
  }
}

constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

// A line for the memory, or none of the packet's (kNowhere).
struct Write {
  std::uint32_t line;
  bool last;  // of its packet
  Line row;
};

// Posts the writes. II 1.
inline void write_stage(Stream<Write>& writes, Line* memory, std::uint32_t packets) {
write_lines:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 1 style = flp
    model_step(1);
    const Write write = writes.read();
    if (write.line != kNowhere) {
      model_write();
      memory[write.line] = write.row;
    }
    done += write.last ? 1 : 0;
  }
}

// ---- What a process keeps of the memory on chip. A call begins with what memory says: it does not count what an
// earlier call left, so whoever starts a kernel again, or over another memory, finds nothing old in it.

constexpr std::uint32_t kPolicyRows = 1024;  // slots whose policies are kept at a time

struct PolicyTags {
  std::uint32_t call[kPolicyRows];
  std::uint32_t slot[kPolicyRows];
  std::uint32_t generation[kPolicyRows];
};

inline std::uint32_t policy_row(std::uint32_t slot) { return slot % kPolicyRows; }

// Whether the row holds this copy of the slot's policy; from now on it does. A copy does not change while the slot's
// generation names it.
inline bool policy_kept(PolicyTags& tags, std::uint32_t call, std::uint32_t slot, std::uint32_t generation) {
  const std::uint32_t row = policy_row(slot);
  const bool kept = tags.call[row] == call && tags.slot[row] == slot && tags.generation[row] == generation;
  tags.call[row] = call;
  tags.slot[row] = slot;
  tags.generation[row] = generation;
  return kept;
}

// Whether the slot's state is on chip; from now on it is.
inline bool state_kept(std::uint32_t* calls, std::uint32_t call, std::uint32_t slot) {
  const bool kept = calls[slot] == call;
  calls[slot] = call;
  return kept;
}

// The states of the last few packets, which the memory on chip may not show yet.
constexpr std::uint32_t kRecents = 2;

struct Recent {
  std::uint32_t slot;
  Line row;
};

inline void recent_clear(Recent* recents) {
clear_recents:
  for (std::uint32_t i = 0; i < kRecents; ++i) {
#pragma HLS UNROLL
    recents[i].slot = kNowhere;
  }
}

// The newest of the slot's rows: `stored`, or what a packet just before this one made of it.
inline Line recent_row(const Recent* recents, std::uint32_t slot, const Line& stored) {
  Line row = stored;
recent_rows:
  for (std::uint32_t i = kRecents; i > 0; --i) {
#pragma HLS UNROLL
    if (recents[i - 1].slot == slot) {
      row = recents[i - 1].row;
    }
  }
  return row;
}

inline void recent_push(Recent* recents, std::uint32_t slot, const Line& row) {
push_recents:
  for (std::uint32_t i = kRecents - 1; i > 0; --i) {
#pragma HLS UNROLL
    recents[i] = recents[i - 1];
  }
  recents[0].slot = slot;
  recents[0].row = row;
}

}  // namespace card
}  // namespace tandem
