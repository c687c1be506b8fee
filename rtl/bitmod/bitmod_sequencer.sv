// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Order of work of a linear layer, out[t, n] = sum over d of x[t, d] * w[n, d] + bias[n]:
//
//   for each chunk of at most MaxTokens tokens        (activations loaded once a chunk)
//     for each tile of Cols channels                  (weights streamed once a chunk, double-buffered)
//       for each tile of Rows tokens
//         for each group of 128 inputs, slice of Lanes, 2 to 4 terms: one step
//
// A step is issued every cycle, without gaps inside a tile of outputs. A tile waits until its
// activations and weights are loaded and the result queue has room for all its rows, so nothing behind the
// sequencer ever stalls. A chunk begins when the results of the one before have left. Rows and Cols count
// those of all tiles of the array together.
// start_i is heeded only while idle; the shape must not be zero nor exceed the buffers. mode_i is that of the
// layer, from the cycle after start_i on.

module bitmod_sequencer #(
  parameter  int unsigned Rows       = 8,
  parameter  int unsigned Cols       = 8,
  parameter  int unsigned Lanes      = bitmod_pkg::Lanes,
  parameter  int unsigned MaxTokens  = 128,
  parameter  int unsigned MaxGroups  = 3,
  parameter  int unsigned QueueDepth = 16,
  parameter  int unsigned ActAddr    = 11,
  localparam int unsigned SliceWidth = $clog2(bitmod_pkg::GroupSize / Lanes),
  localparam int unsigned GroupAddr  = $clog2(2 * MaxGroups),
  localparam int unsigned CountWidth = $clog2(QueueDepth + 1)
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  // Layer
  input  logic                              start_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0] tokens_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0] channels_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0] groups_i,
  input  bitmod_pkg::mode_e                 mode_i,
  output logic                              busy_o,
  output logic                              done_o,
  // Buffers
  output logic                              chunk_start_o,
  output logic [bitmod_pkg::ShapeWidth-1:0] chunk_tokens_o,
  output logic [bitmod_pkg::ShapeWidth-1:0] chunk_channels_o,
  output logic [bitmod_pkg::ShapeWidth-1:0] groups_o,
  input  logic                              acts_loaded_i,
  input  logic                              weights_loaded_i,
  output logic                              weights_release_o,
  // Step issued in this cycle
  output bitmod_pkg::step_t                 step_o,
  output logic [SliceWidth-1:0]             slice_o,
  output logic [GroupAddr-1:0]              group_o,
  output logic [ActAddr-1:0]                act_addr_o,
  // Of the group whose last step was issued before this cycle, until the next one's
  output logic                              drain_group_first_o,
  output logic                              drain_group_last_o,
  output logic [CountWidth-1:0]             drain_rows_o,
  output logic [Cols-1:0]                   drain_keep_o,
  output logic                              drain_layer_last_o,
  // A result left the queue
  input  logic                              result_left_i
);

  localparam int unsigned ShapeWidth = bitmod_pkg::ShapeWidth;

  typedef enum logic [1:0] {
    Idle,
    Chunk,
    Run,
    Drain
  } state_e;

  state_e                state_q;
  logic [ShapeWidth-1:0] channels_q, groups_q;
  logic [ShapeWidth-1:0] tokens_left_q;    // from this chunk on
  logic [ShapeWidth-1:0] channels_left_q;  // from this tile of channels on
  logic [ShapeWidth-1:0] rows_left_q;      // of this chunk, from this tile of tokens on
  logic [ShapeWidth-1:0] group_q;
  logic [SliceWidth-1:0] slice_q;
  logic [1:0]            term_q;           // down to 0
  logic [ActAddr-1:0]    act_addr_q;
  logic [CountWidth-1:0] room_q;           // free places of the result queue, promised ones not counted
  logic                  done_q;

  logic [ShapeWidth-1:0] chunk_tokens;
  logic [CountWidth-1:0] rows_now;
  logic group_begin, slice_end, tile_begin, issue, group_end, tile_end;
  logic last_token_tile, last_channel_tile, last_chunk, drained;

  assign chunk_tokens = (tokens_left_q > ShapeWidth'(MaxTokens)) ? ShapeWidth'(MaxTokens) : tokens_left_q;
  assign rows_now     = (rows_left_q > ShapeWidth'(Rows)) ? CountWidth'(Rows) : CountWidth'(rows_left_q);

  assign last_token_tile   = rows_left_q <= ShapeWidth'(Rows);
  assign last_channel_tile = channels_left_q <= ShapeWidth'(Cols);
  assign last_chunk        = tokens_left_q <= ShapeWidth'(MaxTokens);
  assign drained           = room_q == CountWidth'(QueueDepth);

  assign group_begin = slice_q == '0 && term_q == mode_i;
  assign slice_end   = term_q == 2'd0;
  assign tile_begin  = group_begin && group_q == '0;
  assign issue       = state_q == Run &&
                       (!tile_begin || (acts_loaded_i && weights_loaded_i && room_q >= rows_now));
  assign group_end   = issue && slice_q == '1 && slice_end;
  assign tile_end    = group_end && group_q + ShapeWidth'(1) == groups_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q         <= Idle;
      channels_q      <= '0;
      groups_q        <= '0;
      tokens_left_q   <= '0;
      channels_left_q <= '0;
      rows_left_q     <= '0;
      group_q         <= '0;
      slice_q         <= '0;
      term_q          <= '0;
      act_addr_q      <= '0;
      done_q          <= 1'b0;
    end else begin
      done_q <= 1'b0;
      unique case (state_q)
        Idle: begin
          if (start_i) begin
            state_q       <= Chunk;
            tokens_left_q <= tokens_i;
            channels_q    <= channels_i;
            groups_q      <= groups_i;
          end
        end
        Chunk: begin
          state_q         <= Run;
          channels_left_q <= channels_q;
          term_q          <= mode_i;
          rows_left_q     <= chunk_tokens;
          act_addr_q      <= '0;
        end
        Run: begin
          if (issue) begin
            term_q <= slice_end ? mode_i : term_q - 2'd1;
            // All terms of a slice use the same activations.
            if (slice_end) begin
              slice_q    <= slice_q + SliceWidth'(1);
              act_addr_q <= act_addr_q + ActAddr'(1);
            end
            if (group_end) group_q <= tile_end ? '0 : group_q + ShapeWidth'(1);
            if (tile_end) begin
              rows_left_q <= rows_left_q - ShapeWidth'(Rows);
              if (last_token_tile) begin
                rows_left_q     <= chunk_tokens;
                act_addr_q      <= '0;
                channels_left_q <= channels_left_q - ShapeWidth'(Cols);
                if (last_channel_tile) state_q <= Drain;
              end
            end
          end
        end
        Drain: begin
          if (drained) begin
            tokens_left_q <= tokens_left_q - chunk_tokens;
            state_q       <= last_chunk ? Idle : Chunk;
            done_q        <= last_chunk;
          end
        end
      endcase
    end
  end

  // Room in the result queue: taken by a tile when it begins, given back as its results leave.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      room_q <= CountWidth'(QueueDepth);
    end else begin
      room_q <= room_q - ((issue && tile_begin) ? rows_now : '0) + CountWidth'(result_left_i);
    end
  end

  // What the drain must know of a group, kept while the next group is under way.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      drain_group_first_o <= 1'b0;
      drain_group_last_o  <= 1'b0;
      drain_rows_o        <= '0;
      drain_keep_o        <= '0;
      drain_layer_last_o  <= 1'b0;
    end else if (group_end) begin
      drain_group_first_o <= group_q == '0;
      drain_group_last_o  <= tile_end;
      drain_rows_o        <= rows_now;
      for (int unsigned c = 0; c < Cols; c++) drain_keep_o[c] <= ShapeWidth'(c) < channels_left_q;
      drain_layer_last_o  <= last_token_tile && last_channel_tile && last_chunk;
    end
  end

  assign busy_o            = state_q != Idle;
  assign done_o            = done_q;
  assign chunk_start_o     = state_q == Chunk;
  assign chunk_tokens_o    = chunk_tokens;
  assign chunk_channels_o  = channels_q;
  assign groups_o          = groups_q;
  assign weights_release_o = tile_end && last_token_tile;
  assign slice_o           = slice_q;
  assign group_o           = GroupAddr'(group_q);
  assign act_addr_o        = act_addr_q;

  assign step_o.valid      = issue;
  assign step_o.term       = term_q;
  assign step_o.first      = group_begin;
  assign step_o.last       = slice_q == '1 && slice_end;
  assign step_o.tile_first = tile_begin;
  assign step_o.tile_last  = tile_end;

  if (MaxTokens % Rows != 0) begin : gen_bad_tokens
    $error("bitmod_sequencer: MaxTokens must be a multiple of Rows");
  end

endmodule
