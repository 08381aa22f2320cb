// SPDX-License-Identifier: Apache-2.0
// The S-box by its definition (FIPS 197, 5.1.1): the inverse in GF(2^8) as the 254th power, then the affine map.
`default_nettype none
module sbox_model (
    input  wire [7:0] octet,
    output wire [7:0] sub
);
  function [7:0] times;
    input [7:0] a;
    input [7:0] b;
    integer i;
    reg [7:0] shifted;
    begin
      times = 8'h00;
      shifted = a;
      for (i = 0; i < 8; i = i + 1) begin
        if (b[i]) times = times ^ shifted;
        shifted = {shifted[6:0], 1'b0} ^ (shifted[7] ? 8'h1b : 8'h00);
      end
    end
  endfunction
  wire [7:0] p2 = times(octet, octet);
  wire [7:0] p4 = times(p2, p2);
  wire [7:0] p8 = times(p4, p4);
  wire [7:0] p16 = times(p8, p8);
  wire [7:0] p32 = times(p16, p16);
  wire [7:0] p64 = times(p32, p32);
  wire [7:0] p128 = times(p64, p64);
  wire [7:0] inverse = times(times(times(p2, p4), times(p8, p16)), times(times(p32, p64), p128));
  genvar i;
  generate
    for (i = 0; i < 8; i = i + 1) begin : affine
      assign sub[i] = inverse[i] ^ inverse[(i+4)%8] ^ inverse[(i+5)%8] ^ inverse[(i+6)%8] ^ inverse[(i+7)%8] ^
                      (8'h63 >> i & 8'h01) == 8'h01;
    end
  endgenerate
endmodule
`default_nettype wire
