// SPDX-License-Identifier: Apache-2.0
// stream_slice: AXI4-Stream's rules at its output, and items come out once each, in order. Items are numbered modulo 8.
`default_nettype none
module slice_check (
    input wire clock,
    input wire reset,
    input wire in_valid,
    input wire out_ready
);
  wire in_ready, out_valid;
  wire [2:0] out_data;
  reg [2:0] put = 3'd0;
  reg [2:0] taken = 3'd0;
  stream_slice #(
      .WIDTH(3)
  ) dut (
      .clock(clock),
      .reset(reset),
      .in_data(put),
      .in_valid(in_valid),
      .in_ready(in_ready),
      .out_data(out_data),
      .out_valid(out_valid),
      .out_ready(out_ready)
  );
  reg began = 1'b0;
  reg waited = 1'b0;
  wire [2:0] inside = put - taken;
  always @(posedge clock) begin
    began  <= 1'b1;
    waited <= out_valid & ~out_ready & ~reset;
    if (reset) begin
      put <= 3'd0;
      taken <= 3'd0;
    end else begin
      put <= put + {2'b0, in_valid & in_ready};
      taken <= taken + {2'b0, out_valid & out_ready};
    end
  end
  always @* begin
    if (!began) assume (reset);
    if (began) begin
      assert (inside <= 3'd2);
      assert (out_valid == (inside != 3'd0));
      assert (in_ready == (inside != 3'd2));
      assert (!out_valid || out_data == taken);
      assert (!waited || out_valid);
    end
  end
endmodule
`default_nettype wire
