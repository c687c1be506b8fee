// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A linear layer with BitMoD or integer weights and FP16 activations: streams in, streams out.
//
// out[t, n] = (sum over groups g of fp32(scale[n, g] * dot of group g)) * channel_scale[n] + bias[n]
//
// start_i takes the shape (tokens, channels, groups of 128 inputs), what the weights are, and the four
// special values of floating-point ones, each as two bit-serial terms. The activation stream brings the
// tokens in order, once. The weight stream brings all channels in order, once per chunk of MaxTokens tokens.
// Word formats: bitmod_activation_buffer, bitmod_weight_bank.
// A result word is one token's FP32 outputs for Cols * ColTiles neighbouring channels, first in the low bits,
// out_keep_o telling which exist; order: chunk, tile of channels, token; out_last_o marks the layer's last.
// Ragged tokens and channels are handled; ragged inputs must come padded with zeros to whole groups.
// A token with an infinity or NaN gives NaN in all channels and sets nonfinite_o until the next start.
// cycles_o counts the cycles busy_o is high. Shapes of zero, or beyond the buffers, are not caught.

module bitmod_linear #(
  parameter  int unsigned Rows      = 8,    // tokens a tile works on at once
  parameter  int unsigned Cols      = 8,    // output channels a tile works on at once
  parameter  int unsigned RowTiles  = 1,    // tiles for more tokens
  parameter  int unsigned ColTiles  = 1,    // tiles for more channels
  parameter  int unsigned Lanes     = bitmod_pkg::Lanes,  // of an element: 2, 4 or 8
  parameter  int unsigned MaxTokens = 128,  // activation buffer, a multiple of Rows * RowTiles
  parameter  int unsigned MaxGroups = 3,    // both buffers, in groups of 128 inputs
  parameter  int unsigned AccWidth  = bitmod_pkg::AccWidth,  // of a group's sum, sign included, 12..18
  parameter  bit          Truncate  = 1'b0,  // drop bits that do not fit instead of rounding to nearest even
  localparam int unsigned AllCols   = Cols * ColTiles
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  input  logic                              start_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0] tokens_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0] channels_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0] groups_i,
  input  bitmod_pkg::mode_e                 mode_i,
  input  logic [3:0][bitmod_pkg::TermsWidth-1:0] special_terms_i,
  output logic                              busy_o,
  output logic                              done_o,
  output logic                              nonfinite_o,
  output logic [63:0]                       cycles_o,
  // Activations
  input  logic                              act_valid_i,
  output logic                              act_ready_o,
  input  logic [63:0]                       act_data_i,
  // Weights
  input  logic                              weight_valid_i,
  output logic                              weight_ready_o,
  input  logic [63:0]                       weight_data_i,
  // Results
  output logic                              out_valid_o,
  input  logic                              out_ready_i,
  output logic [32*AllCols-1:0]             out_data_o,
  output logic [AllCols-1:0]                out_keep_o,
  output logic                              out_last_o
);

  localparam int unsigned ShapeWidth = bitmod_pkg::ShapeWidth;
  localparam int unsigned SliceWidth = $clog2(bitmod_pkg::GroupSize / Lanes);
  localparam int unsigned ScaleWidth = bitmod_pkg::ScaleWidth;
  localparam int unsigned AllRows    = Rows * RowTiles;
  localparam int unsigned RowWidth   = (AllRows > 1) ? $clog2(AllRows) : 1;
  localparam int unsigned BankTokens = MaxTokens / AllRows;
  localparam int unsigned ActAddr    = $clog2(BankTokens * MaxGroups * bitmod_pkg::GroupSize / Lanes);
  localparam int unsigned GroupAddr  = $clog2(2 * MaxGroups);
  // Results of one tile of outputs leave while those of the next are promised their places. Where a tile may
  // be over before the one before it has left, two more must be.
  localparam int unsigned FewestSteps = bitmod_pkg::GroupSize / Lanes * bitmod_pkg::FewestTerms;
  localparam int unsigned QueueDepth  = (AllRows + ColTiles + 17 <= FewestSteps) ? 2 * AllRows : 3 * AllRows;
  localparam int unsigned CountWidth = $clog2(QueueDepth + 1);

  bitmod_pkg::mode_e mode_q;

  // Sequencer
  logic                  chunk_start, acts_loaded, weights_loaded, weights_release;
  logic [ShapeWidth-1:0] chunk_tokens, chunk_channels, groups;
  logic [GroupAddr-1:0]  group;
  logic [SliceWidth-1:0] slice;
  logic [ActAddr-1:0]    act_addr;
  bitmod_pkg::step_t     step, step_q;
  logic                  drain_group_first, drain_group_last, drain_layer_last;
  logic [CountWidth-1:0] drain_rows;
  logic [AllCols-1:0]    drain_keep;

  bitmod_sequencer #(
    .Rows      (AllRows),
    .Cols      (AllCols),
    .Lanes     (Lanes),
    .MaxTokens (MaxTokens),
    .MaxGroups (MaxGroups),
    .QueueDepth(QueueDepth),
    .ActAddr   (ActAddr)
  ) i_sequencer (
    .clk_i,
    .rst_ni,
    .start_i,
    .tokens_i,
    .channels_i,
    .groups_i,
    .mode_i             (mode_q),
    .busy_o,
    .done_o,
    .chunk_start_o      (chunk_start),
    .chunk_tokens_o     (chunk_tokens),
    .chunk_channels_o   (chunk_channels),
    .groups_o           (groups),
    .acts_loaded_i      (acts_loaded),
    .weights_loaded_i   (weights_loaded),
    .weights_release_o  (weights_release),
    .step_o             (step),
    .slice_o            (slice),
    .group_o            (group),
    .act_addr_o         (act_addr),
    .drain_group_first_o(drain_group_first),
    .drain_group_last_o (drain_group_last),
    .drain_rows_o       (drain_rows),
    .drain_keep_o       (drain_keep),
    .drain_layer_last_o (drain_layer_last),
    .result_left_i      (out_valid_o & out_ready_i)
  );

  // Buffers
  logic [AllRows-1:0][Lanes-1:0][15:0] act;
  logic [AllCols-1:0][Lanes-1:0][7:0]  code;
  logic [AllCols-1:0][1:0]             special;
  logic [AllCols-1:0][ScaleWidth-1:0]  scale;
  logic [AllCols-1:0][31:0]            channel_scale, bias;

  bitmod_activation_buffer #(
    .Rows     (Rows),
    .RowTiles (RowTiles),
    .Lanes    (Lanes),
    .Depth    (BankTokens),
    .MaxGroups(MaxGroups)
  ) i_activation_buffer (
    .clk_i,
    .rst_ni,
    .start_i (chunk_start),
    .tokens_i(chunk_tokens),
    .groups_i(groups),
    .valid_i (act_valid_i),
    .ready_o (act_ready_o),
    .data_i  (act_data_i),
    .loaded_o(acts_loaded),
    .read_i  (step.valid),
    .addr_i  (act_addr),
    .act_o   (act)
  );

  bitmod_weight_buffer #(
    .Cols     (Cols),
    .ColTiles (ColTiles),
    .Lanes    (Lanes),
    .MaxGroups(MaxGroups)
  ) i_weight_buffer (
    .clk_i,
    .rst_ni,
    .start_i        (chunk_start),
    .mode_i         (mode_q),
    .channels_i     (chunk_channels),
    .groups_i       (groups),
    .valid_i        (weight_valid_i),
    .ready_o        (weight_ready_o),
    .data_i         (weight_data_i),
    .loaded_o       (weights_loaded),
    .release_i      (weights_release),
    .read_i         (step.valid),
    .capture_i      (step.valid & step.last),
    .group_i        (group),
    .slice_i        (slice),
    .code_o         (code),
    .special_o      (special),
    .scale_o        (scale),
    .channel_scale_o(channel_scale),
    .bias_o         (bias)
  );

  // Mode and special-value registers, cycle counter, the step in the cycle its operands leave the buffers.
  logic [3:0][bitmod_pkg::TermsWidth-1:0] special_terms_q;
  logic [63:0] cycles_q;
  logic        nonfinite_q, accepted, poison, result_push;

  assign accepted = start_i & ~busy_o;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      mode_q          <= bitmod_pkg::ModeFp;
      special_terms_q <= '0;
      step_q          <= '0;
      cycles_q        <= '0;
      nonfinite_q     <= 1'b0;
    end else begin
      step_q <= step;
      if (accepted) begin
        mode_q          <= mode_i;
        special_terms_q <= special_terms_i;
        cycles_q        <= '0;
        nonfinite_q     <= 1'b0;
      end else begin
        if (busy_o)               cycles_q    <= cycles_q + 64'd1;
        if (result_push & poison) nonfinite_q <= 1'b1;
      end
    end
  end

  assign cycles_o    = cycles_q;
  assign nonfinite_o = nonfinite_q;

  // Array and result queue. Rows beyond the last token compute on old activations and are dropped here.
  logic                  result_valid, result_last, queue_ready;
  logic [RowWidth-1:0]   result_row;
  logic [AllCols-1:0][31:0] result;

  bitmod_array #(
    .Rows    (Rows),
    .Cols    (Cols),
    .RowTiles(RowTiles),
    .ColTiles(ColTiles),
    .Lanes   (Lanes),
    .AccWidth(AccWidth),
    .Truncate(Truncate)
  ) i_array (
    .clk_i,
    .rst_ni,
    .mode_i         (mode_q),
    .step_i         (step_q),
    .act_i          (act),
    .code_i         (code),
    .special_i      (special),
    .special_terms_i(special_terms_q),
    .scale_i        (scale),
    .channel_scale_i(channel_scale),
    .bias_i         (bias),
    .group_first_i  (drain_group_first),
    .group_last_i   (drain_group_last),
    .result_valid_o (result_valid),
    .result_row_o   (result_row),
    .result_o       (result),
    .result_poison_o(poison)
  );

  // With several rows of tiles the last rows may leave when the next group drains.
  logic [CountWidth-1:0] rows, rows_q;
  logic [AllCols-1:0]    keep, keep_q;
  logic                  layer_last, layer_last_q, row_first;

  assign row_first  = result_row == '0;
  assign rows       = row_first ? drain_rows : rows_q;
  assign keep       = row_first ? drain_keep : keep_q;
  assign layer_last = row_first ? drain_layer_last : layer_last_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      rows_q       <= '0;
      keep_q       <= '0;
      layer_last_q <= 1'b0;
    end else if (result_valid) begin
      rows_q       <= rows;
      keep_q       <= keep;
      layer_last_q <= layer_last;
    end
  end

  assign result_push = result_valid && CountWidth'(result_row) < rows;
  assign result_last = layer_last && CountWidth'(result_row) + CountWidth'(1) == rows;

  stream_fifo #(
    .Width(33 * AllCols + 1),
    .Depth(QueueDepth)
  ) i_result_queue (
    .clk_i,
    .rst_ni,
    .valid_i(result_push),
    .ready_o(queue_ready),
    .data_i ({result_last, keep, result}),
    .valid_o(out_valid_o),
    .ready_i(out_ready_i),
    .data_o ({out_last_o, out_keep_o, out_data_o})
  );

  // The sequencer promised the room.
  logic unused_queue_ready;
  assign unused_queue_ready = queue_ready;

endmodule
