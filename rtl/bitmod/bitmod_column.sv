// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What the processing elements of one column share: the accumulator that sums scaled groups, one
// entry per row, and the output stage that applies the channel scale and the bias.
//
// All in IEEE 754 single precision, one row per cycle, each operation rounded to nearest even:
//   cycle t    row_i selects a group sum; it becomes FP32 (exact)
//   cycle t+1  total[row] = (clear ? 0 : total[row]) + group
//   cycle t+2  total * channel scale
//   cycle t+3  ... + bias, and NaN in its place where poison_i says the row is not finite
//   cycle t+4  result_o
// The controls arrive in the cycle they act in. It has no handshake.

module bitmod_column #(
  parameter  int unsigned Rows       = 8,
  parameter  int unsigned GroupWidth = bitmod_pkg::AccWidth + bitmod_pkg::ScaleWidth,
  localparam int unsigned RowWidth   = (Rows > 1) ? $clog2(Rows) : 1
) (
  input  logic                                                 clk_i,
  input  logic                                                 rst_ni,
  input  logic [Rows-1:0][GroupWidth-1:0]                      mantissa_i,
  input  logic [Rows-1:0][bitmod_pkg::ExpWidth-1:0]            exp_i,
  input  logic [RowWidth-1:0]                                  row_i,
  input  logic                                                 total_valid_i,
  input  logic                                                 total_clear_i,
  input  logic [RowWidth-1:0]                                  total_row_i,
  input  logic [31:0]                                          channel_scale_i,
  input  logic [31:0]                                          bias_i,
  input  logic                                                 poison_i,
  output logic [31:0]                                          result_o
);

  localparam logic [31:0] QuietNan = 32'h7FC0_0000;

  logic [31:0]           group, group_q, sum, total_q, product, product_q, biased, result_q;
  logic [Rows-1:0][31:0] totals_q;

  bitmod_group_to_fp32 #(.GroupWidth(GroupWidth)) i_to_fp32 (
    .mantissa_i(mantissa_i[row_i]),
    .exp_i     (exp_i[row_i]),
    .value_o   (group)
  );

  fp32_add i_total (
    .a_i  (total_clear_i ? 32'd0 : totals_q[total_row_i]),
    .b_i  (group_q),
    .sum_o(sum)
  );

  fp32_mul i_scale (
    .a_i      (total_q),
    .b_i      (channel_scale_i),
    .product_o(product)
  );

  fp32_add i_bias (
    .a_i  (product_q),
    .b_i  (bias_i),
    .sum_o(biased)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      group_q   <= '0;
      totals_q  <= '0;
      total_q   <= '0;
      product_q <= '0;
      result_q  <= '0;
    end else begin
      group_q   <= group;
      total_q   <= sum;
      product_q <= product;
      result_q  <= poison_i ? QuietNan : biased;
      if (total_valid_i) totals_q[total_row_i] <= sum;
    end
  end

  assign result_o = result_q;

endmodule
