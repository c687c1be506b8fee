// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Tail of a lane: exponential, reciprocal, reciprocal square root or GELU of a number a cycle, or the number
// itself (SN40L, MICRO 2024, section IV-A; the arithmetic is sn40l_pcu_tail_pkg's).
//
// A result is at the output TailStages cycles after its operand, and does not wait. valid_i[s], tail_i[s] are
// of what is in stage s; stage 0 is the operand's cycle.
// exp(-inf) = +0; recip(+-0) = +-inf, recip(+-inf) = +-0; rsqrt(+-0) = +-inf, rsqrt(+inf) = +0, NaN below zero;
// gelu(-inf) = +0; NaN stays NaN.

module sn40l_pcu_tail (
  input  logic                                      clk_i,
  input  logic [sn40l_pcu_pkg::TailStages-1:0]      valid_i,
  input  logic [sn40l_pcu_pkg::TailStages-1:0][2:0] tail_i,
  input  logic [31:0]                               x_i,
  output logic [31:0]                               result_o
);

  /* verilator no_inline_module */  // one copy of its code in a simulator

  localparam int unsigned Last         = sn40l_pcu_pkg::TailStages - 1;
  localparam int unsigned Degree       = sn40l_pcu_tail_pkg::Degree;
  localparam int unsigned SegmentWidth = sn40l_pcu_tail_pkg::SegmentWidth;

  logic [Last:0] works;  // stages that have something to compute

  for (genvar s = 0; s <= Last; s++) begin : gen_works
    assign works[s] = valid_i[s] && tail_i[s] != sn40l_pcu_pkg::TailNone;
  end

  // The operand, alongside.
  logic [Last:1][31:0] x_q;

  always_ff @(posedge clk_i) if (valid_i[0]) x_q[1] <= x_i;
  for (genvar s = 1; s < Last; s++) begin : gen_operand
    always_ff @(posedge clk_i) if (valid_i[s]) x_q[s+1] <= x_q[s];
  end

  // Stage 0: a number that has the segment or the power of two before its point, g after it.
  logic [31:0] parted_q;

  always_ff @(posedge clk_i) begin
    if (works[0]) begin
      case (tail_i[0])
        sn40l_pcu_pkg::TailExp:   parted_q <= fp32_pkg::add(fp32_pkg::multiply(x_i, fp32_exp_pkg::Log2e), 32'd0);
        sn40l_pcu_pkg::TailRecip: parted_q <= {1'b0, 8'd130, x_i[22:0]};
        sn40l_pcu_pkg::TailRsqrt: parted_q <= {1'b0, 8'd129, x_i[22:0]};
        default:                  parted_q <= fp32_pkg::multiply({1'b0, x_i[30:0]}, 32'h4000_0000);
      endcase
    end
  end

  // Stage 1: segment, g, power of two.
  fp32_pkg::parts_t                    parts;
  logic [SegmentWidth-1:0]             segment;
  logic [8:0]                          power;
  logic [Degree+1:2][SegmentWidth-1:0] segment_q;
  logic [Degree+1:2][31:0]             g_q;
  logic [Last:2][8:0]                  power_q;

  always_comb begin
    parts   = '0;
    segment = sn40l_pcu_tail_pkg::SegmentExp;
    power   = 9'd0;
    if (works[1]) begin
      parts = fp32_pkg::split(parted_q);
      case (tail_i[1])
        sn40l_pcu_pkg::TailExp: power = parts.floor;
        sn40l_pcu_pkg::TailRecip: begin
          segment = sn40l_pcu_tail_pkg::SegmentRecip + SegmentWidth'(parts.floor[2:0]);
          power   = 9'd127 - {1'b0, x_q[1][30:23]};
        end
        sn40l_pcu_pkg::TailRsqrt: begin
          segment = sn40l_pcu_tail_pkg::SegmentRsqrt + SegmentWidth'({~x_q[1][23], parts.floor[1:0]});
          power   = 9'd63 - {2'b00, x_q[1][30:24]} + 9'(~x_q[1][23]);
        end
        default: begin
          segment = (parts.floor < 9'sd12)
                  ? sn40l_pcu_tail_pkg::SegmentGelu + SegmentWidth'(parts.floor[3:0])
                  : sn40l_pcu_tail_pkg::SegmentZero;
        end
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (works[1]) begin
      segment_q[2] <= segment;
      g_q[2]       <= parts.fraction;
      power_q[2]   <= power;
    end
  end

  for (genvar s = 2; s < Last; s++) begin : gen_alongside
    always_ff @(posedge clk_i) if (works[s]) power_q[s+1] <= power_q[s];
    if (s <= Degree) begin : gen_horner
      always_ff @(posedge clk_i) begin
        if (works[s]) begin
          segment_q[s+1] <= segment_q[s];
          g_q[s+1]       <= g_q[s];
        end
      end
    end
  end

  // Stages 2 to 6: Horner's rule.
  logic [Last:3][31:0] p_q;

  always_ff @(posedge clk_i) begin
    if (works[2]) begin
      p_q[3] <= fp32_pkg::add(
          fp32_pkg::multiply(sn40l_pcu_tail_pkg::coefficient(segment_q[2], 3'd5), g_q[2]),
          sn40l_pcu_tail_pkg::coefficient(segment_q[2], 3'd4));
    end
  end
  for (genvar s = 3; s < Last; s++) begin : gen_degree
    always_ff @(posedge clk_i) begin
      if (works[s]) begin
        p_q[s+1] <= fp32_pkg::add(fp32_pkg::multiply(p_q[s], g_q[s]),
                                  sn40l_pcu_tail_pkg::coefficient(segment_q[s], 3'(Degree + 1 - s)));
      end
    end
  end

  // Stage 7: the power of two and what no polynomial gives.
  logic [31:0] x, p, product, result, result_q;
  logic        zero;  // or subnormal

  assign x    = x_q[Last];
  assign p    = p_q[Last];
  assign zero = x[30:23] == 8'd0;

  always_comb begin
    product = 32'd0;
    result  = x;
    if (works[Last]) begin
      case (tail_i[Last])
        sn40l_pcu_pkg::TailRecip: begin
          if (fp32_pkg::is_nan(x[30:0]))      result = fp32_pkg::QuietNan;
          else if (zero)                      result = {x[31], 8'hFF, 23'd0};
          else if (fp32_pkg::is_inf(x[30:0])) result = {x[31], 31'd0};
          else                                result = fp32_exp_pkg::scaled(p, power_q[Last]) | {x[31], 31'd0};
        end
        sn40l_pcu_pkg::TailRsqrt: begin
          if (fp32_pkg::is_nan(x[30:0]))      result = fp32_pkg::QuietNan;
          else if (zero)                      result = {x[31], 8'hFF, 23'd0};
          else if (x[31])                     result = fp32_pkg::QuietNan;
          else if (fp32_pkg::is_inf(x[30:0])) result = 32'd0;
          else                                result = fp32_exp_pkg::scaled(p, power_q[Last]);
        end
        sn40l_pcu_pkg::TailGelu: begin
          if (p != 32'd0) product = fp32_pkg::multiply({1'b1, x[30:0]}, p);
          result = fp32_pkg::add(x[31] ? 32'd0 : x, product);
        end
        default: result = fp32_exp_pkg::scaled(p, power_q[Last]);
      endcase
    end
  end

  always_ff @(posedge clk_i) if (valid_i[Last]) result_q <= result;

  assign result_o = result_q;

endmodule
