// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// bitmod_accel with the port names of the AXI specification, and the constants it leaves to the integrator.

module accel_harness #(
  parameter int unsigned Rows       = 2,
  parameter int unsigned Cols       = 3,
  parameter int unsigned RowTiles   = 1,
  parameter int unsigned ColTiles   = 1,
  parameter int unsigned Lanes      = 4,
  parameter int unsigned MaxTokens  = 4,
  parameter int unsigned MaxGroups  = 2,
  parameter int unsigned MaxBurst   = 16,
  parameter int unsigned QueueDepth = 64
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  output logic        irq_o,
  input  logic        s_axil_awvalid,
  output logic        s_axil_awready,
  input  logic [7:0]  s_axil_awaddr,
  input  logic        s_axil_wvalid,
  output logic        s_axil_wready,
  input  logic [31:0] s_axil_wdata,
  input  logic [3:0]  s_axil_wstrb,
  output logic        s_axil_bvalid,
  input  logic        s_axil_bready,
  output logic [1:0]  s_axil_bresp,
  input  logic        s_axil_arvalid,
  output logic        s_axil_arready,
  input  logic [7:0]  s_axil_araddr,
  output logic        s_axil_rvalid,
  input  logic        s_axil_rready,
  output logic [31:0] s_axil_rdata,
  output logic [1:0]  s_axil_rresp,
  output logic        m_axi_arvalid,
  input  logic        m_axi_arready,
  output logic [1:0]  m_axi_arid,
  output logic [63:0] m_axi_araddr,
  output logic [7:0]  m_axi_arlen,
  input  logic        m_axi_rvalid,
  output logic        m_axi_rready,
  input  logic [1:0]  m_axi_rid,
  input  logic [63:0] m_axi_rdata,
  input  logic [1:0]  m_axi_rresp,
  output logic        m_axi_awvalid,
  input  logic        m_axi_awready,
  output logic [63:0] m_axi_awaddr,
  output logic [7:0]  m_axi_awlen,
  output logic        m_axi_wvalid,
  input  logic        m_axi_wready,
  output logic [63:0] m_axi_wdata,
  output logic [7:0]  m_axi_wstrb,
  output logic        m_axi_wlast,
  input  logic        m_axi_bvalid,
  output logic        m_axi_bready,
  input  logic [1:0]  m_axi_bresp,
  output logic [2:0]  m_axi_arsize,
  output logic [1:0]  m_axi_arburst,
  input  logic        m_axi_rlast,
  output logic [1:0]  m_axi_awid,
  output logic [2:0]  m_axi_awsize,
  output logic [1:0]  m_axi_awburst,
  input  logic [1:0]  m_axi_bid
);

  // Inputs are random until the test drives them: the clock's edge at time 0 must find the reset.
  logic awake = 1'b0, rst_n;

  always @(negedge clk_i) awake <= 1'b1;

  assign rst_n = rst_ni & awake;

  bitmod_accel #(
    .Rows      (Rows),
    .RowTiles  (RowTiles),
    .ColTiles  (ColTiles),
    .Lanes     (Lanes),
    .Cols      (Cols),
    .MaxTokens (MaxTokens),
    .MaxGroups (MaxGroups),
    .MaxBurst  (MaxBurst),
    .QueueDepth(QueueDepth)
  ) i_accel (
    .clk_i,
    .rst_ni(rst_n),
    .irq_o,
    .cfg_aw_valid_i(s_axil_awvalid),
    .cfg_aw_ready_o(s_axil_awready),
    .cfg_aw_addr_i(s_axil_awaddr),
    .cfg_w_valid_i(s_axil_wvalid),
    .cfg_w_ready_o(s_axil_wready),
    .cfg_w_data_i(s_axil_wdata),
    .cfg_w_strb_i(s_axil_wstrb),
    .cfg_b_valid_o(s_axil_bvalid),
    .cfg_b_ready_i(s_axil_bready),
    .cfg_b_resp_o(s_axil_bresp),
    .cfg_ar_valid_i(s_axil_arvalid),
    .cfg_ar_ready_o(s_axil_arready),
    .cfg_ar_addr_i(s_axil_araddr),
    .cfg_r_valid_o(s_axil_rvalid),
    .cfg_r_ready_i(s_axil_rready),
    .cfg_r_data_o(s_axil_rdata),
    .cfg_r_resp_o(s_axil_rresp),
    .ar_valid_o(m_axi_arvalid),
    .ar_ready_i(m_axi_arready),
    .ar_id_o(m_axi_arid),
    .ar_addr_o(m_axi_araddr),
    .ar_len_o(m_axi_arlen),
    .r_valid_i(m_axi_rvalid),
    .r_ready_o(m_axi_rready),
    .r_id_i(m_axi_rid),
    .r_data_i(m_axi_rdata),
    .r_resp_i(m_axi_rresp),
    .aw_valid_o(m_axi_awvalid),
    .aw_ready_i(m_axi_awready),
    .aw_addr_o(m_axi_awaddr),
    .aw_len_o(m_axi_awlen),
    .w_valid_o(m_axi_wvalid),
    .w_ready_i(m_axi_wready),
    .w_data_o(m_axi_wdata),
    .w_strb_o(m_axi_wstrb),
    .w_last_o(m_axi_wlast),
    .b_valid_i(m_axi_bvalid),
    .b_ready_o(m_axi_bready),
    .b_resp_i(m_axi_bresp)
  );

  assign m_axi_arsize  = 3'd3;
  assign m_axi_arburst = 2'd1;
  assign m_axi_awid    = '0;
  assign m_axi_awsize  = 3'd3;
  assign m_axi_awburst = 2'd1;

  // Answers to one identifier come in order, beats are counted.
  logic unused;
  assign unused = ^{m_axi_rlast, m_axi_bid};

endmodule
