// SPDX-License-Identifier: Apache-2.0
// Turns jobs and payload words into beats, one a clock: a beat is one word of one packet (or, for an empty packet,
// none) with what the pipeline behind needs to know. A beat is issued when job, word and room for its results are
// there; the last beat of a packet and the first of the next stand in neighbouring clocks.
//
// The job says how long a packet is; the stream's `last` must agree. Where it does not, the packet's tag comes marked:
// a stream that ends early is filled up with zeros, one that goes on is swallowed to its end, and the next packet is
// in step again.
`default_nettype none
module gcm_issue #(
    parameter KEY_BITS = 13,
    parameter SLOTS = 6,  // sums of GHASH in flight, see gcm_hash
    parameter LOG_ROOM = 6
) (
    input  wire                clock,
    input  wire                reset,
    // The contract's words have spare bits, and the job alone says how many octets count.
    /* verilator lint_off UNUSEDSIGNAL */
    input  wire [       255:0] job,
    input  wire                job_valid,
    output wire                job_ready,
    input  wire [       639:0] source,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire                source_valid,
    output wire                source_ready,
    input  wire                target_taken,
    input  wire                tag_taken,
    // The beat, a clock after its issue.
    output reg                 beat,
    output reg                 beat_payload,
    output reg                 beat_first,
    output reg                 beat_last,
    output reg                 beat_feed,     // continues the sum of SLOTS words before
    output reg  [         2:0] beat_slot,
    output reg  [         7:0] beat_index,
    output reg  [         7:0] beat_last_index,
    output reg  [       511:0] beat_data,
    output reg  [         7:0] beat_user,
    output reg                 beat_bad,
    output reg  [KEY_BITS-1:0] beat_key,
    output reg  [        13:0] beat_octets,   // of the packet
    output reg  [         3:0] beat_aad_octets,
    output reg                 beat_seal,
    output reg                 beat_key256,
    output reg  [        15:0] beat_mark,
    output reg  [        95:0] beat_nonce,
    output reg  [        95:0] beat_aad
);
  localparam [LOG_ROOM:0] ROOM = {1'b1, {LOG_ROOM{1'b0}}};
  localparam [7:0] SLOTS_INDEX = SLOTS[7:0];
  localparam [2:0] SLOT_END = SLOTS[2:0] - 3'd1;

  wire [13:0] octets = job[29:16];
  wire payload = octets != 14'd0;
  wire [7:0] last_index = octets[13:6] - {7'b0, payload && octets[5:0] == 6'd0};

  reg [7:0] index;
  reg [2:0] slot;
  reg starved;
  reg draining;
  reg bad;
  reg [LOG_ROOM:0] targets;
  reg [LOG_ROOM:0] tags;

  wire last = index == last_index;
  wire needs_word = payload & ~starved;
  wire room = (targets != ROOM) & (tags != ROOM);
  wire fire = job_valid & room & ~draining & (source_valid | ~needs_word);
  wire source_last = source[576];
  wire out_of_step = needs_word & (source_last != last);

  assign job_ready = fire & last;
  assign source_ready = draining | (fire & needs_word);

  always @(posedge clock) begin
    if (reset) begin
      index <= 8'd0;
      slot <= 3'd0;
      starved <= 1'b0;
      draining <= 1'b0;
      bad <= 1'b0;
      targets <= {(LOG_ROOM + 1) {1'b0}};
      tags <= {(LOG_ROOM + 1) {1'b0}};
      beat <= 1'b0;
    end else begin
      beat <= fire;
      if (fire) begin
        index <= last ? 8'd0 : index + 8'd1;
        slot <= last || slot == SLOT_END ? 3'd0 : slot + 3'd1;
        bad <= ~last & (bad | out_of_step);
        starved <= ~last & (starved | (needs_word & source_last));
        draining <= last & needs_word & ~source_last;
      end else if (draining && source_valid && source_last) begin
        draining <= 1'b0;
      end
      targets <= targets + {{LOG_ROOM{1'b0}}, fire & payload} - {{LOG_ROOM{1'b0}}, target_taken};
      tags <= tags + {{LOG_ROOM{1'b0}}, fire & last} - {{LOG_ROOM{1'b0}}, tag_taken};
    end
    beat_payload <= payload;
    beat_first <= index == 8'd0;
    beat_last <= last;
    beat_feed <= index >= SLOTS_INDEX;
    beat_slot <= slot;
    beat_index <= index;
    beat_last_index <= last_index;
    beat_data <= source[511:0] & {512{needs_word}};
    beat_user <= source[584:577] & {8{needs_word}};
    beat_bad <= bad | out_of_step;
    beat_key <= job[KEY_BITS-1:0];
    beat_octets <= octets;
    beat_aad_octets <= job[35:32];
    beat_seal <= job[40];
    beat_key256 <= job[41];
    beat_mark <= job[63:48];
    beat_nonce <= job[159:64];
    beat_aad <= job[255:160];
  end
endmodule
`default_nettype wire
