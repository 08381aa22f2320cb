// SPDX-License-Identifier: Apache-2.0
// The expanded keys of 2^KEY_BITS security associations: 15 round keys and the powers H to H^24, each in the memory
// from which it is read when it is due. Every read port gives a row a clock, so neighbouring packets may use any keys.
//
// A power H^(4j-b) lies in bank b, row j-1: lane b of a full word with j-1 full words behind it needs just that one.
// H has a second copy for the first and the last product of a packet.
//
// Written row by row from the key stream. Whoever writes a key has no packet with it under way.
`default_nettype none
module gcm_keys #(
    parameter KEY_BITS = 13
) (
    input  wire                clock,
    // Key stream: see hw/contract/engine.hpp.
    input  wire                write,
    input  wire [KEY_BITS-1:0] write_key,
    input  wire [         7:0] write_row,
    input  wire [       127:0] write_data,
    // `key` in clock t: round key r in clock t + 2 + r, H in clock t + 14.
    input  wire [KEY_BITS-1:0] key,
    output wire [      1919:0] round_keys,
    output wire [       127:0] h,
    // The rows of the four power banks, given 16 clocks after `key`; their contents two clocks later.
    input  wire [        11:0] power_rows,
    output wire [       511:0] powers
);
  localparam KEYS = 1 << KEY_BITS;
  localparam ROUND_KEYS = 15;
  localparam H_AT = 12;
  localparam POWERS_AT = 16;
  localparam POWER_ROWS = 6;
  localparam [7:0] POWERS_FROM = 8'd32;

  // [k]: the key index k clocks after it came.
  wire [KEY_BITS-1:0] key_later[0:POWERS_AT];
  assign key_later[0] = key;

  wire [7:0] power = write_row - POWERS_FROM;
  wire write_power = write && write_row >= POWERS_FROM;

  genvar n;
  generate
    for (n = 1; n <= POWERS_AT; n = n + 1) begin : keys_later
      reg [KEY_BITS-1:0] held;
      always @(posedge clock) held <= key_later[n-1];
      assign key_later[n] = held;
    end
    for (n = 0; n < ROUND_KEYS; n = n + 1) begin : rounds
      key_ram #(
          .ROWS(KEYS),
          .ADDRESS_BITS(KEY_BITS)
      ) ram (
          .clock(clock),
          .write(write && write_row == n),
          .write_at(write_key),
          .write_data(write_data),
          .read_at(key_later[n]),
          .read_data(round_keys[1919-128*n-:128])
      );
    end
    for (n = 0; n < 4; n = n + 1) begin : banks
      key_ram #(
          .ROWS(POWER_ROWS * KEYS),
          .ADDRESS_BITS(KEY_BITS + 3)
      ) ram (
          .clock(clock),
          .write(write_power && power[1:0] == 3 - n),
          .write_at({power[4:2], write_key}),
          .write_data(write_data),
          .read_at({power_rows[3*n+:3], key_later[POWERS_AT]}),
          .read_data(powers[128*n+:128])
      );
    end
  endgenerate

  key_ram #(
      .ROWS(KEYS),
      .ADDRESS_BITS(KEY_BITS)
  ) h_ram (
      .clock(clock),
      .write(write_power && power == 8'd0),
      .write_at(write_key),
      .write_data(write_data),
      .read_at(key_later[H_AT]),
      .read_data(h)
  );
endmodule
`default_nettype wire
