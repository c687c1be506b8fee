// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A scaled group sum, mantissa * 2^(exp - 28), as IEEE 754 single precision.
//
// Exact: up to 24 magnitude bits fit a 24-bit significand, and no exponent reaches the subnormals or the
// infinities. Zero gives +0. Combinational.

module bitmod_group_to_fp32 #(
  parameter int unsigned GroupWidth = bitmod_pkg::AccWidth + bitmod_pkg::ScaleWidth
) (
  input  logic signed [GroupWidth-1:0]    mantissa_i,
  input  logic [bitmod_pkg::ExpWidth-1:0] exp_i,
  output logic [31:0]                     value_o
);

  // Bias 127 less the 28 of the mantissa's unit.
  localparam logic [7:0] ExpOffset = 8'd99;

  logic [GroupWidth-1:0] magnitude;
  logic [23:0]           significand;
  logic [4:0]            top;
  logic                  nonzero;

  assign magnitude = mantissa_i[GroupWidth-1] ? $unsigned(-mantissa_i) : $unsigned(mantissa_i);

  leading_one #(.Width(GroupWidth)) i_leading_one (
    .value_i(magnitude),
    .index_o(top),
    .found_o(nonzero)
  );

  assign significand = 24'(magnitude) << (5'd23 - top);
  assign value_o = nonzero ?
      {mantissa_i[GroupWidth-1], ExpOffset + 8'(top) + 8'(exp_i), significand[22:0]} : 32'd0;

  logic unused_hidden_bit;
  assign unused_hidden_bit = significand[23];

endmodule
