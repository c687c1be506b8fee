// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// IEEE 754 single precision addition, round to nearest, ties to even.
//
// Subnormal operands and results, signed zeros, infinities and NaNs follow the standard; every NaN
// result is the quiet NaN 7FC00000. Combinational: the user places the registers.
// It has no exception flags and no other rounding modes.

module fp32_add (
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  output logic [31:0] sum_o
);

  localparam logic [31:0] QuietNan = 32'h7FC0_0000;

  logic [31:0] larger, smaller;
  logic        swap, subtract, a_nan, b_nan, a_inf, b_inf;
  logic [7:0]  larger_exp, smaller_exp, distance;
  logic [26:0] larger_man, smaller_man, aligned, lost;
  logic [27:0] raw;

  assign swap  = b_i[30:0] > a_i[30:0];
  assign larger   = swap ? b_i : a_i;
  assign smaller = swap ? a_i : b_i;

  // Subnormals have exponent 1 and no hidden bit. Three more bits: guard, round, sticky.
  assign larger_exp   = (larger[30:23] == 8'd0) ? 8'd1 : larger[30:23];
  assign smaller_exp = (smaller[30:23] == 8'd0) ? 8'd1 : smaller[30:23];
  assign larger_man   = {larger[30:23] != 8'd0, larger[22:0], 3'b000};
  assign smaller_man = {smaller[30:23] != 8'd0, smaller[22:0], 3'b000};

  assign distance = larger_exp - smaller_exp;
  assign lost     = smaller_man & ~({27{1'b1}} << distance);
  assign aligned  = (smaller_man >> distance) | 27'(|lost);

  assign subtract = larger[31] ^ smaller[31];
  assign raw      = subtract ? {1'b0, larger_man} - {1'b0, aligned} : {1'b0, larger_man} + {1'b0, aligned};

  // Normalise: one place right after a carry, else left, but not below exponent 1.
  logic [4:0]  top_index;
  logic        nonzero;
  logic [7:0]  wanted, headroom, left;
  logic [26:0] normal;
  logic [8:0]  exponent;

  leading_one #(.Width(27)) i_leading_one (
    .value_i(raw[26:0]),
    .index_o(top_index),
    .found_o(nonzero)
  );

  assign wanted   = 8'd26 - {3'b000, top_index};
  assign headroom = larger_exp - 8'd1;
  assign left     = (wanted < headroom) ? wanted : headroom;

  always_comb begin
    if (raw[27]) begin
      normal   = {raw[27:2], raw[1] | raw[0]};
      exponent = {1'b0, larger_exp} + 9'd1;
    end else begin
      normal   = raw[26:0] << left;
      exponent = {1'b0, larger_exp} - {1'b0, left};
    end
  end

  // Rounding may carry into the exponent field: a subnormal becomes normal, the largest becomes infinite.
  logic        round_up;
  logic [30:0] rounded;

  assign round_up = normal[2] & (normal[1] | normal[0] | normal[3]);
  assign rounded  = {normal[26] ? exponent[7:0] : 8'd0, normal[25:3]} + 31'(round_up);

  assign a_nan = (a_i[30:23] == 8'hFF) & (a_i[22:0] != 23'd0);
  assign b_nan = (b_i[30:23] == 8'hFF) & (b_i[22:0] != 23'd0);
  assign a_inf = (a_i[30:23] == 8'hFF) & (a_i[22:0] == 23'd0);
  assign b_inf = (b_i[30:23] == 8'hFF) & (b_i[22:0] == 23'd0);

  always_comb begin
    if (a_nan | b_nan | (a_inf & b_inf & subtract)) sum_o = QuietNan;
    else if (a_inf | b_inf)                         sum_o = {larger[31], 8'hFF, 23'd0};
    else if (~nonzero & ~raw[27])                   sum_o = {a_i[31] & b_i[31], 31'd0};
    else if (exponent >= 9'd255)                    sum_o = {larger[31], 8'hFF, 23'd0};
    else                                            sum_o = {larger[31], rounded};
  end

endmodule
