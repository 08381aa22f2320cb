// SPDX-License-Identifier: Apache-2.0
// Both lanes in a second simulator: inputs and expected answers from files, ap_ce and ap_continue at random. Ends with
// one line, `passed` or `FAILED`.
`timescale 1ns / 1ps
`default_nettype none
module lanes_tb;
  parameter MAX_ITEMS = 4096;

  reg clock = 1'b0;
  reg reset = 1'b1;
  always #1 clock = ~clock;

  // key256 (in a byte), nonce, counter, round keys, answer; block, addend, power, answer.
  reg [2183:0] ciphers[0:MAX_ITEMS-1];
  reg [511:0] products[0:MAX_ITEMS-1];
  integer count, seed;
  reg [8*256-1:0] folder;
  integer cipher_at = 0;
  integer cipher_done = 0;
  integer product_at = 0;
  integer product_done = 0;
  integer wrong = 0;
  integer clocks = 0;

  reg ce = 1'b0;
  reg go_on = 1'b0;
  wire cipher_ready, cipher_end, product_ready, product_end, cipher_valid, product_valid, cipher_idle, product_idle;
  wire [127:0] stream, product;
  wire [2183:0] cipher_in = ciphers[cipher_at];
  wire [511:0] product_in = products[product_at];

  aes_ctr_lane cipher_lane (
      .ap_clk(clock),
      .ap_rst(reset),
      .ap_ce(ce),
      .ap_start(!reset && cipher_at < count),
      .ap_continue(go_on),
      .ap_idle(cipher_idle),
      .ap_ready(cipher_ready),
      .ap_done(cipher_end),
      .nonce(cipher_in[2175-:96]),
      .counter(cipher_in[2079-:32]),
      .round_keys(cipher_in[2047-:1920]),
      .key256(cipher_in[2176]),
      .stream(stream),
      .stream_ap_vld(cipher_valid)
  );
  ghash_lane product_lane (
      .ap_clk(clock),
      .ap_rst(reset),
      .ap_ce(ce),
      .ap_start(!reset && product_at < count),
      .ap_continue(go_on),
      .ap_idle(product_idle),
      .ap_ready(product_ready),
      .ap_done(product_end),
      .block(product_in[511-:128]),
      .addend(product_in[383-:128]),
      .power(product_in[255-:128]),
      .product(product),
      .product_ap_vld(product_valid)
  );

  initial begin
    if (!$value$plusargs("folder=%s", folder) || !$value$plusargs("count=%d", count) ||
        !$value$plusargs("seed=%d", seed)) begin
      $display("FAILED: +folder +count +seed are needed");
      $finish;
    end
    $readmemh({folder, "/cipher.hex"}, ciphers, 0, count - 1);
    $readmemh({folder, "/product.hex"}, products, 0, count - 1);
    repeat (4) @(posedge clock);
    @(negedge clock) reset = 1'b0;
  end

  always @(posedge clock) begin : step
    reg cipher_moved, product_moved;
    cipher_moved = cipher_ready;
    product_moved = product_ready;
    if (!reset) begin
      clocks = clocks + 1;
      if (cipher_end && ce && go_on) begin
        if (cipher_done >= count || stream !== ciphers[cipher_done][127:0] || !cipher_valid) wrong = wrong + 1;
        cipher_done = cipher_done + 1;
      end
      if (product_end && ce && go_on) begin
        if (product_done >= count || product !== products[product_done][127:0] || !product_valid) wrong = wrong + 1;
        product_done = product_done + 1;
      end
    end
    #0.5;
    if (!reset) begin
      if (cipher_moved) cipher_at = cipher_at + 1;
      if (product_moved) product_at = product_at + 1;
      if ((cipher_done >= count && product_done >= count && cipher_idle && product_idle) || clocks > 20 * count + 1000)
      begin
        if (wrong == 0 && cipher_done == count && product_done == count)
          $display("passed: %0d blocks, %0d products", cipher_done, product_done);
        else $display("FAILED: %0d wrong, %0d blocks, %0d products of %0d", wrong, cipher_done, product_done, count);
        $finish;
      end
    end
    ce = ($unsigned($random(seed)) % 100) < 70;
    go_on = ($unsigned($random(seed)) % 100) < 70;
  end
endmodule
`default_nettype wire
