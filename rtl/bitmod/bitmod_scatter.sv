// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Where the results of bitmod_linear go: a write command and its data for every result word.
//
// start_i, while idle, takes the layer's results address, tokens and channels. Results are FP32
// [tokens, channels], row-major. They come per chunk of MaxTokens tokens, per tile of Cols channels, per
// token; each is one row piece of up to Cols channels. Addresses are found by adding, not multiplying.
// A result is taken only when its command is, and the next one when its data have left.

module bitmod_scatter #(
  parameter int unsigned Cols      = 8,
  parameter int unsigned MaxTokens = 128
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  // Layer
  input  logic                              start_i,
  input  logic [63:0]                       results_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0] tokens_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0] channels_i,
  output logic                              idle_o,
  // Results
  input  logic                              valid_i,
  output logic                              ready_o,
  input  logic [32*Cols-1:0]                data_i,
  // Write command
  output logic                              cmd_valid_o,
  input  logic                              cmd_ready_i,
  output logic [63:0]                       cmd_addr_o,
  output logic [bitmod_pkg::ShapeWidth-1:0] cmd_words_o,
  // Its data
  output logic                              data_valid_o,
  input  logic                              data_ready_i,
  output logic [63:0]                       data_o
);

  localparam int unsigned ShapeWidth = bitmod_pkg::ShapeWidth;
  localparam int unsigned Pairs      = (Cols + 1) / 2;
  localparam int unsigned PairWidth  = $clog2(Pairs + 1);

  logic [63:0]           tile_addr_q;      // first token of the chunk, this tile of channels
  logic [63:0]           row_addr_q;       // this token, this tile of channels
  logic [63:0]           next_chunk_q;     // first token of the next chunk
  logic [ShapeWidth-1:0] channels_q, channels_left_q;
  logic [ShapeWidth-1:0] tokens_left_q;    // from this chunk on
  logic [ShapeWidth-1:0] rows_left_q;      // of this chunk
  logic                  first_tile_q;
  logic [64*Pairs-1:0]   data_q;
  logic [PairWidth-1:0]  pairs_q;          // left to send

  logic [ShapeWidth-1:0] words, chunk_tokens, tokens_after, chunk_after;
  logic [63:0]           next_row;
  logic                  take, row_end, tile_end;

  assign words        = (channels_left_q > ShapeWidth'(Cols)) ? ShapeWidth'(Cols) : channels_left_q;
  assign chunk_tokens = (tokens_left_q > ShapeWidth'(MaxTokens)) ? ShapeWidth'(MaxTokens) : tokens_left_q;
  assign tokens_after = tokens_left_q - chunk_tokens;
  assign chunk_after  = (tokens_after > ShapeWidth'(MaxTokens)) ? ShapeWidth'(MaxTokens) : tokens_after;
  assign next_row     = row_addr_q + 64'({channels_q, 2'd0});
  assign take         = valid_i && ready_o;
  assign row_end      = rows_left_q == ShapeWidth'(1);
  assign tile_end     = channels_left_q <= ShapeWidth'(Cols);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      tile_addr_q     <= '0;
      row_addr_q      <= '0;
      next_chunk_q    <= '0;
      channels_q      <= '0;
      channels_left_q <= '0;
      tokens_left_q   <= '0;
      rows_left_q     <= '0;
      first_tile_q    <= 1'b0;
    end else if (start_i) begin
      tile_addr_q     <= results_i;
      row_addr_q      <= results_i;
      channels_q      <= channels_i;
      channels_left_q <= channels_i;
      tokens_left_q   <= tokens_i;
      rows_left_q     <= (tokens_i > ShapeWidth'(MaxTokens)) ? ShapeWidth'(MaxTokens) : tokens_i;
      first_tile_q    <= 1'b1;
    end else if (take) begin
      rows_left_q <= rows_left_q - ShapeWidth'(1);
      row_addr_q  <= next_row;
      if (row_end) begin
        // The row after the first tile's last one begins the next chunk.
        if (first_tile_q) next_chunk_q <= next_row;
        first_tile_q    <= 1'b0;
        channels_left_q <= channels_left_q - words;
        rows_left_q     <= chunk_tokens;
        tile_addr_q     <= tile_addr_q + 64'(4 * Cols);
        row_addr_q      <= tile_addr_q + 64'(4 * Cols);
        if (tile_end) begin
          first_tile_q    <= 1'b1;
          channels_left_q <= channels_q;
          tokens_left_q   <= tokens_after;
          rows_left_q     <= chunk_after;
          tile_addr_q     <= first_tile_q ? next_row : next_chunk_q;
          row_addr_q      <= first_tile_q ? next_row : next_chunk_q;
        end
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      data_q  <= '0;
      pairs_q <= '0;
    end else if (take) begin
      data_q  <= (64 * Pairs)'(data_i);
      pairs_q <= PairWidth'((words + ShapeWidth'(1)) >> 1);
    end else if (data_valid_o && data_ready_i) begin
      data_q  <= data_q >> 64;
      pairs_q <= pairs_q - PairWidth'(1);
    end
  end

  assign idle_o       = pairs_q == '0;
  assign ready_o      = pairs_q == '0 && cmd_ready_i;
  assign cmd_valid_o  = pairs_q == '0 && valid_i;
  assign cmd_addr_o   = row_addr_q;
  assign cmd_words_o  = words;
  assign data_valid_o = pairs_q != '0;
  assign data_o       = data_q[63:0];

endmodule
