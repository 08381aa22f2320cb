// SPDX-License-Identifier: Apache-2.0
// gcm_word under the name of the C++ engine kernel, so that a link takes either.
`default_nettype none
module tandem_engine (
    input  wire         ap_clk,
    input  wire         ap_rst_n,
    input  wire [191:0] key_TDATA,
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
  gcm_word engine (
      .ap_clk(ap_clk),
      .ap_rst_n(ap_rst_n),
      .key_TDATA(key_TDATA),
      .key_TVALID(key_TVALID),
      .key_TREADY(key_TREADY),
      .job_TDATA(job_TDATA),
      .job_TVALID(job_TVALID),
      .job_TREADY(job_TREADY),
      .source_TDATA(source_TDATA),
      .source_TVALID(source_TVALID),
      .source_TREADY(source_TREADY),
      .target_TDATA(target_TDATA),
      .target_TVALID(target_TVALID),
      .target_TREADY(target_TREADY),
      .tag_TDATA(tag_TDATA),
      .tag_TVALID(tag_TVALID),
      .tag_TREADY(tag_TREADY)
  );
endmodule
`default_nettype wire
