// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The DMA with its AXI4 port under the names that bus models look for.

module sn40l_dma_harness #(
  parameter int unsigned QueueDepth = 4,
  parameter int unsigned Segments   = 4,
  parameter int unsigned Slots      = 16
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                abort_i,
  input  logic [Segments-1:0][90:0] segments_i,
  input  logic                descriptor_valid_i,
  output logic                descriptor_ready_o,
  input  logic [329:0]        descriptor_i,
  output logic                idle_o,
  output logic                completion_valid_o,
  output logic [72:0]         completion_o,
  output logic                irq_o,
  input  logic [2:0]          token_i,
  output logic [2:0]          token_o,
  output logic                ld_valid_o,
  input  logic                ld_ready_i,
  output logic [255:0]        ld_data_o,
  output logic                ld_last_o,
  output logic                ld_poison_o,
  input  logic                st_valid_i,
  output logic                st_ready_o,
  input  logic [255:0]        st_data_i,
  input  logic                st_poison_i,
  output logic                queue_full_o,
  output logic                waiting_o,
  output logic                busy_o,
  output logic                m_axi_arvalid,
  input  logic                m_axi_arready,
  output logic [3:0]          m_axi_arid,
  output logic [39:0]         m_axi_araddr,
  output logic [7:0]          m_axi_arlen,
  output logic [2:0]          m_axi_arsize,
  output logic [1:0]          m_axi_arburst,
  input  logic                m_axi_rvalid,
  output logic                m_axi_rready,
  input  logic [3:0]          m_axi_rid,
  input  logic [255:0]        m_axi_rdata,
  input  logic [1:0]          m_axi_rresp,
  input  logic                m_axi_rlast,
  output logic                m_axi_awvalid,
  input  logic                m_axi_awready,
  output logic [3:0]          m_axi_awid,
  output logic [39:0]         m_axi_awaddr,
  output logic [7:0]          m_axi_awlen,
  output logic [2:0]          m_axi_awsize,
  output logic [1:0]          m_axi_awburst,
  output logic                m_axi_wvalid,
  input  logic                m_axi_wready,
  output logic [255:0]        m_axi_wdata,
  output logic [31:0]         m_axi_wstrb,
  output logic                m_axi_wlast,
  input  logic                m_axi_bvalid,
  output logic                m_axi_bready,
  input  logic [3:0]          m_axi_bid,
  input  logic [1:0]          m_axi_bresp
);

  // Inputs are random until the test drives them: the clock's edge at time 0 must find the reset.
  logic awake = 1'b0, rst_n;

  always @(negedge clk_i) awake <= 1'b1;

  assign rst_n = rst_ni & awake;

  sn40l_dma #(
    .QueueDepth(QueueDepth),
    .Segments  (Segments),
    .Slots     (Slots)
  ) i_dma (
    .clk_i,
    .rst_ni(rst_n),
    .abort_i,
    .segments_i,
    .descriptor_valid_i,
    .descriptor_ready_o,
    .descriptor_i,
    .idle_o,
    .completion_valid_o,
    .completion_o,
    .irq_o,
    .token_i,
    .token_o,
    .ld_valid_o,
    .ld_ready_i,
    .ld_data_o,
    .ld_last_o,
    .ld_poison_o,
    .st_valid_i,
    .st_ready_o,
    .st_data_i,
    .st_poison_i,
    .queue_full_o,
    .waiting_o,
    .busy_o,
    .ar_valid_o(m_axi_arvalid),
    .ar_ready_i(m_axi_arready),
    .ar_id_o   (m_axi_arid),
    .ar_addr_o (m_axi_araddr),
    .ar_len_o  (m_axi_arlen),
    .r_valid_i (m_axi_rvalid),
    .r_ready_o (m_axi_rready),
    .r_id_i    (m_axi_rid),
    .r_data_i  (m_axi_rdata),
    .r_resp_i  (m_axi_rresp),
    .aw_valid_o(m_axi_awvalid),
    .aw_ready_i(m_axi_awready),
    .aw_id_o   (m_axi_awid),
    .aw_addr_o (m_axi_awaddr),
    .aw_len_o  (m_axi_awlen),
    .w_valid_o (m_axi_wvalid),
    .w_ready_i (m_axi_wready),
    .w_data_o  (m_axi_wdata),
    .w_strb_o  (m_axi_wstrb),
    .w_last_o  (m_axi_wlast),
    .b_valid_i (m_axi_bvalid),
    .b_ready_o (m_axi_bready),
    .b_id_i    (m_axi_bid),
    .b_resp_i  (m_axi_bresp)
  );

  assign m_axi_arsize  = 3'd5;
  assign m_axi_arburst = 2'd1;
  assign m_axi_awsize  = 3'd5;
  assign m_axi_awburst = 2'd1;

  // Beats are counted.
  logic unused;
  assign unused = m_axi_rlast;

endmodule
