// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// IEEE 754 single precision multiplication, round to nearest, ties to even: fp32_pkg::multiply as a module.
//
// Combinational: the user places the registers.

module fp32_mul (
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  output logic [31:0] product_o
);

  assign product_o = fp32_pkg::multiply(a_i, b_i);

endmodule
