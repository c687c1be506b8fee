// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Step 4 of the processing element: bit-serial multiplication of a group's sum by its group scale.
//
// load_i takes the accumulator; then each cycle with step_i consumes one scale bit, most significant
// first. After ScaleWidth steps mantissa_o * 2^(exp_o - 28) is the scaled sum, held until the next
// load or shift_i, which takes the scaled sum of the next element instead. Exact. It overlaps the
// accumulation of the next group.

module bitmod_pe_dequant #(
  parameter  int unsigned AccWidth   = bitmod_pkg::AccWidth,
  localparam int unsigned GroupWidth = AccWidth + bitmod_pkg::ScaleWidth
) (
  input  logic                                   clk_i,
  input  logic                                   rst_ni,
  input  logic                                   load_i,
  input  logic                                   step_i,
  input  logic                                   scale_bit_i,
  input  logic signed [AccWidth-1:0]             mantissa_i,
  input  logic [bitmod_pkg::ExpWidth-1:0]        exp_i,
  input  logic                                   shift_i,
  input  logic [GroupWidth-1:0]                  next_mantissa_i,
  input  logic [bitmod_pkg::ExpWidth-1:0]        next_exp_i,
  output logic [GroupWidth-1:0]                  mantissa_o,
  output logic [bitmod_pkg::ExpWidth-1:0]        exp_o
);

  localparam int unsigned ExpWidth = bitmod_pkg::ExpWidth;

  logic signed [AccWidth-1:0]   operand_q;
  logic signed [GroupWidth-1:0] addend, product_q;
  logic        [ExpWidth-1:0]   exp_q;

  assign addend = scale_bit_i ? GroupWidth'(operand_q) : '0;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      operand_q <= '0;
      exp_q     <= '0;
      product_q <= '0;
    end else if (load_i) begin
      operand_q <= mantissa_i;
      exp_q     <= exp_i;
      product_q <= '0;
    end else if (step_i) begin
      product_q <= (product_q <<< 1) + addend;
    end else if (shift_i) begin
      product_q <= $signed(next_mantissa_i);
      exp_q     <= next_exp_i;
    end
  end

  assign mantissa_o = $unsigned(product_q);
  assign exp_o      = exp_q;

endmodule
