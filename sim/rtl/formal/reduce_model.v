// SPDX-License-Identifier: Apache-2.0
// Reduction by x^128 + x^7 + x^2 + x + 1, one coefficient after the other from the highest down; bit 254 - i is x^i.
`default_nettype none
module reduce_model (
    input  wire [254:0] product,
    output wire [127:0] element
);
  reg [254:0] rest;
  integer i;
  always @* begin
    rest = product;
    for (i = 254; i >= 128; i = i - 1) begin
      if (rest[254-i]) begin
        rest[254-i+128] = ~rest[254-i+128];
        rest[254-i+127] = ~rest[254-i+127];
        rest[254-i+126] = ~rest[254-i+126];
        rest[254-i+121] = ~rest[254-i+121];
      end
    end
  end
  assign element = rest[254:127];
endmodule
`default_nettype wire
