// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// IEEE 754 single to half precision, round to nearest, ties to even.
//
// Values beyond the largest half become infinities, small ones subnormals or zeros of their sign; every NaN
// becomes the quiet NaN 7E00. Combinational. It gives no exception flags.

module fp32_to_fp16 (
  input  logic [31:0] value_i,
  output logic [15:0] value_o
);

  localparam logic [15:0] QuietNan = 16'h7E00;

  logic [7:0]  exponent, half_exp, right;
  logic [23:0] mantissa, lost, placed;
  logic        subnormal, round_up;
  logic [14:0] rounded;

  assign exponent  = value_i[30:23];
  assign mantissa  = {exponent != 8'd0, value_i[22:0]};
  assign subnormal = exponent < 8'd113;
  assign half_exp  = exponent - 8'd112;

  // Below half exponent 1 the mantissa goes right, keeping what falls out as sticky.
  assign right  = subnormal ? 8'd113 - exponent : 8'd0;
  assign lost   = mantissa & ~({24{1'b1}} << right);
  assign placed = (mantissa >> right) | 24'(|lost);

  assign round_up = placed[12] & ((|placed[11:0]) | placed[13]);
  assign rounded  = {placed[23] ? half_exp[4:0] : 5'd0, placed[22:13]} + 15'(round_up);

  always_comb begin
    if (exponent == 8'hFF && value_i[22:0] != 23'd0) value_o = QuietNan;
    else if (exponent > 8'd142)                      value_o = {value_i[31], 5'h1F, 10'd0};
    else                                             value_o = {value_i[31], rounded};
  end

  logic unused_half_exp;
  assign unused_half_exp = |half_exp[7:5];

endmodule
