// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// IEEE 754 single precision multiplication, round to nearest, ties to even.
//
// Subnormal operands and results, signed zeros, infinities and NaNs follow the standard; every NaN
// result is the quiet NaN 7FC00000. Combinational: the user places the registers.
// It has no exception flags and no other rounding modes.

module fp32_mul (
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  output logic [31:0] product_o
);

  localparam logic [31:0] QuietNan = 32'h7FC0_0000;

  logic        sign, a_nan, b_nan, a_inf, b_inf, a_zero, b_zero;
  logic [4:0]  a_top, b_top;
  logic        a_found, b_found;
  logic [23:0] a_raw, b_raw, a_man, b_man;

  assign sign   = a_i[31] ^ b_i[31];
  assign a_nan  = (a_i[30:23] == 8'hFF) & (a_i[22:0] != 23'd0);
  assign b_nan  = (b_i[30:23] == 8'hFF) & (b_i[22:0] != 23'd0);
  assign a_inf  = (a_i[30:23] == 8'hFF) & (a_i[22:0] == 23'd0);
  assign b_inf  = (b_i[30:23] == 8'hFF) & (b_i[22:0] == 23'd0);
  assign a_zero = ~a_found;
  assign b_zero = ~b_found;

  // Mantissas with their leading one moved to bit 23; the exponents go down accordingly.
  assign a_raw = {a_i[30:23] != 8'd0, a_i[22:0]};
  assign b_raw = {b_i[30:23] != 8'd0, b_i[22:0]};

  leading_one #(.Width(24)) i_a_leading_one (.value_i(a_raw), .index_o(a_top), .found_o(a_found));
  leading_one #(.Width(24)) i_b_leading_one (.value_i(b_raw), .index_o(b_top), .found_o(b_found));

  logic        [7:0] a_field, b_field;
  logic signed [9:0] a_exp, b_exp, exponent;
  logic [47:0]       product, normal, lost, placed;
  logic              carry;

  assign a_field = (a_i[30:23] == 8'd0) ? 8'd1 : a_i[30:23];
  assign b_field = (b_i[30:23] == 8'd0) ? 8'd1 : b_i[30:23];

  assign a_man = a_raw << (5'd23 - a_top);
  assign b_man = b_raw << (5'd23 - b_top);
  assign a_exp = $signed({2'b00, a_field}) + $signed({5'd0, a_top}) - 10'sd23;
  assign b_exp = $signed({2'b00, b_field}) + $signed({5'd0, b_top}) - 10'sd23;

  assign product  = a_man * b_man;
  assign carry    = product[47];
  assign normal   = carry ? product : product << 1;
  assign exponent = a_exp + b_exp - 10'sd127 + $signed({9'd0, carry});

  // Below exponent 1 the result is subnormal: shift right, keeping what falls out as sticky.
  logic        subnormal, round_up;
  logic [9:0]  right;
  logic [30:0] rounded;

  assign subnormal = exponent < 10'sd1;
  assign right     = subnormal ? $unsigned(10'sd1 - exponent) : 10'd0;
  assign lost      = normal & ~({48{1'b1}} << right);
  assign placed    = (normal >> right) | 48'(|lost);

  assign round_up = placed[23] & ((|placed[22:0]) | placed[24]);
  assign rounded  = {placed[47] ? exponent[7:0] : 8'd0, placed[46:24]} + 31'(round_up);

  always_comb begin
    if (a_nan | b_nan | (a_inf & b_zero) | (a_zero & b_inf)) product_o = QuietNan;
    else if (a_inf | b_inf)                                  product_o = {sign, 8'hFF, 23'd0};
    else if (a_zero | b_zero)                                product_o = {sign, 31'd0};
    else if (exponent > 10'sd254)                            product_o = {sign, 8'hFF, 23'd0};
    else                                                     product_o = {sign, rounded};
  end

endmodule
