// SPDX-License-Identifier: Apache-2.0
// The lanes' handshake: nothing is lost or made up, a result comes LATENCY moves after its input, waits until it is
// taken, and nothing moves while ap_ce is low.
`default_nettype none
module lane_check #(
    parameter LATENCY = 4
) (
    input wire clock,
    input wire reset,
    input wire ce,
    input wire start,
    input wire go_on
);
  wire idle, ready, done, advance;
  lane_control #(
      .LATENCY(LATENCY)
  ) dut (
      .ap_clk(clock),
      .ap_rst(reset),
      .ap_ce(ce),
      .ap_start(start),
      .ap_continue(go_on),
      .ap_idle(idle),
      .ap_ready(ready),
      .ap_done(done),
      .advance(advance)
  );
  // Ages, in moves, of what is inside: bit k, an input taken k + 1 moves ago that is still owed.
  reg [LATENCY-1:0] owed = {LATENCY{1'b0}};
  reg waited = 1'b0;
  reg began = 1'b0;
  always @(posedge clock) begin
    began <= 1'b1;
    waited <= done & ~(ce & go_on) & ~reset;
    if (reset) owed <= {LATENCY{1'b0}};
    else if (advance) owed <= {owed[LATENCY-2:0], ready};
  end
  always @* begin
    if (!began) assume (reset);
    if (began) begin
      assert (done == owed[LATENCY-1]);
      assert (!waited || done);
      assert (!ready || (start && ce));
      assert (!advance || ce);
      assert (!(advance && done) || go_on);
      assert (idle == (owed == {LATENCY{1'b0}} && !start));
    end
  end
endmodule
`default_nettype wire
