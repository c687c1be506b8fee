// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Step 3 of the processing element: the floating-point accumulator of one group.
//
// The dot product, moved up by its bit significance, and the accumulator meet at the larger of their
// exponents; the sum moves right where it needs more than AccWidth - 1 magnitude bits, and the exponent grows
// with it. Both moves round. It never normalises to the left, so a group that cancels
// keeps its exponent. Value: mantissa_o * 2^(exp_o - 28), in weight units (doubled ones of a
// floating-point weight).
// A step with first_i forgets the group before. Six exponent bits suffice for 128 elements.

module bitmod_pe_accumulate #(
  parameter int unsigned AccWidth = bitmod_pkg::AccWidth,
  parameter bit          Truncate = 1'b0
) (
  input  logic                                      clk_i,
  input  logic                                      rst_ni,
  input  logic                                      valid_i,
  input  logic                                      first_i,
  input  logic [bitmod_pkg::BsigWidth-1:0]          bsig_i,
  input  logic [bitmod_pkg::ExpWidth-1:0]           max_exp_i,
  input  logic signed [bitmod_pkg::DotWidth-1:0]    dot_i,
  output logic signed [AccWidth-1:0]                mantissa_o,
  output logic [bitmod_pkg::ExpWidth-1:0]           exp_o
);

  localparam int unsigned ExpWidth  = bitmod_pkg::ExpWidth;
  localparam int unsigned StepSumWidth = bitmod_pkg::StepSumWidth;
  localparam int unsigned SumWidth  = StepSumWidth + 1;
  localparam int unsigned Magnitude = AccWidth - 1;
  localparam int unsigned GrowWidth = 4;

  logic signed [AccWidth-1:0]  mantissa_d, mantissa_q, kept, kept_aligned;
  logic        [ExpWidth-1:0]  exp_d, exp_q, kept_exp, larger_exp, step_shift, kept_shift;
  logic signed [StepSumWidth-1:0] step, step_aligned;

  assign kept     = first_i ? '0 : mantissa_q;
  assign kept_exp = first_i ? '0 : exp_q;
  assign step     = StepSumWidth'(dot_i) <<< bsig_i;

  assign larger_exp = (max_exp_i > kept_exp) ? max_exp_i : kept_exp;
  assign step_shift = larger_exp - max_exp_i;
  assign kept_shift = larger_exp - kept_exp;

  bitmod_shift #(.Width(StepSumWidth), .ShiftWidth(ExpWidth), .Truncate(Truncate)) i_align_step (
    .value_i(step),
    .shift_i(step_shift),
    .value_o(step_aligned)
  );

  bitmod_shift #(.Width(AccWidth), .ShiftWidth(ExpWidth), .Truncate(Truncate)) i_align_kept (
    .value_i(kept),
    .shift_i(kept_shift),
    .value_o(kept_aligned)
  );

  // The sum, and the right shift that brings its magnitude into AccWidth - 1 bits.
  logic signed [SumWidth-1:0]  sum, normal;
  logic        [SumWidth-1:0]  sum_magnitude;
  logic        [4:0]           top;
  logic                        nonzero, carried;
  logic        [GrowWidth-1:0] grow;

  assign sum           = SumWidth'(step_aligned) + SumWidth'(kept_aligned);
  assign sum_magnitude = sum[SumWidth-1] ? $unsigned(-sum) : $unsigned(sum);

  leading_one #(.Width(SumWidth)) i_leading_one (
    .value_i(sum_magnitude),
    .index_o(top),
    .found_o(nonzero)
  );

  assign grow = (nonzero && top >= 5'(Magnitude)) ? GrowWidth'(top - 5'(Magnitude - 1)) : '0;

  bitmod_shift #(.Width(SumWidth), .ShiftWidth(GrowWidth), .Truncate(Truncate)) i_normalise (
    .value_i(sum),
    .shift_i(grow),
    .value_o(normal)
  );

  // Rounding may give exactly 2^Magnitude or its negative: one more place, nothing lost.
  assign carried    = (normal == (SumWidth'(1) <<< Magnitude)) || (normal == -(SumWidth'(1) <<< Magnitude));
  assign mantissa_d = carried ? AccWidth'(normal >>> 1) : AccWidth'(normal);
  assign exp_d      = larger_exp + ExpWidth'(grow) + ExpWidth'(carried);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      mantissa_q <= '0;
      exp_q      <= '0;
    end else if (valid_i) begin
      mantissa_q <= mantissa_d;
      exp_q      <= exp_d;
    end
  end

  assign mantissa_o = mantissa_q;
  assign exp_o      = exp_q;

endmodule
