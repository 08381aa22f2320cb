// SPDX-License-Identifier: Apache-2.0
// One lane of AES counter mode (NIST SP 800-38D, 6.5) as a black box for Vitis HLS: nonce, counter and the expanded
// round keys in, one key stream block a clock out, 15 enabled clocks later. See aes_ctr_lane.json.
//
// Keys may change every clock: each round key waits here until its round is due. gcm_word reads them from memory
// when they are due instead and uses aes_rounds directly.
`default_nettype none
module aes_ctr_lane (
    input  wire          ap_clk,
    input  wire          ap_rst,
    input  wire          ap_ce,
    input  wire          ap_start,
    input  wire          ap_continue,
    output wire          ap_idle,
    output wire          ap_ready,
    output wire          ap_done,
    input  wire [  95:0] nonce,          // octet 0 in the top bits, as all below
    input  wire [  31:0] counter,
    input  wire [1919:0] round_keys,     // round 0 in the top 128 bits; AES-128 ignores rounds 11 to 14
    input  wire          key256,
    output wire [ 127:0] stream,
    output wire          stream_ap_vld
);
  localparam LATENCY = 15;
  localparam ROUNDS = 14;

  wire advance;
  lane_control #(
      .LATENCY(LATENCY)
  ) control (
      .ap_clk(ap_clk),
      .ap_rst(ap_rst),
      .ap_ce(ap_ce),
      .ap_start(ap_start),
      .ap_continue(ap_continue),
      .ap_idle(ap_idle),
      .ap_ready(ap_ready),
      .ap_done(ap_done),
      .advance(advance)
  );

  wire [1919:0] due;
  assign due[1919-:128] = round_keys[1919-:128];
  genvar r;
  generate
    for (r = 1; r <= ROUNDS; r = r + 1) begin : keys
      delay_line #(
          .WIDTH(128),
          .DEPTH(r)
      ) wait_for_round (
          .clock(ap_clk),
          .enable(advance),
          .in(round_keys[1919-128*r-:128]),
          .out(due[1919-128*r-:128])
      );
    end
  endgenerate

  aes_rounds rounds (
      .clock(ap_clk),
      .enable(advance),
      .block({nonce, counter}),
      .key256(key256),
      .round_keys(due),
      .cipher(stream)
  );
  assign stream_ap_vld = ap_done;
endmodule
`default_nettype wire
