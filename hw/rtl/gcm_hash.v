// SPDX-License-Identifier: Apache-2.0
// GHASH of packets a word a clock (NIST SP 800-38D, 6.4), back to back at any length. Clock 0 is when `aad` and `h`
// come; the word's ciphertext comes in clock 4, its powers and what says how to use it in clocks 4 and 5; the hash of
// a packet leaves in clock 15 after its last word.
//
// With n blocks C1..Cn, AAD A and length block L:  S = ((A H + C1) H^n + C2 H^(n-1) + ... + Cn H + L) H
//   - A H: one product a packet, its own multiplier (clocks 0 to 4).
//   - The blocks of a word: four multipliers (clocks 5 to 9) and their sum (clock 10).
//   - A word with six or more words behind it is multiplied by H^24..H^21 and its sum joins the first block of the word
//     six later: the time that a product and a sum take, so nothing waits. Six sums are under way; gaps in the stream
//     are bridged by `sums`.
//   - The last six words (or all) take the powers that their blocks need in the end; their sums only add up.
//   - (sum + L) H: one product a packet, its own multiplier.
`default_nettype none
module gcm_hash (
    input  wire         clock,
    input  wire         reset,
    // Clock 0.
    input  wire [127:0] aad,
    input  wire [127:0] h,
    input  wire         empty,       // no payload: A itself stands for the only block
    // Clock 4.
    input  wire         valid,
    input  wire         first,
    input  wire         feed,
    input  wire [  2:0] slot,
    input  wire         carry,       // six or more words behind
    input  wire         settle,      // the first word that does not carry
    input  wire [511:0] blocks,      // block k in bits [128k +: 128], octet 0 in its top bits; zero where there is none
    input  wire [127:0] lengths,
    // Clock 5.
    input  wire [511:0] powers,      // of lane k in bits [128k +: 128]
    // Clock 15.
    output wire [127:0] hash
);
  localparam [127:0] ONE = {1'b1, 127'b0};

  wire [127:0] aad_product;
  ghash_multiply aad_multiply (
      .clock(clock),
      .enable(1'b1),
      .a(aad),
      .b(empty ? ONE : h),
      .product(aad_product)
  );

  // Clock 4: what the word's first block continues.
  reg [127:0] sum;
  reg [127:0] sums[0:7];
  wire sum_carries;
  wire [2:0] sum_slot;
  wire [127:0] sum_before = sum_carries && sum_slot == slot ? sum : sums[slot];
  wire [127:0] addend = first ? aad_product : feed ? sum_before : 128'b0;

  // Clock 5: factors. Clock 9: products. Clock 10: their sum.
  reg [511:0] factors;
  wire [511:0] products;
  genvar lane;
  generate
    for (lane = 0; lane < 4; lane = lane + 1) begin : lanes
      ghash_multiply multiply (
          .clock(clock),
          .enable(1'b1),
          .a(factors[128*lane+:128]),
          .b(powers[128*lane+:128]),
          .product(products[128*lane+:128])
      );
    end
  endgenerate

  // The word's way through clocks 5 to 10.
  localparam WAY = 6;
  reg [WAY-1:0] valid_later;
  wire [4:0] said;
  delay_line #(
      .WIDTH(5),
      .DEPTH(WAY)
  ) said_later (
      .clock(clock),
      .enable(1'b1),
      .in({slot, carry, settle}),
      .out(said)
  );
  wire sum_valid = valid_later[WAY-1];
  assign sum_slot = said[4:2];
  assign sum_carries = sum_valid && said[1];
  wire sum_settles = said[0];

  // Clock 11: the packet's sum; after its last word the whole of it.
  reg [127:0] total;

  always @(posedge clock) begin
    if (reset) valid_later <= {WAY{1'b0}};
    else valid_later <= {valid_later[WAY-2:0], valid};
    factors <= {blocks[511:128], blocks[127:0] ^ addend};
    sum <= products[127:0] ^ products[255:128] ^ products[383:256] ^ products[511:384];
    if (sum_carries) sums[sum_slot] <= sum;
    if (sum_valid && !said[1]) total <= (sum_settles ? 128'b0 : total) ^ sum;
  end

  wire [127:0] lengths_then;
  delay_line #(
      .WIDTH(128),
      .DEPTH(WAY + 1)
  ) lengths_later (
      .clock(clock),
      .enable(1'b1),
      .in(lengths),
      .out(lengths_then)
  );
  wire [127:0] h_then;
  delay_line #(
      .WIDTH(128),
      .DEPTH(11)
  ) h_later (
      .clock(clock),
      .enable(1'b1),
      .in(h),
      .out(h_then)
  );
  ghash_multiply last_multiply (
      .clock(clock),
      .enable(1'b1),
      .a(total ^ lengths_then),
      .b(h_then),
      .product(hash)
  );
endmodule
`default_nettype wire
