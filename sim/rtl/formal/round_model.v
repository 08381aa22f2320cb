// SPDX-License-Identifier: Apache-2.0
// One AES round in the order of FIPS 197, 5.1: SubBytes, ShiftRows, MixColumns as a product of matrices, AddRoundKey.
`default_nettype none
module round_model (
    input  wire [127:0] block,
    input  wire [127:0] round_key,
    input  wire         final_round,
    input  wire         idle,
    output reg  [127:0] next
);
  wire [127:0] subbed;
  genvar n;
  generate
    for (n = 0; n < 16; n = n + 1) begin : octets
      aes_sbox sbox (
          .octet(block[127-8*n-:8]),
          .sub  (subbed[127-8*n-:8])
      );
    end
  endgenerate

  function [7:0] times;
    input [7:0] a;
    input integer factor;  // 1, 2 or 3
    reg [7:0] twice;
    begin
      twice = {a[6:0], 1'b0} ^ (a[7] ? 8'h1b : 8'h00);
      times = factor == 1 ? a : factor == 2 ? twice : twice ^ a;
    end
  endfunction

  // The matrix's first row; each further row is turned right by one.
  function integer factor_of;
    input integer row;
    input integer k;
    case ((k - row + 4) % 4)
      0: factor_of = 2;
      1: factor_of = 3;
      default: factor_of = 1;
    endcase
  endfunction

  reg [127:0] shifted;
  reg [127:0] mixed;
  integer row, column, k;
  always @* begin
    for (column = 0; column < 4; column = column + 1)
      for (row = 0; row < 4; row = row + 1)
        shifted[127-8*(4*column+row)-:8] = subbed[127-8*(4*((column+row)%4)+row)-:8];
    mixed = 128'b0;
    for (column = 0; column < 4; column = column + 1)
      for (row = 0; row < 4; row = row + 1)
        for (k = 0; k < 4; k = k + 1)
          mixed[127-8*(4*column+row)-:8] = mixed[127-8*(4*column+row)-:8] ^
                                           times(shifted[127-8*(4*column+k)-:8], factor_of(row, k));
    next = (final_round ? shifted : mixed) ^ round_key;
    if (idle) next = block;
  end
endmodule
`default_nettype wire
