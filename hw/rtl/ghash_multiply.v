// SPDX-License-Identifier: Apache-2.0
// Product of two elements of GF(2^128) in GCM's bit order (the top bit is x^0), one every enabled clock, LATENCY = 4
// enabled clocks later. Nothing is carried from one product to the next.
`default_nettype none
module ghash_multiply (
    input  wire         clock,
    input  wire         enable,
    input  wire [127:0] a,
    input  wire [127:0] b,
    output reg  [127:0] product
);
  wire [254:0] wide;
  wire [127:0] reduced;

  gf_karatsuba #(
      .PART(32)
  ) multiply (
      .clock(clock),
      .enable(enable),
      .a(a),
      .b(b),
      .product(wide)
  );
  gf_reduce reduce (
      .product(wide),
      .element(reduced)
  );
  always @(posedge clock) begin
    if (enable) product <= reduced;
  end
endmodule
`default_nettype wire
