// SPDX-License-Identifier: Apache-2.0
// gcm_issue with room for four: never more beats under way than the queues behind hold, a word is taken only with a job,
// and a job is taken with its last beat.
`default_nettype none
module issue_check (
    input wire        clock,
    input wire        reset,
    input wire [13:0] octets,
    input wire        job_valid,
    input wire        source_valid,
    input wire        source_last,
    input wire        target_ready,
    input wire        tag_ready
);
  wire job_ready, source_ready, beat, beat_payload, beat_last;
  reg [2:0] targets = 3'd0;
  reg [2:0] tags = 3'd0;
  reg beat_owed = 1'b0;
  wire target_taken = target_ready && targets != 3'd0;
  wire tag_taken = tag_ready && tags != 3'd0;
  gcm_issue #(
      .KEY_BITS(1),
      .LOG_ROOM(2)
  ) dut (
      .clock(clock),
      .reset(reset),
      .job({226'b0, octets, 16'b0}),
      .job_valid(job_valid),
      .job_ready(job_ready),
      .source({63'b0, source_last, 576'b0}),
      .source_valid(source_valid),
      .source_ready(source_ready),
      .target_taken(target_taken),
      .tag_taken(tag_taken),
      .beat(beat),
      .beat_payload(beat_payload),
      .beat_last(beat_last)
  );
  reg began = 1'b0;
  always @(posedge clock) begin
    began <= 1'b1;
    beat_owed <= job_valid & job_ready & ~reset;
    if (reset) begin
      targets <= 3'd0;
      tags <= 3'd0;
    end else begin
      targets <= targets + {2'b0, beat & beat_payload} - {2'b0, target_taken};
      tags <= tags + {2'b0, beat & beat_last} - {2'b0, tag_taken};
    end
  end
  always @* begin
    if (!began) assume (reset);
    if (began) begin
      assert ({1'b0, targets} + {3'b0, beat & beat_payload} <= 4'd4);
      assert ({1'b0, tags} + {3'b0, beat & beat_last} <= 4'd4);
      assert (!beat_owed || (beat && beat_last));
      assert (!job_ready || job_valid);
    end
  end
endmodule
`default_nettype wire
