// SPDX-License-Identifier: Apache-2.0
// A queue of 2^LOG_DEPTH items and a register at its end. Its source counts credits and never writes into a full
// queue: there is no way to refuse. `taken` is high for each clock in which an item leaves.
`default_nettype none
module stream_fifo #(
    parameter WIDTH = 8,
    parameter LOG_DEPTH = 6
) (
    input  wire             clock,
    input  wire             reset,
    input  wire [WIDTH-1:0] in_data,
    input  wire             in_valid,
    output reg  [WIDTH-1:0] out_data,
    output reg              out_valid,
    input  wire             out_ready,
    output wire             taken
);
  reg [WIDTH-1:0] items[0:(1<<LOG_DEPTH)-1];
  reg [LOG_DEPTH:0] put_at;
  reg [LOG_DEPTH:0] take_at;

  wire held = put_at != take_at;
  wire move = held && (out_ready || !out_valid);
  assign taken = out_valid && out_ready;

  always @(posedge clock) begin
    if (in_valid) items[put_at[LOG_DEPTH-1:0]] <= in_data;
    if (move) out_data <= items[take_at[LOG_DEPTH-1:0]];
    if (reset) begin
      put_at <= {(LOG_DEPTH + 1) {1'b0}};
      take_at <= {(LOG_DEPTH + 1) {1'b0}};
      out_valid <= 1'b0;
    end else begin
      if (in_valid) put_at <= put_at + 1'b1;
      if (move) take_at <= take_at + 1'b1;
      if (move) out_valid <= 1'b1;
      else if (out_ready) out_valid <= 1'b0;
    end
  end
endmodule
`default_nettype wire
