// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Top edge of one column of the array: the column's queries, and what enters the column from above.
//
// An operation enters in the cycle before it runs in the column's first element, reads its word of Q, and
// goes on to the edge of the next column. Into the column goes for MAC the word of Q, for SUBV a register
// of the column's lane, for MAXD minus infinity, else zero. en_i low holds operations and words, not
// writes.

module fusemax_top_edge #(
  parameter  int unsigned Depth     = 256,
  localparam int unsigned AddrWidth = $clog2(Depth)
) (
  input  logic                             clk_i,
  input  logic                             rst_ni,
  input  logic                             en_i,
  // Loading, FP16
  input  logic                             we_i,
  input  logic [AddrWidth-1:0]             waddr_i,
  input  logic [15:0]                      wdata_i,
  // Operation from the edge on the left
  input  logic [3:0]                       op_i,
  input  logic [fusemax_pkg::LaneAddr-1:0] lane_i,
  input  logic [AddrWidth-1:0]             addr_i,
  // To the edge on the right
  output logic [3:0]                       op_o,
  output logic [fusemax_pkg::LaneAddr-1:0] lane_o,  // also the register wanted of the lane
  output logic [AddrWidth-1:0]             addr_o,
  // Register of the lane; to the first element
  input  logic [31:0]                      lane_word_i,
  output logic [31:0]                      v_o
);

  logic [3:0]                       op_q;
  logic [fusemax_pkg::LaneAddr-1:0] lane_q;
  logic [AddrWidth-1:0]             addr_q;
  logic [15:0]                      word;
  logic [31:0]                      query;

  sram_1r1w #(.Width(16), .Depth(Depth)) i_bank (
    .clk_i,
    .rst_ni,
    .we_i,
    .waddr_i,
    .wdata_i,
    .re_i   (en_i && op_i == fusemax_pkg::Op2Mac),
    .raddr_i(addr_i),
    .rdata_o(word)
  );

  fp16_to_fp32 i_widen (.value_i(word), .value_o(query));

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      op_q   <= '0;
      lane_q <= '0;
      addr_q <= '0;
    end else if (en_i) begin
      op_q   <= op_i;
      lane_q <= lane_i;
      addr_q <= addr_i;
    end
  end

  always_comb begin
    unique case (op_q)
      fusemax_pkg::Op2Mac:  v_o = query;
      fusemax_pkg::Op2Subv: v_o = lane_word_i;
      fusemax_pkg::Op2Maxd: v_o = fusemax_pkg::MinusInfinity;
      default:              v_o = fusemax_pkg::PlusZero;
    endcase
  end

  assign op_o   = op_q;
  assign lane_o = lane_q;
  assign addr_o = addr_q;

endmodule
