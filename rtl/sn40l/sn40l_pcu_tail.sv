// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Tail of the PCU: exponential, reciprocal, reciprocal square root or GELU of a vector's lanes, or the vector
// itself; one a cycle (SN40L, MICRO 2024, section IV-A; the arithmetic is sn40l_pcu_tail_pkg's).
//
// A result is at the output TailStages cycles after its operand, and does not wait. valid_i[s], tail_i[s] are
// of what is in stage s; stage 0 is the operand's cycle.
// exp(-inf) = +0; recip(+-0) = +-inf, recip(+-inf) = +-0; rsqrt(+-0) = +-inf, rsqrt(+inf) = +0, NaN below zero;
// gelu(-inf) = +0; NaN stays NaN.

module sn40l_pcu_tail #(
  localparam int unsigned VecWidth = sn40l_pcu_pkg::VecWidth,
  localparam int unsigned Stages   = sn40l_pcu_pkg::TailStages
) (
  input  logic                   clk_i,
  input  logic [Stages-1:0]      valid_i,
  input  logic [Stages-1:0][2:0] tail_i,
  input  logic [VecWidth-1:0]    x_i,
  output logic [VecWidth-1:0]    result_o
);

  localparam int unsigned Last   = Stages - 1;
  localparam int unsigned Degree = sn40l_pcu_tail_pkg::Degree;

  logic [Last:0] works;  // stages that have something to compute

  for (genvar s = 0; s <= Last; s++) begin : gen_works
    assign works[s] = valid_i[s] && tail_i[s] != sn40l_pcu_pkg::TailNone;
  end

  // The operand, alongside; stage 0 parts it, stage 1 places it.
  logic [VecWidth-1:0]         x [1:Last];
  logic [VecWidth-1:0]         parted_q;
  sn40l_pcu_tail_pkg::places_t place_q;

  always_ff @(posedge clk_i) begin
    if (valid_i[0]) x[1] <= x_i;
    if (works[0]) parted_q <= sn40l_pcu_tail_pkg::parted_lanes(tail_i[0], x_i);
    if (works[1]) place_q <= sn40l_pcu_tail_pkg::place_lanes(tail_i[1], x[1], parted_q);
  end

  for (genvar s = 1; s < Last; s++) begin : gen_alongside
    always_ff @(posedge clk_i) if (valid_i[s]) x[s+1] <= x[s];
  end

  // Stages 2 to 6: Horner's rule.
  logic [$bits(place_q.segment)-1:0] segment [2:Degree+1];
  logic [VecWidth-1:0]               g [2:Degree+1];
  logic [$bits(place_q.power)-1:0]   power [2:Last];
  logic [VecWidth-1:0]               p [2:Last];

  assign segment[2] = place_q.segment;
  assign g[2]       = place_q.g;
  assign power[2]   = place_q.power;
  assign p[2]       = '0;

  for (genvar s = 2; s < Last; s++) begin : gen_degree
    always_ff @(posedge clk_i) begin
      if (works[s]) begin
        p[s+1]     <= sn40l_pcu_tail_pkg::step_lanes(s == 2, 3'(Degree + 1 - s), p[s], segment[s], g[s]);
        power[s+1] <= power[s];
      end
    end
    if (s <= Degree) begin : gen_more
      always_ff @(posedge clk_i) begin
        if (works[s]) begin
          segment[s+1] <= segment[s];
          g[s+1]       <= g[s];
        end
      end
    end
  end

  // Stage 7
  logic [VecWidth-1:0] result_q;

  always_ff @(posedge clk_i) begin
    if (works[Last])        result_q <= sn40l_pcu_tail_pkg::finish_lanes(tail_i[Last], x[Last], p[Last], power[Last]);
    else if (valid_i[Last]) result_q <= x[Last];
  end

  assign result_o = result_q;

endmodule
