// SPDX-License-Identifier: Apache-2.0
// AES-128 and AES-256 as a pipeline of one round a clock: a block enters every enabled clock and leaves LATENCY = 15
// enabled clocks later. Round keys are skewed: slice r of `round_keys` (bits [1919-128r -: 128]) is used r clocks
// after its block entered, so that a memory can be read when its key is due and no key waits in registers.
`default_nettype none
module aes_rounds (
    input  wire          clock,
    input  wire          enable,
    input  wire [ 127:0] block,
    input  wire          key256,      // with the block
    input  wire [1919:0] round_keys,  // skewed
    output wire [ 127:0] cipher
);
  localparam ROUNDS = 14;
  localparam ROUNDS_128 = 10;

  reg [127:0] state[0:ROUNDS];
  // Whether the block behind each register is one of AES-256.
  reg [ROUNDS-1:0] wide;

  always @(posedge clock) begin
    if (enable) begin
      state[0] <= block ^ round_keys[1919-:128];
      wide <= {wide[ROUNDS-2:0], key256};
    end
  end

  genvar r;
  generate
    for (r = 1; r <= ROUNDS; r = r + 1) begin : rounds
      wire [127:0] next;
      aes_round round (
          .block(state[r-1]),
          .round_key(round_keys[1919-128*r-:128]),
          .final_round((r == ROUNDS) || (r == ROUNDS_128 && !wide[r-1])),
          .idle(r > ROUNDS_128 && !wide[r-1]),
          .next(next)
      );
      always @(posedge clock) begin
        if (enable) state[r] <= next;
      end
    end
  endgenerate

  assign cipher = state[ROUNDS];
endmodule
`default_nettype wire
