// SPDX-License-Identifier: Apache-2.0
// One lane of GHASH (NIST SP 800-38D, 6.4) as a black box for Vitis HLS: (block + addend) * power in GF(2^128), one
// product a clock, 4 enabled clocks later. Blocks as in the standard: octet 0 in the top bits. See ghash_lane.json.
//
// `addend` is the sum so far where a block continues one, else 0: with powers of H and one sum for each clock of the
// latency, no product waits for the one before it.
`default_nettype none
module ghash_lane (
    input  wire         ap_clk,
    input  wire         ap_rst,
    input  wire         ap_ce,
    input  wire         ap_start,
    input  wire         ap_continue,
    output wire         ap_idle,
    output wire         ap_ready,
    output wire         ap_done,
    input  wire [127:0] block,
    input  wire [127:0] addend,
    input  wire [127:0] power,
    output wire [127:0] product,
    output wire         product_ap_vld
);
  localparam LATENCY = 4;

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
  ghash_multiply multiply (
      .clock(ap_clk),
      .enable(advance),
      .a(block ^ addend),
      .b(power),
      .product(product)
  );
  assign product_ap_vld = ap_done;
endmodule
`default_nettype wire
