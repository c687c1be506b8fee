// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// BitMoD processing element: bit-serial dot products of Lanes FP16 activations and weight terms,
// accumulated over a group and scaled (BitMoD, HPCA 2025, section IV-B). Bits that do not fit
// are rounded to nearest even, or with Truncate dropped, toward minus infinity.
//
// A step's exponents are worked on in cycle t, its mantissas in t+1, its sum in t+2, each while that cycle's
// valid bit is set; the sum with that step in it can be loaded for scaling in cycle t+3. The array makes the
// controls once for all. With shift_i the element takes over the scaled group of the one below it in its
// column, so that a column's groups leave through its first element.
// It does not decode weights, does not sum over groups, and has no handshake.

module bitmod_pe #(
  parameter  int unsigned Lanes      = bitmod_pkg::Lanes,
  parameter  int unsigned AccWidth   = bitmod_pkg::AccWidth,
  parameter  bit          Truncate   = 1'b0,
  localparam int unsigned GroupWidth = AccWidth + bitmod_pkg::ScaleWidth
) (
  input  logic                                           clk_i,
  input  logic                                           rst_ni,
  // Cycle t
  input  logic                                           exp_valid_i,
  input  logic [Lanes-1:0][bitmod_pkg::ActExpWidth-1:0]  act_exp_i,
  input  logic [Lanes-1:0][bitmod_pkg::TermWidth-1:0]    exp_term_i,
  // Cycle t+1
  input  logic                                           man_valid_i,
  input  logic [Lanes-1:0]                               act_sign_i,
  input  logic [Lanes-1:0][bitmod_pkg::ActManWidth-1:0]  act_man_i,
  input  logic [Lanes-1:0][bitmod_pkg::TermWidth-1:0]    man_term_i,
  // Cycle t+2
  input  logic                                           acc_valid_i,
  input  logic                                           acc_first_i,
  input  logic [bitmod_pkg::BsigWidth-1:0]               acc_bsig_i,
  // Cycle t+3 of a group's last step, and the cycles after it
  input  logic                                           scale_load_i,
  input  logic                                           scale_step_i,
  input  logic                                           scale_bit_i,
  input  logic                                           shift_i,
  input  logic [GroupWidth-1:0]                          group_mantissa_i,
  input  logic [bitmod_pkg::ExpWidth-1:0]                group_exp_i,
  output logic [GroupWidth-1:0]                          group_mantissa_o,
  output logic [bitmod_pkg::ExpWidth-1:0]                group_exp_o
);

  localparam int unsigned DotWidth = bitmod_step_pkg::MaxDotWidth;

  logic        [bitmod_pkg::ExpWidth-1:0] max_exp, acc_exp;
  logic        [DotWidth-1:0]             dot;
  logic signed [AccWidth-1:0]             acc_mantissa;

  bitmod_pe_align #(
    .Lanes   (Lanes),
    .Truncate(Truncate)
  ) i_align (
    .clk_i,
    .rst_ni,
    .exp_valid_i,
    .act_exp_i,
    .exp_term_i,
    .man_valid_i,
    .act_sign_i,
    .act_man_i,
    .man_term_i,
    .max_exp_o(max_exp),
    .dot_o    (dot)
  );

  bitmod_pe_accumulate #(
    .AccWidth(AccWidth),
    .Truncate(Truncate)
  ) i_accumulate (
    .clk_i,
    .rst_ni,
    .valid_i   (acc_valid_i),
    .first_i   (acc_first_i),
    .bsig_i    (acc_bsig_i),
    .max_exp_i (max_exp),
    .dot_i     (dot),
    .mantissa_o(acc_mantissa),
    .exp_o     (acc_exp)
  );

  bitmod_pe_dequant #(.AccWidth(AccWidth)) i_dequant (
    .clk_i,
    .rst_ni,
    .load_i      (scale_load_i),
    .step_i      (scale_step_i),
    .scale_bit_i (scale_bit_i),
    .mantissa_i  (acc_mantissa),
    .exp_i       (acc_exp),
    .shift_i,
    .mantissa_o  (group_mantissa_o),
    .exp_o       (group_exp_o),
    .next_mantissa_i(group_mantissa_i),
    .next_exp_i     (group_exp_i)
  );

endmodule
