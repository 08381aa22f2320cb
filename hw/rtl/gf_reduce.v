// SPDX-License-Identifier: Apache-2.0
// A product of two elements of GF(2^128) modulo x^128 + x^7 + x^2 + x + 1 (NIST SP 800-38D, 6.3), combinational.
// The top bit holds x^0: bit 254 - i of `product` is the coefficient of x^i, bit 127 - i of `element` likewise.
`default_nettype none
module gf_reduce (
    input  wire [254:0] product,
    output wire [127:0] element
);
  // x^128..x^254 as an element: what is above the modulus' degree.
  wire [127:0] over = {product[126:0], 1'b0};
  // Times x^7 + x^2 + x + 1; up to seven coefficients fall over the end once more.
  wire [6:0] spill = over[6:0] ^ {over[1:0], 5'b0};
  wire [127:0] folded = over ^ (over >> 1) ^ (over >> 2) ^ (over >> 7);
  wire [127:0] again = {spill, 121'b0};
  assign element = product[254:127] ^ folded ^ again ^ (again >> 1) ^ (again >> 2) ^ (again >> 7);
endmodule
`default_nettype wire
