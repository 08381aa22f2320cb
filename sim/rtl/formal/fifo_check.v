// SPDX-License-Identifier: Apache-2.0
// stream_fifo of four items with a source that counts credits as gcm_issue does: items come out once each, in order, stay
// until taken, and none is overwritten. Numbered modulo 16.
`default_nettype none
module fifo_check (
    input wire clock,
    input wire reset,
    input wire in_valid,
    input wire out_ready
);
  reg [3:0] put = 4'd0;
  reg [3:0] done = 4'd0;
  wire [3:0] inside = put - done;
  wire out_valid, taken;
  wire [3:0] out_data;
  stream_fifo #(
      .WIDTH(4),
      .LOG_DEPTH(2)
  ) dut (
      .clock(clock),
      .reset(reset),
      .in_data(put),
      .in_valid(in_valid && inside != 4'd4),
      .out_data(out_data),
      .out_valid(out_valid),
      .out_ready(out_ready),
      .taken(taken)
  );
  reg began = 1'b0;
  reg waited = 1'b0;
  reg [3:0] held;
  always @(posedge clock) begin
    began <= 1'b1;
    waited <= out_valid & ~out_ready & ~reset;
    held <= out_data;
    if (reset) begin
      put  <= 4'd0;
      done <= 4'd0;
    end else begin
      put  <= put + {3'b0, in_valid && inside != 4'd4};
      done <= done + {3'b0, out_valid & out_ready};
    end
  end
  always @* begin
    if (!began) assume (reset);
    if (began) begin
      assert (inside <= 4'd4);
      assert (!out_valid || (inside != 4'd0 && out_data == done));
      assert (!waited || (out_valid && out_data == held));
      assert (taken == (out_valid && out_ready));
    end
  end
endmodule
`default_nettype wire
