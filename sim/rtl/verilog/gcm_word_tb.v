// SPDX-License-Identifier: Apache-2.0
// gcm_word in a second simulator: streams and expected answers from the files that `rtl_bench --export` wrote, offered
// in `pace` percent of the clocks and taken in `out_pace`. Ends with one line, `passed` or `FAILED`, and with the words per clock.
`timescale 1ns / 1ps
`default_nettype none
module gcm_word_tb;
  parameter MAX_ITEMS = 65536;

  reg clock = 1'b0;
  reg reset_n = 1'b0;
  always #1 clock = ~clock;

  reg [191:0] keys[0:MAX_ITEMS-1];
  reg [255:0] jobs[0:MAX_ITEMS-1];
  reg [639:0] sources[0:MAX_ITEMS-1];
  reg [639:0] targets[0:MAX_ITEMS-1];
  reg [191:0] tags[0:MAX_ITEMS-1];
  integer key_count, job_count, word_count, pace, out_pace, seed;
  reg [8*256-1:0] folder;

  integer key_at = 0;
  integer job_at = 0;
  integer source_at = 0;
  integer target_at = 0;
  integer tag_at = 0;
  integer wrong = 0;
  integer clocks = 0;
  integer idle = 0;
  integer first_clock = 0;
  integer last_clock = 0;
  reg dump;

  reg job_valid = 1'b0;
  reg source_valid = 1'b0;
  reg target_ready = 1'b0;
  reg tag_ready = 1'b0;
  wire key_ready, job_ready, source_ready, target_valid, tag_valid;
  wire [639:0] target;
  wire [191:0] tag;

  gcm_word #(
      .KEY_BITS(4)
  ) dut (
      .ap_clk(clock),
      .ap_rst_n(reset_n),
      .key_TDATA(keys[key_at]),
      .key_TVALID(reset_n && key_at < key_count),
      .key_TREADY(key_ready),
      .job_TDATA(jobs[job_at]),
      .job_TVALID(job_valid),
      .job_TREADY(job_ready),
      .source_TDATA(sources[source_at]),
      .source_TVALID(source_valid),
      .source_TREADY(source_ready),
      .target_TDATA(target),
      .target_TVALID(target_valid),
      .target_TREADY(target_ready),
      .tag_TDATA(tag),
      .tag_TVALID(tag_valid),
      .tag_TREADY(tag_ready)
  );

  function willing;
    input integer percent;
    willing = ($unsigned($random(seed)) % 100) < percent;
  endfunction

  task check;
    input good;
    input [8*8-1:0] what;
    input integer at;
    begin
      if (!good) begin
        wrong = wrong + 1;
        if (wrong <= 10) $display("wrong %0s %0d at clock %0d", what, at, clocks);
      end
    end
  endtask

  initial begin
    if (!$value$plusargs("folder=%s", folder) || !$value$plusargs("keys=%d", key_count) ||
        !$value$plusargs("jobs=%d", job_count) || !$value$plusargs("words=%d", word_count) ||
        !$value$plusargs("pace=%d", pace) || !$value$plusargs("out_pace=%d", out_pace) || !$value$plusargs("seed=%d", seed)) begin
      $display("FAILED: +folder +keys +jobs +words +pace +out_pace +seed are needed");
      $finish;
    end
    if ($test$plusargs("dump")) begin
      $dumpfile({folder, "/gcm_word.vcd"});
      $dumpvars(0, gcm_word_tb);
    end
    $readmemh({folder, "/key.hex"}, keys, 0, key_count - 1);
    $readmemh({folder, "/job.hex"}, jobs, 0, job_count - 1);
    $readmemh({folder, "/source.hex"}, sources, 0, word_count - 1);
    $readmemh({folder, "/target.hex"}, targets, 0, word_count - 1);
    $readmemh({folder, "/tag.hex"}, tags, 0, job_count - 1);
    repeat (4) @(posedge clock);
    @(negedge clock) reset_n = 1'b1;
  end

  // Everything moves on the rising edge; what is offered changes half a unit after it.
  always @(posedge clock) begin : step
    reg job_moved, source_moved;
    job_moved = job_valid && job_ready;
    source_moved = source_valid && source_ready;
    if (reset_n) begin
      clocks = clocks + 1;
      idle = idle + 1;
      if (target_valid && target_ready) begin
        check(target_at < word_count && target === targets[target_at], "word", target_at);
        if (target_at == 0) first_clock = clocks;
        last_clock = clocks;
        target_at = target_at + 1;
        idle = 0;
      end
      if (tag_valid && tag_ready) begin
        check(tag_at < job_count && tag === tags[tag_at], "tag", tag_at);
        tag_at = tag_at + 1;
        idle = 0;
      end
      if (key_at < key_count && !key_ready) check(1'b0, "key", key_at);
    end
    #0.5;
    if (reset_n) begin
      if (key_at < key_count) begin
        key_at = key_at + 1;
        idle = 0;
      end else begin
        if (job_moved) job_at = job_at + 1;
        if (source_moved) source_at = source_at + 1;
        job_valid = job_at < job_count && ((job_valid && !job_moved) || willing(pace));
        source_valid = source_at < word_count && ((source_valid && !source_moved) || willing(pace));
      end
      target_ready = willing(out_pace);
      tag_ready = willing(out_pace);
      if ((tag_at >= job_count && target_at >= word_count) || idle > 1000) begin
        if (idle > 1000) $display("it hangs: word %0d, tag %0d", target_at, tag_at);
        $display("words_per_clock %0d/%0d", target_at, last_clock - first_clock + 1);
        if (wrong == 0 && idle <= 1000) $display("passed: %0d packets of %0d words", job_count, word_count);
        else $display("FAILED: %0d wrong", wrong);
        $finish;
      end
    end
  end
endmodule
`default_nettype wire
