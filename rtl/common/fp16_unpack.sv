// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// IEEE 754 half precision, taken apart: value = (-1)^sign * man * 2^(exp - 25).
//
// Subnormals come out with exponent 1 and hidden bit 0, so the formula above holds for them too.
// Infinities and NaNs raise nonfinite_o; the other outputs are then meaningless.
// Combinational. It does not normalise subnormals.

module fp16_unpack (
  input  logic [15:0] value_i,
  output logic        sign_o,
  output logic [4:0]  exp_o,
  output logic [10:0] man_o,
  output logic        nonfinite_o
);

  logic normal;

  assign normal      = value_i[14:10] != 5'd0;
  assign sign_o      = value_i[15];
  assign exp_o       = normal ? value_i[14:10] : 5'd1;
  assign man_o       = {normal, value_i[9:0]};
  assign nonfinite_o = value_i[14:10] == 5'd31;

endmodule
