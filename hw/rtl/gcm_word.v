// SPDX-License-Identifier: Apache-2.0
// AES-GCM a 512-bit word a clock (NIST SP 800-38D; ESP's use of it: RFC 4106), as a free-running kernel: no block-level
// handshake, AXI4-Stream ports with the words of hw/contract/engine.hpp and hw/contract/stream.hpp:
//
//   key     rows of expanded keys              job     one item a packet: key, lengths, nonce, AAD
//   source  the packet's payload               target  the same words sealed or opened
//                                              tag     one item a packet: the computed tag
//
// Packets of any length follow each other without a gap, whatever their keys. Five AES pipelines: four counter blocks
// of the word and E(K, Y0) of its packet's tag, since a packet may be one word. Six multipliers: see gcm_hash.
//
// The pipeline never stops: a beat is issued only when the queues at the end have room for what it brings, so no
// enable has to reach thousands of registers in one clock. Stage n below is n clocks after a beat's issue; a target
// word leaves the pipeline at stage 19, a tag at stage 31.
`default_nettype none
module gcm_word #(
    parameter KEY_BITS = 13
) (
    input  wire         ap_clk,
    input  wire         ap_rst_n,
    // The contract's words have spare bits.
    /* verilator lint_off UNUSEDSIGNAL */
    input  wire [191:0] key_TDATA,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire         key_TVALID,
    output wire         key_TREADY,
    input  wire [255:0] job_TDATA,
    input  wire         job_TVALID,
    output wire         job_TREADY,
    input  wire [639:0] source_TDATA,
    input  wire         source_TVALID,
    output wire         source_TREADY,
    output wire [639:0] target_TDATA,
    output wire         target_TVALID,
    input  wire         target_TREADY,
    output wire [191:0] tag_TDATA,
    output wire         tag_TVALID,
    input  wire         tag_TREADY
);
  localparam LOG_ROOM = 6;
  localparam SUMS = 6;
  localparam LEFT_LIMIT = SUMS;

  reg reset;
  always @(posedge ap_clk) reset <= ~ap_rst_n;

  // Octet 0 of a stream's word is in its low bits, octet 0 of a block in the standards' order in its top bits.
  function [127:0] turn;
    input [127:0] value;
    integer i;
    for (i = 0; i < 16; i = i + 1) turn[127-8*i-:8] = value[8*i+:8];
  endfunction
  function [95:0] turn96;
    input [95:0] value;
    integer i;
    for (i = 0; i < 12; i = i + 1) turn96[95-8*i-:8] = value[8*i+:8];
  endfunction

  // ---- Keys come in: never refused.
  reg key_write;
  reg [KEY_BITS-1:0] key_write_at;
  reg [7:0] key_row;
  reg [127:0] key_data;
  assign key_TREADY = 1'b1;
  always @(posedge ap_clk) begin
    key_write <= key_TVALID;
    key_write_at <= key_TDATA[128+:KEY_BITS];
    key_row <= key_TDATA[151:144];
    key_data <= turn(key_TDATA[127:0]);
  end

  // ---- Jobs and words come in and become beats.
  wire [255:0] job;
  wire job_valid;
  wire job_ready;
  stream_slice #(
      .WIDTH(256)
  ) job_slice (
      .clock(ap_clk),
      .reset(reset),
      .in_data(job_TDATA),
      .in_valid(job_TVALID),
      .in_ready(job_TREADY),
      .out_data(job),
      .out_valid(job_valid),
      .out_ready(job_ready)
  );
  wire [639:0] source;
  wire source_valid;
  wire source_ready;
  stream_slice #(
      .WIDTH(640)
  ) source_slice (
      .clock(ap_clk),
      .reset(reset),
      .in_data(source_TDATA),
      .in_valid(source_TVALID),
      .in_ready(source_TREADY),
      .out_data(source),
      .out_valid(source_valid),
      .out_ready(source_ready)
  );

  wire beat, payload, first, last, feed, bad, seal, key256;
  wire [2:0] slot;
  wire [7:0] index, last_index, user;
  wire [511:0] data;
  wire [KEY_BITS-1:0] key;
  wire [13:0] octets;
  wire [3:0] aad_octets;
  wire [15:0] mark;
  wire [95:0] nonce, aad;
  wire target_taken, tag_taken;
  gcm_issue #(
      .KEY_BITS(KEY_BITS),
      .SLOTS(SUMS),
      .LOG_ROOM(LOG_ROOM)
  ) issue (
      .clock(ap_clk),
      .reset(reset),
      .job(job),
      .job_valid(job_valid),
      .job_ready(job_ready),
      .source(source),
      .source_valid(source_valid),
      .source_ready(source_ready),
      .target_taken(target_taken),
      .tag_taken(tag_taken),
      .beat(beat),
      .beat_payload(payload),
      .beat_first(first),
      .beat_last(last),
      .beat_feed(feed),
      .beat_slot(slot),
      .beat_index(index),
      .beat_last_index(last_index),
      .beat_data(data),
      .beat_user(user),
      .beat_bad(bad),
      .beat_key(key),
      .beat_octets(octets),
      .beat_aad_octets(aad_octets),
      .beat_seal(seal),
      .beat_key256(key256),
      .beat_mark(mark),
      .beat_nonce(nonce),
      .beat_aad(aad)
  );

  // valid[n]: a beat stands at stage n.
  reg [30:2] valid;
  always @(posedge ap_clk) begin
    if (reset) valid <= 29'b0;
    else valid <= {valid[29:2], beat};
  end

  // ---- Stage 2 and 3: where in its packet the word stands.
  reg [7:0] left2;  // words behind this one
  reg first2, payload2;
  reg [1:0] ends2;  // blocks of the packet's last word, modulo 4
  reg carry3, settle3;
  reg [1:0] ends3;
  reg [2:0] left3;
  wire [1:0] ends = octets[5:4] + {1'b0, |octets[3:0]};
  always @(posedge ap_clk) begin
    left2 <= last_index - index;
    first2 <= first;
    payload2 <= payload;
    ends2 <= ends;
    carry3 <= left2 >= LEFT_LIMIT[7:0];
    settle3 <= first2 ? left2 < LEFT_LIMIT[7:0] : left2 == LEFT_LIMIT[7:0] - 8'd1;
    ends3 <= payload2 ? ends2 : 2'd1;
    left3 <= left2[2:0];
  end

  // ---- Keys, each part when it is due.
  wire [1919:0] round_keys;  // skewed: round 0 at stage 3
  wire [127:0] h15;
  wire [11:0] power_rows17;
  wire [511:0] powers19;
  gcm_keys #(
      .KEY_BITS(KEY_BITS)
  ) keys (
      .clock(ap_clk),
      .write(key_write),
      .write_key(key_write_at),
      .write_row(key_row),
      .write_data(key_data),
      .key(key),
      .round_keys(round_keys),
      .h(h15),
      .power_rows(power_rows17),
      .powers(powers19)
  );

  // ---- Stage 3 to 18: key stream of the word's four blocks, and E(K, Y0).
  wire [95:0] nonce3;
  wire [7:0] index3;
  wire key256_3;
  delay_line #(
      .WIDTH(105),
      .DEPTH(2)
  ) to_cipher (
      .clock(ap_clk),
      .enable(1'b1),
      .in({turn96(nonce), index, key256}),
      .out({nonce3, index3, key256_3})
  );
  wire [511:0] stream18;
  wire [127:0] mask18;
  genvar lane;
  generate
    for (lane = 0; lane < 4; lane = lane + 1) begin : ciphers
      // The first block of data has counter 2.
      wire [31:0] counter = {22'b0, index3, 2'b00} + lane + 2;
      aes_rounds rounds (
          .clock(ap_clk),
          .enable(1'b1),
          .block({nonce3, counter}),
          .key256(key256_3),
          .round_keys(round_keys),
          .cipher(stream18[128*lane+:128])
      );
    end
  endgenerate
  aes_rounds tag_rounds (
      .clock(ap_clk),
      .enable(1'b1),
      .block({nonce3, 32'd1}),
      .key256(key256_3),
      .round_keys(round_keys),
      .cipher(mask18)
  );

  // ---- Stage 1 to 17 and 18: the word waits for its key stream.
  wire [511:0] data18;
  delay_line #(
      .WIDTH(512),
      .DEPTH(17)
  ) data_later (
      .clock(ap_clk),
      .enable(1'b1),
      .in(data),
      .out(data18)
  );
  wire payload17, first17, last17, feed17, bad17, seal17;
  wire [2:0] slot17;
  wire [7:0] user17;
  wire [13:0] octets17;
  wire [3:0] aad_octets17;
  wire [15:0] mark17;
  delay_line #(
      .WIDTH(51),
      .DEPTH(16)
  ) beat_later (
      .clock(ap_clk),
      .enable(1'b1),
      .in({payload, first, last, feed, bad, seal, slot, user, octets, aad_octets, mark}),
      .out({payload17, first17, last17, feed17, bad17, seal17, slot17, user17, octets17, aad_octets17, mark17})
  );
  wire carry17, settle17;
  wire [1:0] ends17;
  wire [2:0] left17;
  delay_line #(
      .WIDTH(7),
      .DEPTH(14)
  ) place_later (
      .clock(ap_clk),
      .enable(1'b1),
      .in({carry3, settle3, ends3, left3}),
      .out({carry17, settle17, ends17, left17})
  );

  // ---- Stage 17: octets of the word that count, and the powers' rows.
  wire [5:0] end_octets = octets17[5:0];
  wire [63:0] keep17 = !payload17 ? 64'b0 :
                       !last17 || end_octets == 6'd0 ? ~64'b0 : (64'b1 << end_octets) - 64'b1;
  // With r blocks in the last word, lane l needs H^(4*left + r - l): bank (l - r) mod 4, row left where l < r (the
  // banks from 4 - r on), else the row before. r = 4 stands as 0.
  genvar bank;
  generate
    for (bank = 0; bank < 4; bank = bank + 1) begin : rows
      wire upper = ends17 == 2'd0 || bank + ends17 >= 4;
      assign power_rows17[3*bank+:3] = carry17 ? SUMS[2:0] - 3'd1 :
                                       upper ? left17 : left17 == 3'd0 ? 3'd0 : left17 - 3'd1;
    end
  endgenerate

  reg [63:0] keep18;
  reg last18, first18, feed18, seal18, carry18, settle18, payload18, bad18;
  reg [1:0] ends18;
  reg [2:0] slot18;
  reg [7:0] user18;
  reg [13:0] octets18;
  reg [3:0] aad_octets18;
  reg [15:0] mark18;
  always @(posedge ap_clk) begin
    keep18 <= keep17;
    {payload18, last18, first18, feed18, seal18, bad18} <= {payload17, last17, first17, feed17, seal17, bad17};
    {carry18, settle18, ends18, slot18} <= {carry17, settle17, ends17, slot17};
    {user18, octets18, aad_octets18, mark18} <= {user17, octets17, aad_octets17, mark17};
  end

  // ---- Stage 19: the word is done; the ciphertext of either direction goes on to the hash.
  reg [511:0] target19;
  reg [511:0] blocks19;
  reg [63:0] keep19;
  reg last19, first19, feed19, carry19, settle19, payload19, bad19;
  reg [1:0] ends19;
  reg [2:0] slot19;
  reg [7:0] user19;
  reg [13:0] octets19;
  reg [3:0] aad_octets19;
  reg [15:0] mark19;
  wire [511:0] bits18;
  wire [511:0] clear18 = data18 & bits18;
  wire [511:0] done18;
  generate
    for (lane = 0; lane < 4; lane = lane + 1) begin : words
      assign done18[128*lane+:128] = (data18[128*lane+:128] ^ turn(stream18[128*lane+:128])) & bits18[128*lane+:128];
      always @(posedge ap_clk) begin
        blocks19[128*lane+:128] <= turn(seal18 ? done18[128*lane+:128] : clear18[128*lane+:128]);
      end
    end
    for (lane = 0; lane < 64; lane = lane + 1) begin : octet_bits
      assign bits18[8*lane+:8] = {8{keep18[lane]}};
    end
  endgenerate
  always @(posedge ap_clk) begin
    target19 <= done18;
    keep19 <= keep18;
    {payload19, last19, first19, feed19, bad19} <= {payload18, last18, first18, feed18, bad18};
    {carry19, settle19, ends19, slot19} <= {carry18, settle18, ends18, slot18};
    {user19, octets19, aad_octets19, mark19} <= {user18, octets18, aad_octets18, mark18};
  end

  // Stage 20: every lane's power out of its bank.
  reg [511:0] powers20;
  integer to;
  always @(posedge ap_clk) begin
    for (to = 0; to < 4; to = to + 1) begin
      powers20[128*to+:128] <= carry19 ? powers19[128*to+:128] : powers19[128*((to-{30'b0, ends19})&3)+:128];
    end
  end

  // ---- Stage 15 to 30: the hash. AAD is padded with zeros to a block.
  reg [95:0] aad_bits2;
  integer octet;
  reg [95:0] aad2;
  always @* begin
    for (octet = 0; octet < 12; octet = octet + 1) aad_bits2[8*octet+:8] = {8{octet < {28'b0, aad_octets}}};
  end
  always @(posedge ap_clk) aad2 <= turn96(aad & aad_bits2);
  wire [95:0] aad15;
  wire empty15;
  delay_line #(
      .WIDTH(96),
      .DEPTH(13)
  ) aad_later (
      .clock(ap_clk),
      .enable(1'b1),
      .in(aad2),
      .out(aad15)
  );
  delay_line #(
      .WIDTH(1),
      .DEPTH(14)
  ) empty_later (
      .clock(ap_clk),
      .enable(1'b1),
      .in(~payload),
      .out(empty15)
  );
  wire [127:0] hash30;
  gcm_hash hasher (
      .clock(ap_clk),
      .reset(reset),
      .aad({aad15, 32'b0}),
      .h(h15),
      .empty(empty15),
      .valid(valid[19]),
      .first(first19),
      .feed(feed19),
      .slot(slot19),
      .carry(carry19),
      .settle(settle19),
      .blocks(blocks19),
      .lengths({57'b0, aad_octets19, 3'b0, 47'b0, octets19, 3'b0}),
      .powers(powers20),
      .hash(hash30)
  );

  // ---- Stage 31: the tag.
  wire [127:0] mask30;
  delay_line #(
      .WIDTH(128),
      .DEPTH(12)
  ) mask_later (
      .clock(ap_clk),
      .enable(1'b1),
      .in(mask18),
      .out(mask30)
  );
  wire last30, bad30;
  wire [15:0] mark30;
  delay_line #(
      .WIDTH(18),
      .DEPTH(11)
  ) end_later (
      .clock(ap_clk),
      .enable(1'b1),
      .in({last19, bad19, mark19}),
      .out({last30, bad30, mark30})
  );
  reg tag31_valid;
  reg [144:0] tag31;
  always @(posedge ap_clk) begin
    tag31_valid <= valid[30] & last30 & ~reset;
    tag31 <= {bad30, mark30, turn(hash30 ^ mask30)};
  end

  // ---- Out.
  wire [584:0] target;
  stream_fifo #(
      .WIDTH(585),
      .LOG_DEPTH(LOG_ROOM)
  ) target_queue (
      .clock(ap_clk),
      .reset(reset),
      .in_data({user19, last19, keep19, target19}),
      .in_valid(valid[19] & payload19),
      .out_data(target),
      .out_valid(target_TVALID),
      .out_ready(target_TREADY),
      .taken(target_taken)
  );
  assign target_TDATA = {55'b0, target};
  wire [144:0] tag;
  stream_fifo #(
      .WIDTH(145),
      .LOG_DEPTH(LOG_ROOM)
  ) tag_queue (
      .clock(ap_clk),
      .reset(reset),
      .in_data(tag31),
      .in_valid(tag31_valid),
      .out_data(tag),
      .out_valid(tag_TVALID),
      .out_ready(tag_TREADY),
      .taken(tag_taken)
  );
  assign tag_TDATA = {47'b0, tag};
endmodule
`default_nettype wire
