// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// IEEE 754 half to single precision, exact.
//
// Subnormals become normal numbers, infinities and signs stay; every NaN becomes the quiet NaN 7FC00000.
// Combinational.

module fp16_to_fp32 (
  input  logic [15:0] value_i,
  output logic [31:0] value_o
);

  localparam logic [31:0] QuietNan = 32'h7FC0_0000;

  logic        sign, nonfinite, nonzero;
  logic [4:0]  exponent;
  logic [10:0] mantissa, normal;
  logic [3:0]  top_index;
  logic [7:0]  wide_exp;

  fp16_unpack i_unpack (
    .value_i,
    .sign_o     (sign),
    .exp_o      (exponent),
    .man_o      (mantissa),
    .nonfinite_o(nonfinite)
  );

  leading_one #(.Width(11)) i_leading_one (
    .value_i(mantissa),
    .index_o(top_index),
    .found_o(nonzero)
  );

  // (-1)^sign * mantissa * 2^(exponent - 25), its leading one moved to bit 10.
  assign normal   = mantissa << (4'd10 - top_index);
  assign wide_exp = 8'd102 + {3'd0, exponent} + {4'd0, top_index};

  always_comb begin
    if (nonfinite && value_i[9:0] != 10'd0) value_o = QuietNan;
    else if (nonfinite)                     value_o = {sign, 8'hFF, 23'd0};
    else if (!nonzero)                      value_o = {sign, 31'd0};
    else                                    value_o = {sign, wide_exp, normal[9:0], 13'd0};
  end

  logic unused_hidden;
  assign unused_hidden = normal[10];

endmodule
