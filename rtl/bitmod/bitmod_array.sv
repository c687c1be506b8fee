// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Rows x Cols processing elements with their term generators and column accumulators.
//
// Activations run along a row (a token), weight terms down a column (an output channel); all elements
// work in step. Operands of a step enter in cycle t; the result of row r of a tile of outputs leaves
// in cycle t+16+r after the tile's last step. Groups may follow each other without a gap.
// What belongs to a group or a tile beyond its steps (scale_i ... group_last_i) must be there from the cycle
// its last step enters and stay for Rows + 16 cycles; mode_i must stay until the last result has left.
// A row that saw an infinity or NaN gives NaN in every channel. There is no handshake and no stall.

module bitmod_array #(
  parameter  int unsigned Rows     = 8,
  parameter  int unsigned Cols     = 8,
  parameter  int unsigned AccWidth = bitmod_pkg::AccWidth,
  parameter  bit          Truncate = 1'b0,
  localparam int unsigned RowWidth = (Rows > 1) ? $clog2(Rows) : 1
) (
  input  logic                                              clk_i,
  input  logic                                              rst_ni,
  input  bitmod_pkg::mode_e                                 mode_i,
  input  bitmod_pkg::step_t                                 step_i,
  input  logic [Rows-1:0][bitmod_pkg::Lanes-1:0][15:0]      act_i,
  input  logic [Cols-1:0][bitmod_pkg::Lanes-1:0][7:0]       code_i,
  input  logic [Cols-1:0][1:0]                              special_i,
  input  logic [3:0][bitmod_pkg::TermsWidth-1:0]            special_terms_i,
  input  logic [Cols-1:0][bitmod_pkg::ScaleWidth-1:0]       scale_i,
  input  logic [Cols-1:0][31:0]                             channel_scale_i,
  input  logic [Cols-1:0][31:0]                             bias_i,
  input  logic                                              group_first_i,
  input  logic                                              group_last_i,
  output logic                                              result_valid_o,
  output logic [RowWidth-1:0]                               result_row_o,
  output logic [Cols-1:0][31:0]                             result_o,
  output logic                                              result_poison_o
);

  localparam int unsigned Lanes      = bitmod_pkg::Lanes;
  localparam int unsigned GroupWidth = AccWidth + bitmod_pkg::ScaleWidth;
  localparam int unsigned ExpWidth   = bitmod_pkg::ExpWidth;

  // Edges: activations unpacked once a row, terms generated once a column.
  logic [Rows-1:0][Lanes-1:0][bitmod_pkg::ActWidth-1:0]  act, act_q;
  logic [Cols-1:0][Lanes-1:0][bitmod_pkg::TermWidth-1:0] term, term_q;
  logic [Rows-1:0][Lanes-1:0]                            nonfinite;
  bitmod_pkg::step_t step1_q, step2_q, step3_q;  // what the elements' steps 1 to 3 work on
  logic              load_q;

  for (genvar r = 0; r < Rows; r++) begin : gen_row_edge
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      bitmod_pkg::act_t unpacked;
      fp16_unpack i_unpack (
        .value_i    (act_i[r][l]),
        .sign_o     (unpacked.sign),
        .exp_o      (unpacked.exp),
        .man_o      (unpacked.man),
        .nonfinite_o(nonfinite[r][l])
      );
      assign act[r][l] = unpacked;
    end
  end

  for (genvar c = 0; c < Cols; c++) begin : gen_col_edge
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      bitmod_pkg::term_t generated;
      bitmod_term_generate i_generate (
        .mode_i,
        .term_i   (step_i.term),
        .code_i   (code_i[c][l]),
        .special_i(special_terms_i[special_i[c]]),
        .term_o   (generated)
      );
      assign term[c][l] = generated;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      act_q   <= '0;
      term_q  <= '0;
      step1_q <= '0;
      step2_q <= '0;
      step3_q <= '0;
      load_q  <= 1'b0;
    end else begin
      act_q   <= act;
      term_q  <= term;
      step1_q <= step_i;
      step2_q <= step1_q;
      step3_q <= step2_q;
      load_q  <= step3_q.valid & step3_q.last;
    end
  end

  // Terms of an integer lie two places apart.
  logic [bitmod_pkg::BsigWidth-1:0] bsig;
  assign bsig = (mode_i == bitmod_pkg::ModeFp) ? {1'b0, step3_q.term} : {step3_q.term, 1'b0};

  logic unused_step;
  assign unused_step = step3_q.tile_first & step3_q.tile_last;

  // Rows with an activation that is not finite, remembered until the tile's results leave.
  logic [Rows-1:0] poison, poison_q, poison_hold_q;

  for (genvar r = 0; r < Rows; r++) begin : gen_poison
    assign poison[r] = (|nonfinite[r]) | (poison_q[r] & ~step_i.tile_first);
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      poison_q      <= '0;
      poison_hold_q <= '0;
    end else if (step_i.valid) begin
      poison_q <= poison;
      if (step_i.tile_last) poison_hold_q <= poison;
    end
  end

  // After a group: scaling and draining.
  logic                scale_load, scale_step, total_valid, result_valid;
  logic [2:0]          scale_bit;
  logic [RowWidth-1:0] drain_row, total_row, last_stage_row, result_row;

  bitmod_drain #(.Rows(Rows)) i_drain (
    .clk_i,
    .rst_ni,
    .load_i        (load_q),
    .scale_load_o  (scale_load),
    .scale_step_o  (scale_step),
    .bit_o         (scale_bit),
    .row_o         (drain_row),
    .total_valid_o (total_valid),
    .total_row_o   (total_row),
    .result_row_o  (last_stage_row),
    .result_valid_o(result_valid),
    .result_index_o(result_row)
  );

  for (genvar c = 0; c < Cols; c++) begin : gen_col
    logic [Rows-1:0][GroupWidth-1:0] mantissa;
    logic [Rows-1:0][ExpWidth-1:0]   exponent;

    for (genvar r = 0; r < Rows; r++) begin : gen_row
      bitmod_pe #(
        .AccWidth(AccWidth),
        .Truncate(Truncate)
      ) i_pe (
        .clk_i,
        .rst_ni,
        .act_i           (act_q[r]),
        .term_i          (term_q[c]),
        .acc_valid_i     (step3_q.valid),
        .acc_first_i     (step3_q.first),
        .acc_bsig_i      (bsig),
        .scale_load_i    (scale_load),
        .scale_step_i    (scale_step),
        .scale_bit_i     (scale_i[c][scale_bit]),
        .group_mantissa_o(mantissa[r]),
        .group_exp_o     (exponent[r])
      );
    end

    bitmod_column #(
      .Rows      (Rows),
      .GroupWidth(GroupWidth)
    ) i_column (
      .clk_i,
      .rst_ni,
      .mantissa_i     (mantissa),
      .exp_i          (exponent),
      .row_i          (drain_row),
      .total_valid_i  (total_valid),
      .total_clear_i  (group_first_i),
      .total_row_i    (total_row),
      .channel_scale_i(channel_scale_i[c]),
      .bias_i         (bias_i[c]),
      .poison_i       (poison_hold_q[last_stage_row]),
      .result_o       (result_o[c])
    );
  end

  assign result_valid_o  = result_valid & group_last_i;
  assign result_row_o    = result_row;
  assign result_poison_o = poison_hold_q[result_row];

  // A group's scaling and draining must be over before the next one's begins.
  if (Rows < 1 || Rows + 20 > bitmod_pkg::FewestSteps) begin : gen_bad_rows
    $error("bitmod_array: Rows must be 1..44");
  end
  // Scaled sums fit a single-precision significand.
  if (AccWidth < 12 || AccWidth > 18) begin : gen_bad_accumulator
    $error("bitmod_array: AccWidth must be 12..18");
  end
  if (Cols < 1) begin : gen_bad_cols
    $error("bitmod_array: Cols must be at least 1");
  end

endmodule
