// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Steps 1 and 2 of the processing element: four products of an activation and a weight term, brought
// to the largest exponent among them and summed.
//
// Operands in cycle t give max_exp_o and dot_o in cycle t+2. A lane with a zero operand neither adds
// nor takes part in the maximum. Each product is rounded where alignment drops bits below its three
// guard bits; the sum itself is exact.
// It keeps no state between steps and knows nothing of bit significance.

module bitmod_pe_align #(
  parameter bit Truncate = 1'b0
) (
  input  logic                                       clk_i,
  input  logic                                       rst_ni,
  input  logic [bitmod_pkg::Lanes-1:0][bitmod_pkg::ActWidth-1:0]  act_i,
  input  logic [bitmod_pkg::Lanes-1:0][bitmod_pkg::TermWidth-1:0] term_i,
  output logic [bitmod_pkg::ExpWidth-1:0]            max_exp_o,
  output logic signed [bitmod_pkg::DotWidth-1:0]     dot_o
);

  localparam int unsigned Lanes      = bitmod_pkg::Lanes;
  localparam int unsigned ExpWidth   = bitmod_pkg::ExpWidth;
  localparam int unsigned AlignWidth = bitmod_pkg::AlignWidth;
  localparam int unsigned DotWidth   = bitmod_pkg::DotWidth;

  // Step 1: exponents. A dead lane has exponent 0, below every live one.
  logic [Lanes-1:0][ExpWidth-1:0]   lane_exp, delta_q;
  logic [Lanes-1:0][AlignWidth-1:0] product, product_q;
  logic [ExpWidth-1:0]              max_exp, step1_max_q, step2_max_q;

  for (genvar l = 0; l < Lanes; l++) begin : gen_exponent
    bitmod_pkg::act_t      act;
    bitmod_pkg::term_t     term;
    logic                  live;
    logic [AlignWidth-1:0] magnitude;
    assign act         = act_i[l];
    assign term        = term_i[l];
    assign live        = term.man & (act.man != '0);
    assign lane_exp[l] = live ? ExpWidth'(act.exp) + ExpWidth'(term.exp) : '0;
    assign magnitude   = live ? {1'b0, act.man, 3'b000} : '0;
    assign product[l]  = (act.sign ^ term.sign) ? -magnitude : magnitude;
  end

  always_comb begin
    max_exp = '0;
    for (int unsigned l = 0; l < Lanes; l++) begin
      if (lane_exp[l] > max_exp) max_exp = lane_exp[l];
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      step1_max_q <= '0;
      delta_q     <= '0;
      product_q   <= '0;
    end else begin
      step1_max_q <= max_exp;
      product_q   <= product;
      for (int unsigned l = 0; l < Lanes; l++) delta_q[l] <= max_exp - lane_exp[l];
    end
  end

  // Step 2: alignment and adder tree.
  logic [Lanes-1:0][AlignWidth-1:0] aligned;
  logic signed [DotWidth-1:0]       dot, dot_q;

  for (genvar l = 0; l < Lanes; l++) begin : gen_align
    bitmod_shift #(
      .Width     (AlignWidth),
      .ShiftWidth(ExpWidth),
      .Truncate  (Truncate)
    ) i_shift (
      .value_i(product_q[l]),
      .shift_i(delta_q[l]),
      .value_o(aligned[l])
    );
  end

  always_comb begin
    dot = '0;
    for (int unsigned l = 0; l < Lanes; l++) begin
      dot = dot + $signed({{(DotWidth - AlignWidth) {aligned[l][AlignWidth-1]}}, aligned[l]});
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      step2_max_q <= '0;
      dot_q       <= '0;
    end else begin
      step2_max_q <= step1_max_q;
      dot_q       <= dot;
    end
  end

  assign max_exp_o = step2_max_q;
  assign dot_o     = dot_q;

endmodule
