// SPDX-License-Identifier: Apache-2.0
// One cage as an RTL kernel: a 100G MAC (CMAC, CAUI-4) between the kernels' 640-bit stream words and the wire.
//
// Kernel side: one word of hw/contract/stream.hpp a beat: [511:0] data, [575:512] keep, [576] last. The stream itself
// has no tlast and no tkeep, so that HLS kernels see one wide integer. Free running: no control register.
// Receive: a frame that finds the FIFO too full is dropped whole; a frame that the MAC marks bad is swallowed to its
// end and never ends well at the other side: its last word carries keep 0, which `ingress` drops as empty.
// Transmit: the packet FIFO starts a frame only when all of it is there, for the MAC cannot pause inside one.
`timescale 1ns / 1ps
`default_nettype none

module cmac_port (
    input  wire         ap_clk,
    input  wire         ap_rst_n,
    input  wire         clk_gt_freerun,
    input  wire         gt_refclk_p,
    input  wire         gt_refclk_n,
    input  wire [3:0]   gt_grx_p,
    input  wire [3:0]   gt_grx_n,
    output wire [3:0]   gt_gtx_p,
    output wire [3:0]   gt_gtx_n,
    input  wire [639:0] tx_tdata,
    input  wire         tx_tvalid,
    output wire         tx_tready,
    output wire [639:0] rx_tdata,
    output wire         rx_tvalid,
    input  wire         rx_tready
);

  wire         tx_clk, rx_clk, tx_reset, rx_reset, aligned;
  wire [511:0] mac_rx_tdata, mac_tx_tdata;
  wire [63:0]  mac_rx_tkeep, mac_tx_tkeep;
  wire         mac_rx_tvalid, mac_rx_tlast, mac_rx_tuser, mac_tx_tvalid, mac_tx_tready, mac_tx_tlast;

  // The link partner is told "remote fault" until our receiver is aligned, then frames flow.
  reg aligned_tx_meta, aligned_tx;
  always @(posedge tx_clk) begin
    aligned_tx_meta <= aligned;
    aligned_tx      <= aligned_tx_meta;
  end

  cmac_usplus_0 mac (
      .gt_ref_clk_p(gt_refclk_p), .gt_ref_clk_n(gt_refclk_n), .init_clk(clk_gt_freerun), .sys_reset(~ap_rst_n),
      .gt_rxp_in(gt_grx_p), .gt_rxn_in(gt_grx_n), .gt_txp_out(gt_gtx_p), .gt_txn_out(gt_gtx_n),
      .gt_loopback_in(12'd0), .gtwiz_reset_tx_datapath(1'b0), .gtwiz_reset_rx_datapath(1'b0),
      .gt_txusrclk2(tx_clk), .gt_rxusrclk2(rx_clk), .rx_clk(rx_clk), .usr_tx_reset(tx_reset), .usr_rx_reset(rx_reset),
      .core_rx_reset(1'b0), .core_tx_reset(1'b0), .core_drp_reset(1'b0), .drp_clk(1'b0),
      .ctl_rx_enable(1'b1), .ctl_rx_force_resync(1'b0), .ctl_rx_test_pattern(1'b0),
      .ctl_tx_enable(aligned_tx), .ctl_tx_send_rfi(~aligned_tx), .ctl_tx_send_idle(1'b0), .ctl_tx_send_lfi(1'b0),
      .ctl_tx_test_pattern(1'b0),
      .ctl_rx_rsfec_enable(1'b1), .ctl_rx_rsfec_enable_correction(1'b1), .ctl_rx_rsfec_enable_indication(1'b1),
      .ctl_tx_rsfec_enable(1'b1), .ctl_rsfec_ieee_error_indication_mode(1'b0),
      .stat_rx_aligned(aligned),
      .rx_axis_tdata(mac_rx_tdata), .rx_axis_tkeep(mac_rx_tkeep), .rx_axis_tvalid(mac_rx_tvalid),
      .rx_axis_tlast(mac_rx_tlast), .rx_axis_tuser(mac_rx_tuser),
      .tx_axis_tdata(mac_tx_tdata), .tx_axis_tkeep(mac_tx_tkeep), .tx_axis_tvalid(mac_tx_tvalid),
      .tx_axis_tready(mac_tx_tready), .tx_axis_tlast(mac_tx_tlast), .tx_axis_tuser(1'b0), .tx_preamblein(56'd0)
  );

  // Receive: whole frames or nothing.
  wire full_soon;
  reg  inside, dropping;
  wire first    = mac_rx_tvalid & ~inside;
  wire drop_now = first ? full_soon : dropping;
  always @(posedge rx_clk) begin
    if (rx_reset) begin
      inside   <= 1'b0;
      dropping <= 1'b0;
    end else if (mac_rx_tvalid) begin
      inside   <= ~mac_rx_tlast;
      dropping <= drop_now;
    end
  end
  wire [63:0] rx_keep = (mac_rx_tlast & mac_rx_tuser) ? 64'd0 : mac_rx_tkeep;

  wire [511:0] rx_word;
  wire [63:0]  rx_word_keep;
  wire         rx_word_last;
  xpm_fifo_axis #(
      .CLOCKING_MODE("independent_clock"), .FIFO_DEPTH(1024), .FIFO_MEMORY_TYPE("block"), .TDATA_WIDTH(512),
      .USE_ADV_FEATURES("1002"), .PROG_FULL_THRESH(960)  // room for the longest frame of 33 words, with some to spare
  ) rx_fifo (
      .s_aresetn(~rx_reset), .s_aclk(rx_clk), .m_aclk(ap_clk),
      .s_axis_tdata(mac_rx_tdata), .s_axis_tkeep(rx_keep), .s_axis_tlast(mac_rx_tlast), .s_axis_tvalid(mac_rx_tvalid & ~drop_now),
      .s_axis_tready(), .s_axis_tstrb({64{1'b1}}), .s_axis_tid(1'b0), .s_axis_tdest(1'b0), .s_axis_tuser(1'b0),
      .m_axis_tdata(rx_word), .m_axis_tkeep(rx_word_keep), .m_axis_tlast(rx_word_last), .m_axis_tvalid(rx_tvalid),
      .m_axis_tready(rx_tready), .m_axis_tstrb(), .m_axis_tid(), .m_axis_tdest(), .m_axis_tuser(),
      .prog_full_axis(full_soon), .prog_empty_axis(), .almost_empty_axis(), .almost_full_axis(), .dbiterr_axis(),
      .sbiterr_axis(), .rd_data_count_axis(), .wr_data_count_axis(), .injectdbiterr_axis(1'b0), .injectsbiterr_axis(1'b0)
  );
  assign rx_tdata = {63'd0, rx_word_last, rx_word_keep, rx_word};

  // Transmit.
  xpm_fifo_axis #(
      .CLOCKING_MODE("independent_clock"), .FIFO_DEPTH(1024), .FIFO_MEMORY_TYPE("block"), .TDATA_WIDTH(512),
      .PACKET_FIFO("true")
  ) tx_fifo (
      .s_aresetn(ap_rst_n), .s_aclk(ap_clk), .m_aclk(tx_clk),
      .s_axis_tdata(tx_tdata[511:0]), .s_axis_tkeep(tx_tdata[575:512]), .s_axis_tlast(tx_tdata[576]),
      .s_axis_tvalid(tx_tvalid), .s_axis_tready(tx_tready), .s_axis_tstrb({64{1'b1}}), .s_axis_tid(1'b0),
      .s_axis_tdest(1'b0), .s_axis_tuser(1'b0),
      .m_axis_tdata(mac_tx_tdata), .m_axis_tkeep(mac_tx_tkeep), .m_axis_tlast(mac_tx_tlast), .m_axis_tvalid(mac_tx_tvalid),
      .m_axis_tready(mac_tx_tready), .m_axis_tstrb(), .m_axis_tid(), .m_axis_tdest(), .m_axis_tuser(),
      .prog_full_axis(), .prog_empty_axis(), .almost_empty_axis(), .almost_full_axis(), .dbiterr_axis(), .sbiterr_axis(),
      .rd_data_count_axis(), .wr_data_count_axis(), .injectdbiterr_axis(1'b0), .injectsbiterr_axis(1'b0)
  );

endmodule
`default_nettype wire
