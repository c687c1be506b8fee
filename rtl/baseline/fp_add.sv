// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// IEEE 754 addition in a binary format of any size, round to nearest, ties to even.
//
// Subnormal operands and results, signed zeros, infinities and NaNs follow the standard; every NaN result is
// the quiet NaN without a sign. Combinational: the user places the registers. No exception flags.

module fp_add #(
  parameter  int unsigned ExpWidth = 8,
  parameter  int unsigned ManWidth = 23,  // fraction bits, without the hidden one
  localparam int unsigned Width    = 1 + ExpWidth + ManWidth
) (
  input  logic [Width-1:0] a_i,
  input  logic [Width-1:0] b_i,
  output logic [Width-1:0] sum_o
);

  // Hidden bit, fraction, and guard, round and sticky bits.
  localparam int unsigned Work      = ManWidth + 4;
  localparam int unsigned TopWidth  = $clog2(Work);
  localparam int unsigned Magnitude = Width - 1;

  localparam logic [ExpWidth-1:0] MaxExp   = '1;
  localparam logic [Width-1:0]    QuietNan = {1'b0, MaxExp, 1'b1, {(ManWidth - 1) {1'b0}}};

  // The operand of larger magnitude goes first. Subnormals have exponent 1 and no hidden bit.
  logic                swap, subtract;
  logic [Width-1:0]    larger, smaller;
  logic [ExpWidth-1:0] larger_exp, smaller_exp, distance;
  logic [Work-1:0]     larger_man, smaller_man, lost, aligned;
  logic [Work:0]       raw;

  assign swap        = b_i[Magnitude-1:0] > a_i[Magnitude-1:0];
  assign larger      = swap ? b_i : a_i;
  assign smaller     = swap ? a_i : b_i;
  assign larger_exp  = (larger[Magnitude-1-:ExpWidth] == '0) ? ExpWidth'(1) : larger[Magnitude-1-:ExpWidth];
  assign smaller_exp = (smaller[Magnitude-1-:ExpWidth] == '0) ? ExpWidth'(1) : smaller[Magnitude-1-:ExpWidth];
  assign larger_man  = {larger[Magnitude-1-:ExpWidth] != '0, larger[ManWidth-1:0], 3'b000};
  assign smaller_man = {smaller[Magnitude-1-:ExpWidth] != '0, smaller[ManWidth-1:0], 3'b000};
  assign distance    = larger_exp - smaller_exp;
  assign lost        = smaller_man & ~({Work{1'b1}} << distance);
  assign aligned     = (smaller_man >> distance) | Work'(|lost);
  assign subtract    = larger[Width-1] ^ smaller[Width-1];
  assign raw         = subtract ? {1'b0, larger_man} - {1'b0, aligned} : {1'b0, larger_man} + {1'b0, aligned};

  // One place right after a carry, else left to the leading one, but not below exponent 1.
  logic [TopWidth-1:0] top;
  logic                found;
  logic [ExpWidth-1:0] wanted, headroom, left;
  logic [Work-1:0]     normal;
  logic [ExpWidth:0]   exponent;

  leading_one #(.Width(Work)) i_leading_one (
    .value_i(raw[Work-1:0]),
    .index_o(top),
    .found_o(found)
  );

  assign wanted   = ExpWidth'(Work - 1) - ExpWidth'(top);
  assign headroom = larger_exp - ExpWidth'(1);
  assign left     = (wanted < headroom) ? wanted : headroom;
  assign normal   = raw[Work] ? {raw[Work:2], raw[1] | raw[0]} : raw[Work-1:0] << left;
  assign exponent = raw[Work] ? {1'b0, larger_exp} + (ExpWidth + 1)'(1) : {1'b0, larger_exp} - {1'b0, left};

  // Rounding may carry into the exponent: a subnormal becomes normal, the largest becomes infinite.
  logic                 round_up;
  logic [Magnitude-1:0] rounded;

  assign round_up = normal[2] & (normal[1] | normal[0] | normal[3]);
  assign rounded  = {normal[Work-1] ? exponent[ExpWidth-1:0] : ExpWidth'(0), normal[Work-2:3]} +
                    Magnitude'(round_up);

  logic a_special, b_special, a_nan, b_nan;

  assign a_special = a_i[Magnitude-1-:ExpWidth] == MaxExp;
  assign b_special = b_i[Magnitude-1-:ExpWidth] == MaxExp;
  assign a_nan     = a_special && a_i[ManWidth-1:0] != '0;
  assign b_nan     = b_special && b_i[ManWidth-1:0] != '0;

  always_comb begin
    if (a_nan || b_nan || (a_special && b_special && subtract)) sum_o = QuietNan;
    else if (a_special || b_special)          sum_o = {larger[Width-1], MaxExp, {ManWidth{1'b0}}};
    else if (!raw[Work] && !found)            sum_o = {a_i[Width-1] & b_i[Width-1], {Magnitude{1'b0}}};
    else if (exponent >= {1'b0, MaxExp})      sum_o = {larger[Width-1], MaxExp, {ManWidth{1'b0}}};
    else                                      sum_o = {larger[Width-1], rounded};
  end

endmodule
