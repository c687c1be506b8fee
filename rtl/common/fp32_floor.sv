// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A single-precision number as integer and fraction: value = floor_o + fraction_o, 0 <= fraction_o < 1.
//
// The fraction is exact to 24 bits after the point; finer bits are cut off towards minus infinity. Numbers
// from 256 on, infinities included, saturate to 255 or -256 with fraction 0; a NaN gives 0 and the NaN
// 7FC00000. Combinational.

module fp32_floor (
  input  logic        [31:0] value_i,
  output logic signed [8:0]  floor_o,
  output logic        [31:0] fraction_o
);

  localparam logic [31:0] QuietNan = 32'h7FC0_0000;

  logic [7:0]  exponent, left, right;
  logic [23:0] mantissa, shifted, lost, normal;
  logic [32:0] magnitude, fixed;  // 24 fraction bits
  logic [4:0]  top_index;
  logic        nonzero, beyond;

  assign exponent = value_i[30:23];
  assign mantissa = {exponent != 8'd0, value_i[22:0]};
  assign beyond   = exponent > 8'd134;

  // |value| * 2^24 = mantissa * 2^(exponent - 126)
  assign left      = (exponent > 8'd126) ? exponent - 8'd126 : 8'd0;
  assign right     = (exponent < 8'd126) ? 8'd126 - exponent : 8'd0;
  assign shifted   = mantissa >> right;
  assign lost      = mantissa & ~({24{1'b1}} << right);
  assign magnitude = {9'd0, shifted} << left;
  assign fixed     = value_i[31] ? ~magnitude + 33'(lost == 24'd0) : magnitude;

  leading_one #(.Width(24)) i_leading_one (
    .value_i(fixed[23:0]),
    .index_o(top_index),
    .found_o(nonzero)
  );

  assign normal = fixed[23:0] << (5'd23 - top_index);

  always_comb begin
    if (exponent == 8'hFF && value_i[22:0] != 23'd0) begin
      floor_o    = 9'sd0;
      fraction_o = QuietNan;
    end else if (beyond) begin
      floor_o    = {value_i[31], {8{~value_i[31]}}};
      fraction_o = 32'd0;
    end else begin
      floor_o    = fixed[32:24];
      fraction_o = nonzero ? {1'b0, 8'd103 + {3'd0, top_index}, normal[22:0]} : 32'd0;
    end
  end

  logic unused_hidden;
  assign unused_hidden = normal[23];

endmodule
