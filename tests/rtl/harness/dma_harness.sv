// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A copy engine: what the read engine brings, the write engine writes.

module dma_harness #(
  parameter int unsigned MaxBurst = 16,
  parameter int unsigned Depth    = 32
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        flush_i,
  input  logic        read_valid_i,
  output logic        read_ready_o,
  input  logic [63:0] read_addr_i,
  input  logic [39:0] read_words_i,
  input  logic        write_valid_i,
  output logic        write_ready_o,
  input  logic [63:0] write_addr_i,
  input  logic [15:0] write_words_i,
  output logic [1:0]  idle_o,
  output logic [1:0]  error_o,
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

  logic        valid, ready;
  logic [63:0] data;

  axi_read_dma #(
    .MaxBurst(MaxBurst),
    .Depth   (Depth)
  ) i_read (
    .clk_i,
    .rst_ni(rst_n),
    .valid_i(read_valid_i),
    .ready_o(read_ready_o),
    .addr_i (read_addr_i),
    .words_i(read_words_i),
    .flush_i,
    .idle_o (idle_o[0]),
    .error_o(error_o[0]),
    .valid_o(valid),
    .ready_i(ready),
    .data_o (data),
    .ar_valid_o(m_axi_arvalid),
    .ar_ready_i(m_axi_arready),
    .ar_addr_o(m_axi_araddr),
    .ar_len_o(m_axi_arlen),
    .r_valid_i(m_axi_rvalid),
    .r_ready_o(m_axi_rready),
    .r_data_i(m_axi_rdata),
    .r_resp_i(m_axi_rresp)
  );

  axi_write_dma #(
    .MaxBurst      (MaxBurst),
    .MaxOutstanding(2)
  ) i_write (
    .clk_i,
    .rst_ni(rst_n),
    .valid_i     (write_valid_i),
    .ready_o     (write_ready_o),
    .addr_i      (write_addr_i),
    .words_i     (write_words_i),
    .flush_i,
    .idle_o      (idle_o[1]),
    .error_o     (error_o[1]),
    .data_valid_i(valid),
    .data_ready_o(ready),
    .data_i      (data),
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

  assign m_axi_arid = '0;
  assign m_axi_arsize  = 3'd3;
  assign m_axi_arburst = 2'd1;
  assign m_axi_awid    = '0;
  assign m_axi_awsize  = 3'd3;
  assign m_axi_awburst = 2'd1;

  // Answers to one identifier come in order, beats are counted.
  logic unused;
  assign unused = ^{m_axi_rlast, m_axi_bid, m_axi_rid};

endmodule
