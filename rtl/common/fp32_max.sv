// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The larger of two single-precision numbers; minus infinity is its identity.
//
// +0 is larger than -0. If either operand is a NaN, the result is the quiet NaN 7FC00000. Combinational.

module fp32_max (
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  output logic [31:0] max_o
);

  localparam logic [31:0] QuietNan = 32'h7FC0_0000;

  // As unsigned integers these are in the order of the numbers.
  logic [31:0] a_key, b_key;
  logic        a_nan, b_nan;

  assign a_key = a_i[31] ? ~a_i : {1'b1, a_i[30:0]};
  assign b_key = b_i[31] ? ~b_i : {1'b1, b_i[30:0]};
  assign a_nan = (a_i[30:23] == 8'hFF) & (a_i[22:0] != 23'd0);
  assign b_nan = (b_i[30:23] == 8'hFF) & (b_i[22:0] != 23'd0);
  assign max_o = (a_nan | b_nan) ? QuietNan : (a_key >= b_key) ? a_i : b_i;

endmodule
