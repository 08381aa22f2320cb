// SPDX-License-Identifier: Apache-2.0
// Carry-less product of two polynomials of WIDTH bits, combinational, schoolbook.
`default_nettype none
module gf_product #(
    parameter WIDTH = 32
) (
    input  wire [  WIDTH-1:0] a,
    input  wire [  WIDTH-1:0] b,
    output reg  [2*WIDTH-2:0] product
);
  integer i;
  always @* begin
    product = {(2 * WIDTH - 1) {1'b0}};
    for (i = 0; i < WIDTH; i = i + 1) begin
      product = product ^ ({{(WIDTH - 1) {1'b0}}, a & {WIDTH{b[i]}}} << i);
    end
  end
endmodule
`default_nettype wire
