// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Steps 1 and 2 of the processing element: Lanes products of an activation and a weight term, brought
// to the largest exponent among them and summed.
//
// Exponents enter in cycle t with exp_valid_i, signs, mantissas and the same terms in cycle t+1 with
// man_valid_i; max_exp_o and dot_o come in cycle t+2. A lane with a zero operand neither adds
// nor takes part in the maximum. Each product is rounded where alignment drops bits below its three
// guard bits; the sum itself is exact.
// It keeps no state between steps and knows nothing of bit significance.

module bitmod_pe_align #(
  parameter int unsigned Lanes    = bitmod_pkg::Lanes,
  parameter bit          Truncate = 1'b0
) (
  input  logic                                          clk_i,
  input  logic                                          rst_ni,
  input  logic                                          exp_valid_i,
  input  logic [Lanes-1:0][bitmod_pkg::ActExpWidth-1:0] act_exp_i,
  input  logic [Lanes-1:0][bitmod_pkg::TermWidth-1:0]   exp_term_i,
  input  logic                                          man_valid_i,
  input  logic [Lanes-1:0]                              act_sign_i,
  input  logic [Lanes-1:0][bitmod_pkg::ActManWidth-1:0] act_man_i,
  input  logic [Lanes-1:0][bitmod_pkg::TermWidth-1:0]   man_term_i,
  output logic [bitmod_pkg::ExpWidth-1:0]               max_exp_o,
  output logic [bitmod_step_pkg::MaxDotWidth-1:0]         dot_o
);

  localparam int unsigned Quad        = bitmod_step_pkg::Quad;
  localparam int unsigned Quads       = (Lanes + Quad - 1) / Quad;
  localparam int unsigned ExpWidth    = bitmod_pkg::ExpWidth;
  localparam int unsigned TermWidth   = bitmod_pkg::TermWidth;
  localparam int unsigned ActExpWidth = bitmod_pkg::ActExpWidth;
  localparam int unsigned ActManWidth = bitmod_pkg::ActManWidth;
  localparam int unsigned QuadExps    = bitmod_step_pkg::QuadExps;
  localparam int unsigned DotWidth    = bitmod_step_pkg::MaxDotWidth;

  // Lanes in fours.
  logic [Quads*Quad*ActExpWidth-1:0] act_exp;
  logic [Quads*Quad*TermWidth-1:0]   exp_term, man_term;
  logic [Quads*Quad-1:0]             act_sign;
  logic [Quads*Quad*ActManWidth-1:0] act_man;

  assign act_exp  = (Quads * Quad * ActExpWidth)'(act_exp_i);
  assign exp_term = (Quads * Quad * TermWidth)'(exp_term_i);
  assign act_sign = (Quads * Quad)'(act_sign_i);
  assign act_man  = (Quads * Quad * ActManWidth)'(act_man_i);
  assign man_term = (Quads * Quad * TermWidth)'(man_term_i);

  logic [Quads-1:0][QuadExps-1:0] shift_q;
  logic [ExpWidth-1:0]            step1_max_q, step2_max_q;
  logic [DotWidth-1:0]            dot_q;

  // Step 1: exponents. Step 2: multiplication, alignment and adder tree.
  logic [Quads-1:0][ExpWidth-1:0]                      largest;
  logic [Quads-1:0][bitmod_step_pkg::QuadDotWidth-1:0] part;
  logic [Quads-1:0][QuadExps-1:0]                      shift;
  logic [ExpWidth-1:0]                                 max_exp;
  logic [DotWidth-1:0]                                 dot;

  for (genvar q = 0; q < Quads; q++) begin : gen_quad
    logic [ExpWidth+QuadExps-1:0] found;

    assign largest[q] = found[QuadExps+:ExpWidth];

    always_comb begin
      found = '0;
      if (exp_valid_i) begin
        found = bitmod_step_pkg::exponents(
            act_exp[q*Quad*ActExpWidth+:Quad*ActExpWidth], exp_term[q*Quad*TermWidth+:Quad*TermWidth]);
      end
    end

    if (Quads == 1) begin : gen_only
      assign shift[q] = found[QuadExps-1:0];
    end else begin : gen_one_of
      for (genvar l = 0; l < Quad; l++) begin : gen_lane
        assign shift[q][l*ExpWidth+:ExpWidth] = found[l*ExpWidth+:ExpWidth] + (max_exp - largest[q]);
      end
    end

    always_comb begin
      part[q] = '0;
      if (man_valid_i) begin
        part[q] = bitmod_step_pkg::dot(
            act_sign[q*Quad+:Quad], act_man[q*Quad*ActManWidth+:Quad*ActManWidth],
            man_term[q*Quad*TermWidth+:Quad*TermWidth], shift_q[q], Truncate);
      end
    end
  end

  always_comb begin
    max_exp = largest[0];
    dot     = '0;
    for (int unsigned q = 0; q < Quads; q++) begin
      if (q > 0 && largest[q] > max_exp) max_exp = largest[q];
      dot = dot + {part[q][bitmod_step_pkg::QuadDotWidth-1], part[q]};
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      step1_max_q <= '0;
      shift_q     <= '0;
    end else if (exp_valid_i) begin
      step1_max_q <= max_exp;
      shift_q     <= shift;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      step2_max_q <= '0;
      dot_q       <= '0;
    end else if (man_valid_i) begin
      step2_max_q <= step1_max_q;
      dot_q       <= dot;
    end
  end

  assign max_exp_o = step2_max_q;
  assign dot_o     = dot_q;

  if (Lanes != 2 && Lanes != 4 && Lanes != 8) begin : gen_bad_lanes
    $error("bitmod_pe_align: Lanes must be 2, 4 or 8");
  end

endmodule
