// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A tile: Rows x Cols processing elements, their column accumulators, and the registers by which operands
// pass on to the next tiles.
//
// Activations run along a row (a token), weight terms down a column (an output channel); all elements
// work in step. Operands of a step enter in cycle t and leave for the tiles to the right and below in t+1;
// the result of row r of a tile of outputs leaves in cycle t+16+r after its last step. Groups may follow
// each other without a gap.
// What belongs to a group or a tile of outputs beyond its steps (scale_i ... group_last_i) must be there from
// the cycle its last step enters and stay for Rows + 16 cycles; mode_i must stay until the last result has
// left. A row that saw an infinity or NaN gives NaN in every channel. There is no handshake and no stall, and
// it neither unpacks activations nor decodes weights.

module bitmod_tile #(
  parameter  int unsigned Rows        = 8,
  parameter  int unsigned Cols        = 8,
  parameter  int unsigned Lanes       = bitmod_pkg::Lanes,
  parameter  int unsigned AccWidth    = bitmod_pkg::AccWidth,
  parameter  bit          Truncate    = 1'b0,
  localparam int unsigned RowWidth    = (Rows > 1) ? $clog2(Rows) : 1,
  localparam int unsigned ActExpWidth = bitmod_pkg::ActExpWidth,
  localparam int unsigned ActManWidth = bitmod_pkg::ActManWidth,
  localparam int unsigned TermWidth   = bitmod_pkg::TermWidth
) (
  input  logic                                         clk_i,
  input  logic                                         rst_ni,
  input  bitmod_pkg::mode_e                            mode_i,
  // From the left, and on to the right
  input  bitmod_pkg::step_t                            step_i,
  input  logic [Rows-1:0][Lanes-1:0]                   act_sign_i,
  input  logic [Rows-1:0][Lanes-1:0][ActExpWidth-1:0]  act_exp_i,
  input  logic [Rows-1:0][Lanes-1:0][ActManWidth-1:0]  act_man_i,
  input  logic [Rows-1:0]                              nonfinite_i,
  output bitmod_pkg::step_t                            step_o,
  output logic [Rows-1:0][Lanes-1:0]                   act_sign_o,
  output logic [Rows-1:0][Lanes-1:0][ActExpWidth-1:0]  act_exp_o,
  output logic [Rows-1:0][Lanes-1:0][ActManWidth-1:0]  act_man_o,
  output logic [Rows-1:0]                              nonfinite_o,
  // From above, and on downward
  input  logic [Cols-1:0][Lanes-1:0][TermWidth-1:0]    term_i,
  output logic [Cols-1:0][Lanes-1:0][TermWidth-1:0]    term_o,
  // Of the group that drains
  input  logic [Cols-1:0][bitmod_pkg::ScaleWidth-1:0]  scale_i,
  input  logic [Cols-1:0][31:0]                        channel_scale_i,
  input  logic [Cols-1:0][31:0]                        bias_i,
  input  logic                                         group_first_i,
  input  logic                                         group_last_i,
  // Results
  output logic                                         result_valid_o,
  output logic [RowWidth-1:0]                          result_row_o,
  output logic [Cols-1:0][31:0]                        result_o,
  output logic                                         result_poison_o
);

  localparam int unsigned GroupWidth = AccWidth + bitmod_pkg::ScaleWidth;
  localparam int unsigned ExpWidth   = bitmod_pkg::ExpWidth;

  // What the elements' steps 1 to 3 work on. Mantissas are needed a cycle after exponents.
  bitmod_pkg::step_t step1_q, step2_q, step3_q;
  logic              load_q;

  // Rows, each with its own registers: a simulator handles these as machine words.
  logic [Rows-1:0][Lanes-1:0]                  sign1_q /*verilator split_var*/;
  logic [Rows-1:0][Lanes-1:0]                  sign2_q /*verilator split_var*/;
  logic [Rows-1:0][Lanes-1:0][ActExpWidth-1:0] exp1_q  /*verilator split_var*/;
  logic [Rows-1:0][Lanes-1:0][ActManWidth-1:0] man1_q  /*verilator split_var*/;
  logic [Rows-1:0][Lanes-1:0][ActManWidth-1:0] man2_q  /*verilator split_var*/;
  logic [Cols-1:0][Lanes-1:0][TermWidth-1:0]   term1_q /*verilator split_var*/;
  logic [Cols-1:0][Lanes-1:0][TermWidth-1:0]   term2_q /*verilator split_var*/;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      step1_q     <= '0;
      step2_q     <= '0;
      step3_q     <= '0;
      load_q      <= 1'b0;
      nonfinite_o <= '0;
    end else begin
      step1_q     <= step_i;
      step2_q     <= step1_q;
      step3_q     <= step2_q;
      load_q      <= step3_q.valid & step3_q.last;
      nonfinite_o <= nonfinite_i;
    end
  end

  for (genvar r = 0; r < Rows; r++) begin : gen_row_edge
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        sign1_q[r] <= '0;
        exp1_q[r]  <= '0;
        man1_q[r]  <= '0;
        sign2_q[r] <= '0;
        man2_q[r]  <= '0;
      end else begin
        sign1_q[r] <= act_sign_i[r];
        exp1_q[r]  <= act_exp_i[r];
        man1_q[r]  <= act_man_i[r];
        sign2_q[r] <= sign1_q[r];
        man2_q[r]  <= man1_q[r];
      end
    end
    assign act_sign_o[r] = sign1_q[r];
    assign act_exp_o[r]  = exp1_q[r];
    assign act_man_o[r]  = man1_q[r];
  end

  for (genvar c = 0; c < Cols; c++) begin : gen_col_edge
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        term1_q[c] <= '0;
        term2_q[c] <= '0;
      end else begin
        term1_q[c] <= term_i[c];
        term2_q[c] <= term1_q[c];
      end
    end
    assign term_o[c] = term1_q[c];
  end

  assign step_o = step1_q;

  // Terms of an integer lie two places apart.
  logic [bitmod_pkg::BsigWidth-1:0] bsig;
  assign bsig = (mode_i == bitmod_pkg::ModeFp) ? {1'b0, step3_q.term} : {step3_q.term, 1'b0};

  logic unused_step;
  assign unused_step = step3_q.tile_first & step3_q.tile_last;

  // Rows with an activation that is not finite, remembered until the results of the tile of outputs leave.
  logic [Rows-1:0] poison, poison_q, poison_hold_q;

  assign poison = nonfinite_i | (step_i.tile_first ? '0 : poison_q);

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
  logic                scale_load, scale_step, group_shift, total_valid, product_valid, bias_valid;
  logic                result_valid;
  logic [2:0]          scale_bit;
  logic [RowWidth-1:0] total_row, bias_row, result_row;

  bitmod_drain #(.Rows(Rows)) i_drain (
    .clk_i,
    .rst_ni,
    .load_i         (load_q),
    .scale_load_o   (scale_load),
    .scale_step_o   (scale_step),
    .bit_o          (scale_bit),
    .shift_o        (group_shift),
    .total_valid_o  (total_valid),
    .total_row_o    (total_row),
    .product_valid_o(product_valid),
    .bias_valid_o   (bias_valid),
    .bias_row_o     (bias_row),
    .result_valid_o (result_valid),
    .result_row_o   (result_row)
  );

  for (genvar c = 0; c < Cols; c++) begin : gen_col
    // Scaled groups, each row's next to the row's before; nothing comes after the last one.
    logic [(Rows+1)*GroupWidth-1:0] mantissa /*verilator split_var*/;
    logic [(Rows+1)*ExpWidth-1:0]   exponent /*verilator split_var*/;

    assign mantissa[Rows*GroupWidth+:GroupWidth] = '0;
    assign exponent[Rows*ExpWidth+:ExpWidth]     = '0;

    for (genvar r = 0; r < Rows; r++) begin : gen_row
      bitmod_pe #(
        .Lanes   (Lanes),
        .AccWidth(AccWidth),
        .Truncate(Truncate)
      ) i_pe (
        .clk_i,
        .rst_ni,
        .exp_valid_i     (step1_q.valid),
        .act_exp_i       (exp1_q[r]),
        .exp_term_i      (term1_q[c]),
        .man_valid_i     (step2_q.valid),
        .act_sign_i      (sign2_q[r]),
        .act_man_i       (man2_q[r]),
        .man_term_i      (term2_q[c]),
        .acc_valid_i     (step3_q.valid),
        .acc_first_i     (step3_q.first),
        .acc_bsig_i      (bsig),
        .scale_load_i    (scale_load),
        .scale_step_i    (scale_step),
        .scale_bit_i     (scale_i[c][scale_bit]),
        .shift_i         (group_shift),
        .group_mantissa_i(mantissa[(r+1)*GroupWidth+:GroupWidth]),
        .group_exp_i     (exponent[(r+1)*ExpWidth+:ExpWidth]),
        .group_mantissa_o(mantissa[r*GroupWidth+:GroupWidth]),
        .group_exp_o     (exponent[r*ExpWidth+:ExpWidth])
      );
    end

    bitmod_column #(
      .Rows      (Rows),
      .GroupWidth(GroupWidth)
    ) i_column (
      .clk_i,
      .rst_ni,
      .group_valid_i  (group_shift),
      .mantissa_i     (mantissa[0+:GroupWidth]),
      .exp_i          (exponent[0+:ExpWidth]),
      .total_valid_i  (total_valid),
      .total_clear_i  (group_first_i),
      .total_row_i    (total_row),
      .product_valid_i(product_valid),
      .channel_scale_i(channel_scale_i[c]),
      .bias_valid_i   (bias_valid),
      .bias_i         (bias_i[c]),
      .poison_i       (poison_hold_q[bias_row]),
      .result_o       (result_o[c])
    );
  end

  assign result_valid_o  = result_valid & group_last_i;
  assign result_row_o    = result_row;
  assign result_poison_o = poison_hold_q[result_row];

  // Scaled sums fit a single-precision significand.
  if (AccWidth < 12 || AccWidth > 18) begin : gen_bad_accumulator
    $error("bitmod_tile: AccWidth must be 12..18");
  end
  if (Rows < 1 || Cols < 1) begin : gen_bad_size
    $error("bitmod_tile: Rows and Cols must be at least 1");
  end

endmodule
