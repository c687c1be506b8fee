// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// FP16 multiply-accumulate element, the comparator of bitmod_pe: one product a cycle, summed in FP32, or with
// HalfAccumulator in FP16 (each product then rounded to FP16 first). Round to nearest even throughout.
//
// Operands of a step enter in cycle t, the controls of its accumulation in cycle t+1; the sum with it is
// there in cycle t+2. As around bitmod_pe, operands are registered and controls made outside, for all at
// once.
// A step with acc_first_i forgets the sum before; it is held while acc_valid_i is low.
// IEEE 754 in all cases. It has no handshake, and no group scale, which FP16 weights do not need.

module fp16_mac_pe #(
  parameter  bit          HalfAccumulator = 1'b0,
  localparam int unsigned Width           = HalfAccumulator ? 16 : 32
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [15:0]      act_i,
  input  logic [15:0]      weight_i,
  input  logic             acc_valid_i,
  input  logic             acc_first_i,
  output logic [Width-1:0] sum_o
);

  logic [Width-1:0] product, product_q, sum, sum_q;

  fp16_multiply #(.HalfResult(HalfAccumulator)) i_multiply (
    .a_i      (act_i),
    .b_i      (weight_i),
    .product_o(product)
  );

  fp_add #(
    .ExpWidth(HalfAccumulator ? 5 : 8),
    .ManWidth(HalfAccumulator ? 10 : 23)
  ) i_add (
    .a_i  (acc_first_i ? '0 : sum_q),
    .b_i  (product_q),
    .sum_o(sum)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      product_q <= '0;
      sum_q     <= '0;
    end else begin
      product_q <= product;
      if (acc_valid_i) sum_q <= sum;
    end
  end

  assign sum_o = sum_q;

endmodule
