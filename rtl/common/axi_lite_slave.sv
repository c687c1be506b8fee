// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// AXI4-Lite slave in front of registers: one write and one read at a time, 32-bit words.
//
// write_o lasts one cycle; write_bad_i in that cycle makes the answer an error, as read_bad_i does for a
// read. read_addr_o holds the address in the cycle read_data_i is taken. Address and data of a write may
// come in any order. It does not decode addresses.

module axi_lite_slave #(
  parameter int unsigned AddrWidth = 8
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  // AXI4-Lite
  input  logic                 aw_valid_i,
  output logic                 aw_ready_o,
  input  logic [AddrWidth-1:0] aw_addr_i,
  input  logic                 w_valid_i,
  output logic                 w_ready_o,
  input  logic [31:0]          w_data_i,
  input  logic [3:0]           w_strb_i,
  output logic                 b_valid_o,
  input  logic                 b_ready_i,
  output logic [1:0]           b_resp_o,
  input  logic                 ar_valid_i,
  output logic                 ar_ready_o,
  input  logic [AddrWidth-1:0] ar_addr_i,
  output logic                 r_valid_o,
  input  logic                 r_ready_i,
  output logic [31:0]          r_data_o,
  output logic [1:0]           r_resp_o,
  // Registers
  output logic                 write_o,
  output logic [AddrWidth-1:0] write_addr_o,
  output logic [31:0]          write_data_o,
  output logic [3:0]           write_strb_o,
  input  logic                 write_bad_i,
  output logic [AddrWidth-1:0] read_addr_o,
  input  logic [31:0]          read_data_i,
  input  logic                 read_bad_i
);

  logic                 addr_full_q, data_full_q, b_valid_q, b_bad_q, r_valid_q, r_bad_q;
  logic [AddrWidth-1:0] addr_q;
  logic [31:0]          data_q, r_data_q;
  logic [3:0]           strb_q;

  assign write_o = addr_full_q && data_full_q && !b_valid_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      addr_full_q <= 1'b0;
      data_full_q <= 1'b0;
      addr_q      <= '0;
      data_q      <= '0;
      strb_q      <= '0;
      b_valid_q   <= 1'b0;
      b_bad_q     <= 1'b0;
    end else begin
      if (aw_valid_i && aw_ready_o) begin
        addr_full_q <= 1'b1;
        addr_q      <= aw_addr_i;
      end
      if (w_valid_i && w_ready_o) begin
        data_full_q <= 1'b1;
        data_q      <= w_data_i;
        strb_q      <= w_strb_i;
      end
      if (b_valid_q && b_ready_i) b_valid_q <= 1'b0;
      if (write_o) begin
        addr_full_q <= 1'b0;
        data_full_q <= 1'b0;
        b_valid_q   <= 1'b1;
        b_bad_q     <= write_bad_i;
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      r_valid_q <= 1'b0;
      r_bad_q   <= 1'b0;
      r_data_q  <= '0;
    end else begin
      if (r_valid_q && r_ready_i) r_valid_q <= 1'b0;
      if (ar_valid_i && ar_ready_o) begin
        r_valid_q <= 1'b1;
        r_bad_q   <= read_bad_i;
        r_data_q  <= read_data_i;
      end
    end
  end

  assign aw_ready_o   = !addr_full_q;
  assign w_ready_o    = !data_full_q;
  assign ar_ready_o   = !r_valid_q;
  assign b_valid_o    = b_valid_q;
  assign b_resp_o     = {b_bad_q, 1'b0};
  assign r_valid_o    = r_valid_q;
  assign r_data_o     = r_data_q;
  assign r_resp_o     = {r_bad_q, 1'b0};
  assign write_addr_o = addr_q;
  assign write_data_o = data_q;
  assign write_strb_o = strb_q;
  assign read_addr_o  = ar_addr_i;

endmodule
