// SPDX-License-Identifier: Apache-2.0
// gf_karatsuba against the schoolbook product three enabled clocks ago. For small parts; the identity does not know
// their width.
`default_nettype none
module karatsuba_check #(
    parameter PART = 2
) (
    input wire              clock,
    input wire              enable,
    input wire [4*PART-1:0] a,
    input wire [4*PART-1:0] b
);
  wire [8*PART-2:0] product, expected;
  gf_karatsuba #(
      .PART(PART)
  ) dut (
      .clock(clock),
      .enable(enable),
      .a(a),
      .b(b),
      .product(product)
  );
  gf_product #(
      .WIDTH(4 * PART)
  ) schoolbook (
      .a(a),
      .b(b),
      .product(expected)
  );
  reg [8*PART-2:0] later1, later2, later3;
  reg [1:0] filled = 2'd0;
  always @(posedge clock) begin
    if (enable) begin
      later1 <= expected;
      later2 <= later1;
      later3 <= later2;
      if (filled != 2'd3) filled <= filled + 2'd1;
    end
  end
  always @* if (filled == 2'd3) assert (product == later3);
endmodule
`default_nettype wire
