// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Single-precision multiply-accumulate that also does exponentials, six steps each (FuseMax, section V).
//
// Outside exponentials: product_o = a_i * b_i, result_o = product_o + c_i, each rounded. A step of an
// exponential (exp_i, step_i = 0..5) works on x_i instead and keeps n and g between steps, so one
// exponential must be over before the next begins:
//   0     y = x * log2(e); n = floor(y), g = y - n      (result_o is y)
//   1     result_o = c5 * g + c4
//   2..5  result_o = x * g + c3, c2, c1, c0, after step 5 with n added to the exponent
// Below 2^-126 the result is +0, beyond the largest number infinity; exp(-inf) = 0, exp(0) = 1, and NaN
// stays NaN. Combinational but for n and g.

module fusemax_mac (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        en_i,
  input  logic        exp_i,
  input  logic [2:0]  step_i,
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  input  logic [31:0] c_i,
  input  logic [31:0] x_i,
  output logic [31:0] product_o,
  output logic [31:0] result_o
);

  logic [31:0]      coefficient, factor_a, factor_b, addend, sum;
  fp32_pkg::parts_t parts, parts_q;  // n and g

  always_comb begin
    case (step_i)
      3'd1:    coefficient = fp32_exp_pkg::C4;
      3'd2:    coefficient = fp32_exp_pkg::C3;
      3'd3:    coefficient = fp32_exp_pkg::C2;
      3'd4:    coefficient = fp32_exp_pkg::C1;
      3'd5:    coefficient = fp32_exp_pkg::C0;
      default: coefficient = fusemax_pkg::PlusZero;
    endcase
  end

  always_comb begin
    factor_a = a_i;
    factor_b = b_i;
    addend   = c_i;
    if (exp_i) begin
      factor_a = (step_i == 3'd1) ? fp32_exp_pkg::C5 : x_i;
      factor_b = (step_i == 3'd0) ? fp32_exp_pkg::Log2e : parts_q.fraction;
      addend   = coefficient;
    end
  end

  assign product_o = fp32_pkg::multiply(factor_a, factor_b);
  assign sum       = fp32_pkg::add(product_o, addend);
  assign parts     = fp32_pkg::split(sum);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)                              parts_q <= '0;
    else if (en_i && exp_i && step_i == 3'd0) parts_q <= parts;
  end

  // The polynomial is in [1, 2]: adding n to its exponent is multiplying by 2^n.
  assign result_o = (exp_i && step_i == 3'd5) ? fp32_exp_pkg::scaled(sum, parts_q.floor) : sum;

endmodule
