// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Left edge of one row of the array: the row's keys and values, and the operations on their way down.
//
// An operation enters in the cycle before it runs in the row's first element and reads its word of K or V.
// With the word it goes to that element, and to the edge of the next row. Two tiles of keys fit; words are
// written whenever they come. en_i low holds operations and words, not writes.

module fusemax_left_edge #(
  parameter  int unsigned Depth     = 256,
  localparam int unsigned AddrWidth = $clog2(Depth)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 en_i,
  // Loading, FP16
  input  logic                 we_i,
  input  logic [AddrWidth-1:0] waddr_i,
  input  logic [15:0]          wdata_i,
  // Operation from the edge above; beyond_i: this row has no key in the last tile
  input  logic                 beyond_i,
  input  fusemax_pkg::pe_op_t  op_i,
  input  logic                 last_tile_i,
  input  logic                 read_i,
  input  logic [AddrWidth-1:0] addr_i,
  // To the edge below
  output fusemax_pkg::pe_op_t  op_o,
  output logic                 last_tile_o,
  output logic                 read_o,
  output logic [AddrWidth-1:0] addr_o,
  // To the first element
  output fusemax_pkg::pe_op_t  pe_op_o,
  output logic [31:0]          h_o
);

  fusemax_pkg::pe_op_t  op_q;
  logic                 last_tile_q, read_q;
  logic [AddrWidth-1:0] addr_q;
  logic [15:0]          word;

  sram_1r1w #(.Width(16), .Depth(Depth)) i_bank (
    .clk_i,
    .rst_ni,
    .we_i,
    .waddr_i,
    .wdata_i,
    .re_i   (read_i & en_i),
    .raddr_i(addr_i),
    .rdata_o(word)
  );

  fp16_to_fp32 i_widen (.value_i(word), .value_o(h_o));

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      op_q        <= '0;
      last_tile_q <= 1'b0;
      read_q      <= 1'b0;
      addr_q      <= '0;
    end else if (en_i) begin
      op_q        <= op_i;
      last_tile_q <= last_tile_i;
      read_q      <= read_i;
      addr_q      <= addr_i;
    end
  end

  always_comb begin
    pe_op_o      = op_q;
    pe_op_o.pass = last_tile_q & beyond_i;
  end

  assign op_o        = op_q;
  assign last_tile_o = last_tile_q;
  assign read_o      = read_q;
  assign addr_o      = addr_q;

endmodule
