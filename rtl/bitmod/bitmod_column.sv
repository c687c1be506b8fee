// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What the processing elements of one column share: the accumulator that sums scaled groups, one
// entry per row, and the output stage that applies the channel scale and the bias.
//
// All in IEEE 754 single precision, one row per cycle, each operation rounded to nearest even:
//   cycle t    a group sum with group_valid_i; it becomes FP32 (exact)
//   cycle t+1  total[row] = (clear ? 0 : total[row]) + group
//   cycle t+2  total * channel scale
//   cycle t+3  ... + bias, and NaN in its place where poison_i says the row is not finite
//   cycle t+4  result_o
// The controls arrive in the cycle they act in, a valid bit for each stage. It has no handshake.
// Totals are not reset: a tile of outputs begins with clear.

module bitmod_column #(
  parameter  int unsigned Rows       = 8,
  parameter  int unsigned GroupWidth = bitmod_pkg::AccWidth + bitmod_pkg::ScaleWidth,
  localparam int unsigned RowWidth   = (Rows > 1) ? $clog2(Rows) : 1
) (
  input  logic                                                 clk_i,
  input  logic                                                 rst_ni,
  input  logic                                                 group_valid_i,
  input  logic signed [GroupWidth-1:0]                         mantissa_i,
  input  logic [bitmod_pkg::ExpWidth-1:0]                      exp_i,
  input  logic                                                 total_valid_i,
  input  logic                                                 total_clear_i,
  input  logic [RowWidth-1:0]                                  total_row_i,
  input  logic                                                 product_valid_i,
  input  logic [31:0]                                          channel_scale_i,
  input  logic                                                 bias_valid_i,
  input  logic [31:0]                                          bias_i,
  input  logic                                                 poison_i,
  output logic [31:0]                                          result_o
);

  localparam logic [31:0] QuietNan = 32'h7FC0_0000;

  logic [31:0] group, group_q, sum, total_q, product, product_q, biased, result_q;
  logic [31:0] totals_q [Rows];

  bitmod_group_to_fp32 #(.GroupWidth(GroupWidth)) i_to_fp32 (
    .mantissa_i,
    .exp_i,
    .value_o   (group)
  );

  // Computed only where used: a simulator need not, and hardware does not toggle.
  always_comb begin
    sum     = '0;
    product = '0;
    biased  = '0;
    if (total_valid_i)   sum     = fp32_pkg::add(total_clear_i ? 32'd0 : totals_q[total_row_i], group_q);
    if (product_valid_i) product = fp32_pkg::multiply(total_q, channel_scale_i);
    if (bias_valid_i)    biased  = fp32_pkg::add(product_q, bias_i);
  end

  always_ff @(posedge clk_i) begin
    if (total_valid_i) totals_q[total_row_i] <= sum;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      group_q   <= '0;
      total_q   <= '0;
      product_q <= '0;
      result_q  <= '0;
    end else begin
      if (group_valid_i)   group_q   <= group;
      if (total_valid_i)   total_q   <= sum;
      if (product_valid_i) product_q <= product;
      if (bias_valid_i)    result_q  <= poison_i ? QuietNan : biased;
    end
  end

  assign result_o = result_q;

endmodule
