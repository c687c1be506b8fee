// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Step 3 of the processing element: the floating-point accumulator of one group
// (bitmod_step_pkg::accumulate and its register).
//
// A group that cancels keeps its exponent. Value: mantissa_o * 2^(exp_o - 28), in weight units (doubled ones
// of a floating-point weight). A step with first_i forgets the group before. Six exponent bits suffice for
// 128 elements.

module bitmod_pe_accumulate #(
  parameter int unsigned AccWidth = bitmod_pkg::AccWidth,
  parameter bit          Truncate = 1'b0
) (
  input  logic                                  clk_i,
  input  logic                                  rst_ni,
  input  logic                                  valid_i,
  input  logic                                  first_i,
  input  logic [bitmod_pkg::BsigWidth-1:0]      bsig_i,
  input  logic [bitmod_pkg::ExpWidth-1:0]       max_exp_i,
  input  logic [bitmod_step_pkg::MaxDotWidth-1:0] dot_i,
  output logic signed [AccWidth-1:0]            mantissa_o,
  output logic [bitmod_pkg::ExpWidth-1:0]       exp_o
);

  localparam int unsigned ExpWidth = bitmod_pkg::ExpWidth;
  localparam int unsigned MaxWidth = bitmod_step_pkg::MaxAccWidth;

  logic [AccWidth-1:0]                       mantissa_q;
  logic [ExpWidth-1:0]                       exp_q;
  logic [bitmod_step_pkg::AccStateWidth-1:0] state;

  always_comb begin
    state = '0;
    if (valid_i) begin
      state = bitmod_step_pkg::accumulate(
          first_i, exp_q, {{(MaxWidth - AccWidth + 1) {mantissa_q[AccWidth-1]}}, mantissa_q[AccWidth-2:0]},
          max_exp_i, dot_i, bsig_i, 5'(AccWidth), Truncate);
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      mantissa_q <= '0;
      exp_q      <= '0;
    end else if (valid_i) begin
      mantissa_q <= state[AccWidth-1:0];
      exp_q      <= state[MaxWidth+:ExpWidth];
    end
  end

  assign mantissa_o = mantissa_q;
  assign exp_o      = exp_q;

  // The function is made for the widest accumulator.
  logic unused_sign;
  assign unused_sign = ^state;

endmodule
