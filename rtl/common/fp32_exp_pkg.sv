// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Exponential of single precision numbers by a polynomial: what units that do its multiply-accumulates share.
//
// exp(x) = 2^n * p(g), x * log2(e) = n + g (fp32_pkg::split). p is the polynomial of degree 5 with p(0) = 1
// and the least relative error on [0, 1), 8.2e-8, its coefficients rounded to single precision one after the
// other.

/* verilator lint_off UNUSEDPARAM */  // of a design without exponentials

package fp32_exp_pkg;

  localparam logic [31:0] Log2e = 32'h3FB8_AA3B;
  localparam logic [31:0] C0    = 32'h3F80_0000;
  localparam logic [31:0] C1    = 32'h3F31_725D;
  localparam logic [31:0] C2    = 32'h3E75_EDB4;
  localparam logic [31:0] C3    = 32'h3D64_8E1C;
  localparam logic [31:0] C4    = 32'h3C13_BD91;
  localparam logic [31:0] C5    = 32'h3AF4_B678;

  // value * 2^power by its exponent field, for a normal number: +0 below 2^-126, infinity beyond the largest
  // number; infinities and NaNs stay.
  function automatic logic [31:0] scaled(logic [31:0] value, logic signed [8:0] power);
    logic signed [9:0] exponent;

    exponent = $signed({2'b00, value[30:23]}) + 10'(power);
    if (value[30:23] == 8'hFF)    scaled = value;
    else if (exponent < 10'sd1)   scaled = 32'd0;
    else if (exponent > 10'sd254) scaled = {value[31], 8'hFF, 23'd0};
    else                          scaled = {value[31], exponent[7:0], value[22:0]};
  endfunction

endpackage
