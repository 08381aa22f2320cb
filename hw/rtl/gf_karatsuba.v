// SPDX-License-Identifier: Apache-2.0
// Carry-less product of two polynomials of 4*PART bits by two levels of Karatsuba's identity: nine products of PART
// bits instead of sixteen. Three registers: operand sums, the nine products, the sum of products.
//
//   (a1 x + a0)(b1 x + b0) = a1 b1 x^2 + ((a1+a0)(b1+b0) + a1 b1 + a0 b0) x + a0 b0
`default_nettype none
module gf_karatsuba #(
    parameter PART = 32
) (
    input  wire              clock,
    input  wire              enable,
    input  wire [4*PART-1:0] a,
    input  wire [4*PART-1:0] b,
    output reg  [8*PART-2:0] product
);
  // Which of the four parts are summed into each of the nine factors.
  localparam [35:0] TAKES = {
    4'b1111, 4'b1010, 4'b0101, 4'b1100, 4'b1000, 4'b0100, 4'b0011, 4'b0010, 4'b0001
  };

  wire [9*(2*PART-1)-1:0] products;

  function [PART-1:0] part_sum;
    input [4*PART-1:0] value;
    input [3:0] take;
    part_sum = ({PART{take[0]}} & value[0+:PART]) ^ ({PART{take[1]}} & value[PART+:PART]) ^
               ({PART{take[2]}} & value[2*PART+:PART]) ^ ({PART{take[3]}} & value[3*PART+:PART]);
  endfunction

  genvar n;
  generate
    for (n = 0; n < 9; n = n + 1) begin : factors
      reg [PART-1:0] sum_a;
      reg [PART-1:0] sum_b;
      reg [2*PART-2:0] taken;
      wire [2*PART-2:0] made;
      gf_product #(
          .WIDTH(PART)
      ) factor (
          .a(sum_a),
          .b(sum_b),
          .product(made)
      );
      always @(posedge clock) begin
        if (enable) begin
          sum_a <= part_sum(a, TAKES[4*n+:4]);
          sum_b <= part_sum(b, TAKES[4*n+:4]);
          taken <= made;
        end
      end
      assign products[n*(2*PART-1)+:2*PART-1] = taken;
    end
  endgenerate

  // One level: low, high and middle product of parts of PART bits to one of 4*PART - 1 bits.
  function [4*PART-2:0] join_parts;
    input [2*PART-2:0] low;
    input [2*PART-2:0] high;
    input [2*PART-2:0] middle;
    join_parts = {{(2 * PART) {1'b0}}, low} ^ ({{(2 * PART) {1'b0}}, middle ^ low ^ high} << PART) ^
                 ({{(2 * PART) {1'b0}}, high} << (2 * PART));
  endfunction

  function [2*PART-2:0] factor_of;
    input [9*(2*PART-1)-1:0] all;
    input integer at;
    factor_of = all[at*(2*PART-1)+:2*PART-1];
  endfunction

  wire [4*PART-2:0] low = join_parts(factor_of(products, 0), factor_of(products, 1), factor_of(products, 2));
  wire [4*PART-2:0] high = join_parts(factor_of(products, 3), factor_of(products, 4), factor_of(products, 5));
  wire [4*PART-2:0] middle = join_parts(factor_of(products, 6), factor_of(products, 7), factor_of(products, 8));

  always @(posedge clock) begin
    if (enable) begin
      product <= {{(4 * PART) {1'b0}}, low} ^ ({{(4 * PART) {1'b0}}, middle ^ low ^ high} << (2 * PART)) ^
                 ({{(4 * PART) {1'b0}}, high} << (4 * PART));
    end
  end
endmodule
`default_nettype wire
