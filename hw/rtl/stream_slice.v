// SPDX-License-Identifier: Apache-2.0
// A register in an AXI4-Stream, both ways: `ready` to the source depends on no input. One item a clock, one clock.
`default_nettype none
module stream_slice #(
    parameter WIDTH = 8
) (
    input  wire             clock,
    input  wire             reset,
    input  wire [WIDTH-1:0] in_data,
    input  wire             in_valid,
    output wire             in_ready,
    output wire [WIDTH-1:0] out_data,
    output wire             out_valid,
    input  wire             out_ready
);
  reg [WIDTH-1:0] head;
  reg [WIDTH-1:0] spare;
  reg head_full;
  reg spare_full;

  assign in_ready  = ~spare_full;
  assign out_data  = head;
  assign out_valid = head_full;

  always @(posedge clock) begin
    if (out_ready || !head_full) begin
      head <= spare_full ? spare : in_data;
    end
    if (in_ready) spare <= in_data;
    if (reset) begin
      head_full  <= 1'b0;
      spare_full <= 1'b0;
    end else begin
      if (out_ready || !head_full) begin
        head_full  <= spare_full || in_valid;
        spare_full <= 1'b0;
      end else if (in_ready) begin
        spare_full <= in_valid;
      end
    end
  end
endmodule
`default_nettype wire
