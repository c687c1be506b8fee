// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Product of two FP16 numbers: exact in FP32, or with HalfResult rounded to FP16, to nearest even.
//
// Subnormal operands and results, signed zeros, infinities and NaNs follow IEEE 754; every NaN result is the
// quiet NaN without a sign. No product of FP16 numbers leaves FP32's normal range. Combinational.

module fp16_multiply #(
  parameter  bit          HalfResult = 1'b0,
  localparam int unsigned Width      = HalfResult ? 16 : 32
) (
  input  logic [15:0]      a_i,
  input  logic [15:0]      b_i,
  output logic [Width-1:0] product_o
);

  logic        sign, special, invalid;
  logic [1:0]  op_sign, op_nonfinite, op_zero, op_nan;
  logic [1:0][4:0]  op_exp;
  logic [1:0][10:0] op_man;

  fp16_unpack i_a (
    .value_i(a_i), .sign_o(op_sign[0]), .exp_o(op_exp[0]), .man_o(op_man[0]), .nonfinite_o(op_nonfinite[0])
  );
  fp16_unpack i_b (
    .value_i(b_i), .sign_o(op_sign[1]), .exp_o(op_exp[1]), .man_o(op_man[1]), .nonfinite_o(op_nonfinite[1])
  );

  assign op_zero = {op_man[1] == '0, op_man[0] == '0};
  assign op_nan  = {op_nonfinite[1] && b_i[9:0] != '0, op_nonfinite[0] && a_i[9:0] != '0};
  assign sign    = op_sign[1] ^ op_sign[0];
  assign special = |op_nonfinite;
  assign invalid = |op_nan || (op_nonfinite[0] && op_zero[1]) || (op_nonfinite[1] && op_zero[0]);

  // product = raw * 2^(exponents - 50), moved left until its leading one is in bit 21.
  logic [21:0] raw, normal;
  logic [4:0]  top, left;
  logic        nonzero;
  logic [5:0]  exponents;

  assign raw       = op_man[1] * op_man[0];
  assign exponents = 6'(op_exp[1]) + 6'(op_exp[0]);

  leading_one #(.Width(22)) i_leading_one (
    .value_i(raw),
    .index_o(top),
    .found_o(nonzero)
  );

  assign left   = 5'd21 - top;
  assign normal = raw << left;

  if (HalfResult) begin : gen_half
    // Biased exponent of the leading one: exponents - 50 + 21 - left + 15.
    logic signed [7:0] exponent;
    logic        [4:0] right;
    logic [21:0]       lost, placed;
    logic              round_up;
    logic [14:0]       rounded;

    assign exponent = $signed({2'b00, exponents}) - $signed({3'b000, left}) - 8'sd14;

    // Below exponent 1 the result is subnormal: right, keeping what falls out as sticky.
    always_comb begin
      right = '0;
      if (exponent < 8'sd1) right = (exponent < -8'sd21) ? 5'd22 : 5'(8'sd1 - exponent);
    end

    assign lost     = normal & ~({22{1'b1}} << right);
    assign placed   = (normal >> right) | 22'(|lost);
    assign round_up = placed[10] & ((|placed[9:0]) | placed[11]);
    assign rounded  = {placed[21] ? exponent[4:0] : 5'd0, placed[20:11]} + 15'(round_up);

    always_comb begin
      if (invalid)                  product_o = 16'h7e00;
      else if (special)             product_o = {sign, 15'h7c00};
      else if (!nonzero)            product_o = {sign, 15'd0};
      else if (exponent > 8'sd30)   product_o = {sign, 15'h7c00};
      else                          product_o = {sign, rounded};
    end
  end else begin : gen_single
    // Biased exponent: exponents - 50 + 21 - left + 127.
    always_comb begin
      if (invalid)       product_o = 32'h7fc0_0000;
      else if (special)  product_o = {sign, 31'h7f80_0000};
      else if (!nonzero) product_o = {sign, 31'd0};
      else               product_o = {sign, 8'd98 + 8'(exponents) - 8'(left), normal[20:0], 2'b00};
    end

    logic unused_hidden_bit;
    assign unused_hidden_bit = normal[21];
  end

endmodule
