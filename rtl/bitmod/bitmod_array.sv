// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// RowTiles x ColTiles tiles of Rows x Cols processing elements, systolic between tiles: activations and the
// controls of their steps pass from tile to tile to the right, weight terms from tile to tile downward, one
// register a hop, so that tile (i, j) works i + j cycles after tile (0, 0).
//
// A step enters in cycle t; the activations of tile row i in t+i, the weights of tile column j in t+j (the
// buffers delay their reads). Activations are unpacked at the left edge, terms generated at the top. Results
// of a row of tiles are brought together across its columns; rows of tiles follow each other in token order.
// The result of row r of a tile of outputs leaves in cycle t+16+r after its last step plus ColTiles - 1, and
// with several rows of tiles one more.
// What belongs to a group beyond its steps is not passed along but held still for all tiles: scale_i,
// channel_scale_i and bias_i of tile column j from t+j on, group_first_i and group_last_i from t on, for
// Rows + 16 + RowTiles + ColTiles - 2 cycles; mode_i until the last result has left.
// A row that saw an infinity or NaN gives NaN in every channel. There is no handshake and no stall.

module bitmod_array #(
  parameter  int unsigned Rows      = 8,
  parameter  int unsigned Cols      = 8,
  parameter  int unsigned RowTiles  = 1,
  parameter  int unsigned ColTiles  = 1,
  parameter  int unsigned Lanes     = bitmod_pkg::Lanes,
  parameter  int unsigned AccWidth  = bitmod_pkg::AccWidth,
  parameter  bit          Truncate  = 1'b0,
  localparam int unsigned AllRows   = Rows * RowTiles,
  localparam int unsigned AllCols   = Cols * ColTiles,
  localparam int unsigned RowWidth  = (AllRows > 1) ? $clog2(AllRows) : 1
) (
  input  logic                                           clk_i,
  input  logic                                           rst_ni,
  input  bitmod_pkg::mode_e                              mode_i,
  input  bitmod_pkg::step_t                              step_i,
  input  logic [AllRows-1:0][Lanes-1:0][15:0]            act_i,
  input  logic [AllCols-1:0][Lanes-1:0][7:0]             code_i,
  input  logic [AllCols-1:0][1:0]                        special_i,
  input  logic [3:0][bitmod_pkg::TermsWidth-1:0]         special_terms_i,
  input  logic [AllCols-1:0][bitmod_pkg::ScaleWidth-1:0] scale_i,
  input  logic [AllCols-1:0][31:0]                       channel_scale_i,
  input  logic [AllCols-1:0][31:0]                       bias_i,
  input  logic                                           group_first_i,
  input  logic                                           group_last_i,
  output logic                                           result_valid_o,
  output logic [RowWidth-1:0]                            result_row_o,
  output logic [AllCols-1:0][31:0]                       result_o,
  output logic                                           result_poison_o
);

  localparam int unsigned TileRowWidth = (Rows > 1) ? $clog2(Rows) : 1;
  localparam int unsigned ActExpWidth  = bitmod_pkg::ActExpWidth;
  localparam int unsigned ActManWidth  = bitmod_pkg::ActManWidth;
  localparam int unsigned TermWidth    = bitmod_pkg::TermWidth;
  localparam int unsigned StepWidth    = bitmod_pkg::StepWidth;
  localparam int unsigned FewestSteps  = bitmod_pkg::GroupSize / Lanes * bitmod_pkg::FewestTerms;

  // What crosses the borders of tiles: [i][j] enters tile (i, j) from the left or from above.
  logic [RowTiles-1:0][ColTiles:0][StepWidth-1:0]                          step;
  logic [RowTiles-1:0][ColTiles:0][Rows-1:0][Lanes-1:0]                    act_sign;
  logic [RowTiles-1:0][ColTiles:0][Rows-1:0][Lanes-1:0][ActExpWidth-1:0]   act_exp;
  logic [RowTiles-1:0][ColTiles:0][Rows-1:0][Lanes-1:0][ActManWidth-1:0]   act_man;
  logic [RowTiles-1:0][ColTiles:0][Rows-1:0]                               nonfinite;
  logic [RowTiles:0][AllCols-1:0][Lanes-1:0][TermWidth-1:0]                term;

  // Left edge: rows of tiles begin a cycle after each other; activations unpacked once a row.
  assign step[0][0] = step_i;

  for (genvar i = 1; i < RowTiles; i++) begin : gen_start
    logic [StepWidth-1:0] step_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) step_q <= '0;
      else         step_q <= step[i-1][0];
    end
    assign step[i][0] = step_q;
  end

  for (genvar r = 0; r < AllRows; r++) begin : gen_row_edge
    logic [Lanes-1:0] lane_nonfinite;
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      logic [ActExpWidth-1:0] exponent;
      fp16_unpack i_unpack (
        .value_i    (act_i[r][l]),
        .sign_o     (act_sign[r/Rows][0][r%Rows][l]),
        .exp_o      (exponent),
        .man_o      (act_man[r/Rows][0][r%Rows][l]),
        .nonfinite_o(lane_nonfinite[l])
      );
      assign act_exp[r/Rows][0][r%Rows][l] = (act_i[r][l][14:0] == '0) ? '0 : exponent;
    end
    assign nonfinite[r/Rows][0][r%Rows] = |lane_nonfinite;
  end

  // Top edge: terms generated once a column.
  for (genvar c = 0; c < AllCols; c++) begin : gen_col_edge
    bitmod_pkg::step_t now;
    assign now = step[0][c/Cols];
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      bitmod_pkg::term_t generated;
      bitmod_term_generate i_generate (
        .mode_i,
        .term_i   (now.term),
        .code_i   (code_i[c][l]),
        .special_i(special_terms_i[special_i[c]]),
        .term_o   (generated)
      );
      assign term[0][c][l] = generated;
    end
    logic unused_now;
    assign unused_now = ^now;
  end

  // Tiles, and the results of a row of tiles brought together: those of tile column j come j cycles late.
  logic [RowTiles-1:0][AllCols-1:0][31:0]    result;
  logic [RowTiles-1:0]                       result_valid, result_poison;
  logic [RowTiles-1:0][TileRowWidth-1:0]     result_row;

  for (genvar i = 0; i < RowTiles; i++) begin : gen_tile_row
    for (genvar j = 0; j < ColTiles; j++) begin : gen_tile
      logic                    valid, poison;
      logic [TileRowWidth-1:0] row;
      logic [32*Cols-1:0]      value;

      bitmod_tile #(
        .Rows    (Rows),
        .Cols    (Cols),
        .Lanes   (Lanes),
        .AccWidth(AccWidth),
        .Truncate(Truncate)
      ) i_tile (
        .clk_i,
        .rst_ni,
        .mode_i,
        .step_i         (step[i][j]),
        .act_sign_i     (act_sign[i][j]),
        .act_exp_i      (act_exp[i][j]),
        .act_man_i      (act_man[i][j]),
        .nonfinite_i    (nonfinite[i][j]),
        .step_o         (step[i][j+1]),
        .act_sign_o     (act_sign[i][j+1]),
        .act_exp_o      (act_exp[i][j+1]),
        .act_man_o      (act_man[i][j+1]),
        .nonfinite_o    (nonfinite[i][j+1]),
        .term_i         (term[i][j*Cols+:Cols]),
        .term_o         (term[i+1][j*Cols+:Cols]),
        .scale_i        (scale_i[j*Cols+:Cols]),
        .channel_scale_i(channel_scale_i[j*Cols+:Cols]),
        .bias_i         (bias_i[j*Cols+:Cols]),
        .group_first_i,
        .group_last_i,
        .result_valid_o (valid),
        .result_row_o   (row),
        .result_o       (value),
        .result_poison_o(poison)
      );

      if (j == ColTiles - 1) begin : gen_last
        // The last tile's controls are the row's: all its tiles saw the same activations.
        assign result[i][j*Cols+:Cols] = value;
        assign result_valid[i]         = valid;
        assign result_row[i]           = row;
        assign result_poison[i]        = poison;
      end else begin : gen_wait
        delay_line #(
          .Width(32 * Cols),
          .Depth(ColTiles - 1 - j)
        ) i_wait (
          .clk_i,
          .rst_ni,
          .data_i(value),
          .data_o(result[i][j*Cols+:Cols])
        );
        logic unused_controls;
        assign unused_controls = ^{valid, row, poison};
      end
    end

    logic unused_right;
    assign unused_right = ^{step[i][ColTiles], act_sign[i][ColTiles], act_exp[i][ColTiles],
                            act_man[i][ColTiles], nonfinite[i][ColTiles]};
  end

  logic unused_below;
  assign unused_below = ^term[RowTiles];

  if (RowTiles == 1) begin : gen_direct
    assign result_valid_o  = result_valid[0];
    assign result_row_o    = result_row[0];
    assign result_o        = result[0];
    assign result_poison_o = result_poison[0];
  end else begin : gen_merge
    bitmod_merge #(
      .Rows    (Rows),
      .Cols    (AllCols),
      .RowTiles(RowTiles)
    ) i_merge (
      .clk_i,
      .rst_ni,
      .valid_i (result_valid),
      .data_i  (result),
      .poison_i(result_poison),
      .valid_o (result_valid_o),
      .row_o   (result_row_o),
      .data_o  (result_o),
      .poison_o(result_poison_o)
    );
    logic unused_rows;
    assign unused_rows = ^result_row;
  end

  // A group's scaling and draining must be over in the farthest tile before the next one's begins, and the
  // rows of a tile of outputs must have left, one a cycle, before the next one's come.
  if (Rows + RowTiles + ColTiles + 14 > FewestSteps) begin : gen_bad_drain
    $error("bitmod_array: Rows + RowTiles + ColTiles + 14 must not exceed the steps of the shortest group");
  end
  if (AllRows > FewestSteps) begin : gen_bad_rows
    $error("bitmod_array: Rows * RowTiles must not exceed the steps of the shortest group");
  end
  if (RowTiles < 1 || ColTiles < 1) begin : gen_bad_tiles
    $error("bitmod_array: RowTiles and ColTiles must be at least 1");
  end

endmodule
