// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The 1D row: a lane below every column of the array, and their quotients brought back side by side.
//
// An operation given in a cycle runs in lane c c + 1 cycles later; the word announced with down_i arrives
// there c + 1 cycles later. All quotients of one operation leave together, fusemax_pkg::DivLatency + Cols
// cycles after it was given. en_i low holds all but the dividers and the quotients.

module fusemax_row #(
  parameter  int unsigned Cols        = 4,
  parameter  int unsigned LaneEntries = 32,
  parameter  int unsigned StateDepth  = 256,
  localparam int unsigned StateAddr   = $clog2(StateDepth)
) (
  input  logic                                       clk_i,
  input  logic                                       rst_ni,
  input  logic                                       en_i,
  input  fusemax_pkg::lane_op_t                      op_i,
  input  logic [StateAddr-1:0]                       addr_i,
  input  fusemax_pkg::down_t                         down_i,
  // Array
  input  logic [Cols-1:0][31:0]                      down_word_i,
  input  logic [Cols-1:0][fusemax_pkg::LaneAddr-1:0] up_lane_i,
  output logic [Cols-1:0][31:0]                      up_word_o,
  // Quotients, FP16
  output logic                                       av_valid_o,
  output logic [Cols-1:0][15:0]                      av_o
);

  localparam int unsigned OpWidth   = fusemax_pkg::LaneOpWidth;
  localparam int unsigned DownWidth = fusemax_pkg::DownWidth;

  logic [Cols:0][OpWidth-1:0]   op;
  logic [Cols:0][StateAddr-1:0] addr;
  logic [Cols:0][DownWidth-1:0] down;
  logic [Cols-1:0]              valid;

  assign op[0]   = op_i;
  assign addr[0] = addr_i;
  assign down[0] = down_i;

  for (genvar c = 0; c < Cols; c++) begin : gen_lane
    logic [15:0] quotient;

    fusemax_lane #(
      .LaneEntries(LaneEntries),
      .StateDepth (StateDepth)
    ) i_lane (
      .clk_i,
      .rst_ni,
      .en_i,
      .op_i       (op[c]),
      .addr_i     (addr[c]),
      .down_i     (down[c]),
      .op_o       (op[c+1]),
      .addr_o     (addr[c+1]),
      .down_o     (down[c+1]),
      .down_word_i(down_word_i[c]),
      .up_lane_i  (up_lane_i[c]),
      .up_word_o  (up_word_o[c]),
      .av_valid_o (valid[c]),
      .av_o       (quotient)
    );

    // Lane c is Cols - 1 - c cycles ahead of the last one.
    if (c == Cols - 1) begin : gen_last
      assign av_o[c] = quotient;
    end else begin : gen_wait
      delay_line #(
        .Width(16),
        .Depth(Cols - 1 - c)
      ) i_wait (
        .clk_i,
        .rst_ni,
        .data_i(quotient),
        .data_o(av_o[c])
      );
    end
  end

  assign av_valid_o = valid[Cols-1];

  // The lanes run one after the other; the last one speaks for all. Nothing is beyond it.
  logic unused_ends;
  assign unused_ends = ^{op[Cols], addr[Cols], down[Cols], valid};

  if (Cols < 2) begin : gen_bad_cols
    $error("fusemax_row: Cols must be at least 2");
  end

endmodule
