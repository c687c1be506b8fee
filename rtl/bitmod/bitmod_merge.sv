// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Results of RowTiles rows of tiles in token order, one row a cycle.
//
// Rows of tiles give their Rows rows almost at once, a cycle after each other; here they wait in a queue
// each until the rows before them have passed. Every tile of outputs brings all its rows, those beyond the
// last token too. A row leaves a cycle after it came at the earliest; there is no back pressure, and tiles
// of outputs must come at least Rows * RowTiles cycles apart.

module bitmod_merge #(
  parameter  int unsigned Rows     = 8,
  parameter  int unsigned Cols     = 8,
  parameter  int unsigned RowTiles = 2,
  localparam int unsigned RowWidth = (Rows * RowTiles > 1) ? $clog2(Rows * RowTiles) : 1
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  input  logic [RowTiles-1:0]                 valid_i,
  input  logic [RowTiles-1:0][Cols-1:0][31:0] data_i,
  input  logic [RowTiles-1:0]                 poison_i,
  output logic                                valid_o,
  output logic [RowWidth-1:0]                 row_o,
  output logic [Cols-1:0][31:0]               data_o,
  output logic                                poison_o
);

  localparam int unsigned WordWidth   = 32 * Cols + 1;
  localparam int unsigned LastRow     = Rows * RowTiles - 1;
  localparam int unsigned TurnWidth   = $clog2(RowTiles);
  localparam int unsigned TileRowWidth = (Rows > 1) ? $clog2(Rows) : 1;

  logic [RowTiles-1:0]                word_valid, word_ready, queue_ready;
  logic [RowTiles-1:0][WordWidth-1:0] word;
  logic [RowWidth-1:0]                row_q;       // which row leaves next
  logic [TurnWidth-1:0]               turn_q;      // of which row of tiles
  logic [TileRowWidth-1:0]            tile_row_q;  // and its place there

  for (genvar i = 0; i < RowTiles; i++) begin : gen_queue
    stream_fifo #(
      .Width(WordWidth),
      .Depth(Rows + 2)
    ) i_queue (
      .clk_i,
      .rst_ni,
      .valid_i(valid_i[i]),
      .ready_o(queue_ready[i]),
      .data_i ({poison_i[i], data_i[i]}),
      .valid_o(word_valid[i]),
      .ready_i(word_ready[i]),
      .data_o (word[i])
    );
    assign word_ready[i] = turn_q == TurnWidth'(i);
  end

  assign valid_o            = word_valid[turn_q];
  assign row_o              = row_q;
  assign {poison_o, data_o} = word[turn_q];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      row_q      <= '0;
      turn_q     <= '0;
      tile_row_q <= '0;
    end else if (valid_o) begin
      row_q      <= (row_q == RowWidth'(LastRow)) ? '0 : row_q + RowWidth'(1);
      tile_row_q <= tile_row_q + TileRowWidth'(1);
      if (tile_row_q == TileRowWidth'(Rows - 1)) begin
        tile_row_q <= '0;
        turn_q     <= (turn_q == TurnWidth'(RowTiles - 1)) ? '0 : turn_q + TurnWidth'(1);
      end
    end
  end

  // Asserted in bitmod_merge_props.
  logic unused_ready;
  assign unused_ready = ^queue_ready;

endmodule
