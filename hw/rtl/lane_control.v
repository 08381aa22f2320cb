// SPDX-License-Identifier: Apache-2.0
// The block-level handshake of a lane as Vitis HLS drives a black box (ap_ctrl_chain), for a pipeline that takes an
// input every clock and answers LATENCY enabled clocks later. `advance` moves the pipeline: not while ap_ce is low,
// and not while a result stands that ap_continue has not taken.
`default_nettype none
module lane_control #(
    parameter LATENCY = 2
) (
    input  wire ap_clk,
    input  wire ap_rst,
    input  wire ap_ce,
    input  wire ap_start,
    input  wire ap_continue,
    output wire ap_idle,
    output wire ap_ready,
    output wire ap_done,
    output wire advance
);
  reg [LATENCY-1:0] busy;

  assign ap_done  = busy[LATENCY-1];
  assign advance  = ap_ce & ~(ap_done & ~ap_continue);
  assign ap_ready = ap_start & advance;
  assign ap_idle  = ~ap_start & ~(|busy);

  always @(posedge ap_clk) begin
    if (ap_rst) busy <= {LATENCY{1'b0}};
    else if (advance) busy <= {busy[LATENCY-2:0], ap_start};
  end
endmodule
`default_nettype wire
