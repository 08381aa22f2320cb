// SPDX-License-Identifier: Apache-2.0
// A whole kernel as Vitis would export one, to try the bench on: gcm_word behind an AXI4-Lite control port with the
// register map of UG1393 (0x00 start, done, idle, ready; 0x10 how many packets one start lets through; 0x18 how many it
// did, read only). A stand-in for HLS-generated RTL, not a kernel of the card.
`default_nettype none
module engine_kernel (
    input  wire         ap_clk,
    input  wire         ap_rst_n,
    input  wire [  5:0] s_axi_control_AWADDR,
    input  wire         s_axi_control_AWVALID,
    output wire         s_axi_control_AWREADY,
    input  wire [ 31:0] s_axi_control_WDATA,
    input  wire [  3:0] s_axi_control_WSTRB,
    input  wire         s_axi_control_WVALID,
    output wire         s_axi_control_WREADY,
    output wire [  1:0] s_axi_control_BRESP,
    output reg          s_axi_control_BVALID,
    input  wire         s_axi_control_BREADY,
    input  wire [  5:0] s_axi_control_ARADDR,
    input  wire         s_axi_control_ARVALID,
    output wire         s_axi_control_ARREADY,
    output reg  [ 31:0] s_axi_control_RDATA,
    output wire [  1:0] s_axi_control_RRESP,
    output reg          s_axi_control_RVALID,
    input  wire         s_axi_control_RREADY,
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
  localparam [5:0] CONTROL = 6'h00;
  localparam [5:0] PACKETS = 6'h10;
  localparam [5:0] DONE_PACKETS = 6'h18;

  reg running, done;
  reg [31:0] packets, let_in, let_out;

  // A write is taken when address and data are both there, a read when the last answer is gone.
  wire write = s_axi_control_AWVALID & s_axi_control_WVALID & ~s_axi_control_BVALID;
  wire read = s_axi_control_ARVALID & ~s_axi_control_RVALID;
  assign s_axi_control_AWREADY = write;
  assign s_axi_control_WREADY = write;
  assign s_axi_control_ARREADY = read;
  assign s_axi_control_BRESP = 2'b00;
  assign s_axi_control_RRESP = 2'b00;

  wire open = running & (let_in != packets);
  wire inner_job_ready;
  assign job_TREADY = inner_job_ready & open;
  wire job_in = job_TVALID & job_TREADY;
  wire tag_out = tag_TVALID & tag_TREADY;

  always @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      running <= 1'b0;
      done <= 1'b0;
      packets <= 32'd0;
      let_in <= 32'd0;
      let_out <= 32'd0;
      s_axi_control_BVALID <= 1'b0;
      s_axi_control_RVALID <= 1'b0;
    end else begin
      if (job_in) let_in <= let_in + 32'd1;
      if (tag_out) let_out <= let_out + 32'd1;
      if (running && let_out == packets) begin
        running <= 1'b0;
        done <= 1'b1;
      end
      if (write) begin
        if (s_axi_control_AWADDR == PACKETS && s_axi_control_WSTRB == 4'hf) packets <= s_axi_control_WDATA;
        if (s_axi_control_AWADDR == CONTROL && s_axi_control_WSTRB[0] && s_axi_control_WDATA[0] && !running) begin
          running <= 1'b1;
          let_in  <= 32'd0;
          let_out <= 32'd0;
        end
      end
      if (write) s_axi_control_BVALID <= 1'b1;
      else if (s_axi_control_BREADY) s_axi_control_BVALID <= 1'b0;
      if (read) begin
        s_axi_control_RVALID <= 1'b1;
        case (s_axi_control_ARADDR)
          // `done` is cleared by reading it.
          CONTROL: begin
            s_axi_control_RDATA <= {28'b0, ~running, ~running, done, running};
            done <= 1'b0;
          end
          PACKETS: s_axi_control_RDATA <= packets;
          DONE_PACKETS: s_axi_control_RDATA <= let_out;
          default: s_axi_control_RDATA <= 32'd0;
        endcase
      end else if (s_axi_control_RREADY) s_axi_control_RVALID <= 1'b0;
    end
  end

  gcm_word engine (
      .ap_clk(ap_clk),
      .ap_rst_n(ap_rst_n),
      .key_TDATA(key_TDATA),
      .key_TVALID(key_TVALID),
      .key_TREADY(key_TREADY),
      .job_TDATA(job_TDATA),
      .job_TVALID(job_TVALID & open),
      .job_TREADY(inner_job_ready),
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
