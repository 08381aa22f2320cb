// SPDX-License-Identifier: Apache-2.0
// The card's clock: nanoseconds since reset, ready at every taker at any time. Free running: no control register.
//
// STEP is a clock's length in 2^-16 ns: package_clock.tcl works it out of the kernels' frequency. A link that lowers the
// frequency makes this clock slow: the driver measures it against its own before it trusts a lease to it.
`default_nettype none
module clock_port #(
    parameter [31:0] STEP = 32'd218453
) (
    input  wire        ap_clk,
    input  wire        ap_rst_n,
    output wire [63:0] encrypt_TDATA,
    output wire        encrypt_TVALID,
    /* verilator lint_off UNUSEDSIGNAL */
    input  wire        encrypt_TREADY,
    output wire [63:0] decrypt_TDATA,
    output wire        decrypt_TVALID,
    input  wire        decrypt_TREADY,
    output wire [63:0] host_TDATA,
    output wire        host_TVALID,
    input  wire        host_TREADY
    /* verilator lint_on UNUSEDSIGNAL */
);
  reg reset;
  reg [79:0] now;  // 2^-16 ns
  always @(posedge ap_clk) begin
    reset <= ~ap_rst_n;
    now   <= reset ? 80'd0 : now + {48'd0, STEP};
  end

  assign encrypt_TDATA = now[79:16];
  assign decrypt_TDATA = now[79:16];
  assign host_TDATA = now[79:16];
  assign encrypt_TVALID = ~reset;
  assign decrypt_TVALID = ~reset;
  assign host_TVALID = ~reset;
endmodule
`default_nettype wire
