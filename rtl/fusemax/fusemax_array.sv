// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Rows x Cols elements with their edges: rows are keys, columns are queries (FuseMax, figure 5).
//
// An operation runs in element (r, c) r + c + 1 cycles after it was given. Its word of K or V comes from
// the left, its word of Q, or what a sum or maximum starts from, from above; what leaves the bottom of
// column c is in down_o[c] Rows + c + 1 cycles after. Column c asks for a register of its lane with
// lane_o[c] and takes it in that cycle. en_i low holds everything but loading.

module fusemax_array #(
  parameter  int unsigned Rows      = 4,
  parameter  int unsigned Cols      = 4,
  parameter  int unsigned KvDepth   = 256,  // words of K and V of a row
  parameter  int unsigned QDepth    = 256,  // words of Q of a column
  parameter  int unsigned RfEntries = 10,
  localparam int unsigned KvAddr    = $clog2(KvDepth),
  localparam int unsigned QAddr     = $clog2(QDepth)
) (
  input  logic                                       clk_i,
  input  logic                                       rst_ni,
  input  logic                                       en_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0]         last_rows_i,
  // Loading, FP16, first row or column in the low bits
  input  logic                                       kv_we_i,
  input  logic [KvAddr-1:0]                          kv_waddr_i,
  input  logic [Rows-1:0][15:0]                      kv_wdata_i,
  input  logic                                       q_we_i,
  input  logic [QAddr-1:0]                           q_waddr_i,
  input  logic [Cols-1:0][15:0]                      q_wdata_i,
  // Operation
  input  fusemax_pkg::pe_op_t                        op_i,
  input  logic                                       last_tile_i,
  input  logic                                       kv_read_i,
  input  logic [KvAddr-1:0]                          kv_addr_i,
  input  logic [QAddr-1:0]                           q_addr_i,
  input  logic [fusemax_pkg::LaneAddr-1:0]           lane_i,
  // Lanes
  output logic [Cols-1:0][fusemax_pkg::LaneAddr-1:0] lane_o,
  input  logic [Cols-1:0][31:0]                      lane_word_i,
  output logic [Cols-1:0][31:0]                      down_o
);

  localparam int unsigned OpWidth  = fusemax_pkg::PeOpWidth;
  localparam int unsigned LaneAddr = fusemax_pkg::LaneAddr;

  // Element [r][c] is what enters element (r, c), or its edge; the last one leaves the array.
  logic [Rows:0][OpWidth-1:0]              edge_op;
  logic [Rows:0]                           edge_last, edge_read;
  logic [Rows:0][KvAddr-1:0]               edge_addr;
  logic [Cols:0][3:0]                      top_op;
  logic [Cols:0][LaneAddr-1:0]             top_lane;
  logic [Cols:0][QAddr-1:0]                top_addr;
  logic [Rows-1:0][Cols:0][OpWidth-1:0]    op;
  logic [Rows-1:0][Cols:0][31:0]           h;
  logic [Rows:0][Cols-1:0][31:0]           v;

  assign edge_op[0]   = op_i;
  assign edge_last[0] = last_tile_i;
  assign edge_read[0] = kv_read_i;
  assign edge_addr[0] = kv_addr_i;
  assign top_op[0]    = op_i.op;
  assign top_lane[0]  = lane_i;
  assign top_addr[0]  = q_addr_i;
  assign lane_o       = top_lane[Cols:1];
  assign down_o       = v[Rows];

  for (genvar c = 0; c < Cols; c++) begin : gen_top_edge
    fusemax_top_edge #(.Depth(QDepth)) i_edge (
      .clk_i,
      .rst_ni,
      .en_i,
      .we_i       (q_we_i),
      .waddr_i    (q_waddr_i),
      .wdata_i    (q_wdata_i[c]),
      .op_i       (top_op[c]),
      .lane_i     (top_lane[c]),
      .addr_i     (top_addr[c]),
      .op_o       (top_op[c+1]),
      .lane_o     (top_lane[c+1]),
      .addr_o     (top_addr[c+1]),
      .lane_word_i(lane_word_i[c]),
      .v_o        (v[0][c])
    );
  end

  for (genvar r = 0; r < Rows; r++) begin : gen_row
    fusemax_left_edge #(.Depth(KvDepth)) i_edge (
      .clk_i,
      .rst_ni,
      .en_i,
      .we_i       (kv_we_i),
      .waddr_i    (kv_waddr_i),
      .wdata_i    (kv_wdata_i[r]),
      .beyond_i   (fusemax_pkg::ShapeWidth'(r) >= last_rows_i),
      .op_i       (edge_op[r]),
      .last_tile_i(edge_last[r]),
      .read_i     (edge_read[r]),
      .addr_i     (edge_addr[r]),
      .op_o       (edge_op[r+1]),
      .last_tile_o(edge_last[r+1]),
      .read_o     (edge_read[r+1]),
      .addr_o     (edge_addr[r+1]),
      .pe_op_o    (op[r][0]),
      .h_o        (h[r][0])
    );

    for (genvar c = 0; c < Cols; c++) begin : gen_col
      fusemax_pe #(.RfEntries(RfEntries)) i_pe (
        .clk_i,
        .rst_ni,
        .en_i,
        .op_i(op[r][c]),
        .h_i (h[r][c]),
        .v_i (v[r][c]),
        .op_o(op[r][c+1]),
        .h_o (h[r][c+1]),
        .v_o (v[r+1][c])
      );
    end

    // Nothing is to the right of the last column.
    logic unused_right;
    assign unused_right = ^{op[r][Cols], h[r][Cols]};
  end

  // Nothing is below the last row's edge, nor beyond the last column's.
  logic unused_ends;
  assign unused_ends = ^{edge_op[Rows], edge_last[Rows], edge_read[Rows], edge_addr[Rows], top_op[Cols],
                         top_addr[Cols]};

endmodule
