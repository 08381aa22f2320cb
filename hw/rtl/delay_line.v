// SPDX-License-Identifier: Apache-2.0
// A value DEPTH enabled clocks later. Without reset, so that it becomes shift-register LUTs.
`default_nettype none
module delay_line #(
    parameter WIDTH = 1,
    parameter DEPTH = 1
) (
    input  wire             clock,
    input  wire             enable,
    input  wire [WIDTH-1:0] in,
    output wire [WIDTH-1:0] out
);
  reg [WIDTH-1:0] line[0:DEPTH-1];
  integer i;
  always @(posedge clock) begin
    if (enable) begin
      line[0] <= in;
      for (i = 1; i < DEPTH; i = i + 1) line[i] <= line[i-1];
    end
  end
  assign out = line[DEPTH-1];
endmodule
`default_nettype wire
