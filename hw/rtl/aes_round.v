// SPDX-License-Identifier: Apache-2.0
// One round of AES encryption (FIPS 197, 5.1), combinational. A block is written as in the standard: octet 0 is
// bits [127:120]. `final_round` leaves MixColumns out; `idle` passes the block on (rounds 11 to 14 of AES-128).
`default_nettype none
module aes_round (
    input  wire [127:0] block,
    input  wire [127:0] round_key,
    input  wire         final_round,
    input  wire         idle,
    output wire [127:0] next
);
  wire [127:0] shifted;
  wire [127:0] mixed;

  function [7:0] times2;
    input [7:0] octet;
    times2 = {octet[6:0], 1'b0} ^ (octet[7] ? 8'h1b : 8'h00);
  endfunction

  genvar column, row;
  generate
    for (column = 0; column < 4; column = column + 1) begin : columns
      // SubBytes and ShiftRows: row r of column c comes from column c + r.
      for (row = 0; row < 4; row = row + 1) begin : rows
        aes_sbox sbox (
            .octet(block[127-8*(4*((column+row)%4)+row)-:8]),
            .sub  (shifted[127-8*(4*column+row)-:8])
        );
      end
      wire [7:0] a = shifted[127-32*column-:8];
      wire [7:0] b = shifted[119-32*column-:8];
      wire [7:0] c = shifted[111-32*column-:8];
      wire [7:0] d = shifted[103-32*column-:8];
      assign mixed[127-32*column-:32] = {
        times2(a ^ b) ^ b ^ c ^ d, times2(b ^ c) ^ a ^ c ^ d, times2(c ^ d) ^ a ^ b ^ d, times2(d ^ a) ^ a ^ b ^ c
      };
    end
  endgenerate

  assign next = idle ? block : round_key ^ (final_round ? shifted : mixed);
endmodule
`default_nettype wire
