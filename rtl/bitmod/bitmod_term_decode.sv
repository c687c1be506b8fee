// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Four-bit BitMoD code to two bit-serial terms.
//
// The code is sign, two exponent bits, one mantissa bit (FP4, E2M1). 1000, the redundant negative
// zero, stands for the group's special value, whose terms come ready from a register.
// The magnitude, as fixed point I3 I2 I1 I0 . F0, gives its leading one among I3..I0 to the term of
// bit significance 1; that one cleared, the leading one among I2..F0 goes to the term of bit significance 0.
// FP3 codes (sign, two exponent bits) enter with mantissa bit 0. Combinational.

module bitmod_term_decode (
  input  logic [3:0]         code_i,
  input  bitmod_pkg::terms_t special_i,
  output bitmod_pkg::terms_t terms_o
);

  localparam logic [3:0] SpecialCode = 4'b1000;

  logic [4:0] fixed, left_over;
  logic [1:0] high_exp, low_exp;
  logic       high_found, low_found;

  always_comb begin
    unique case (code_i[2:0])
      3'b000: fixed = 5'b0000_0;  // 0
      3'b001: fixed = 5'b0000_1;  // 0.5
      3'b010: fixed = 5'b0001_0;  // 1
      3'b011: fixed = 5'b0001_1;  // 1.5
      3'b100: fixed = 5'b0010_0;  // 2
      3'b101: fixed = 5'b0011_0;  // 3
      3'b110: fixed = 5'b0100_0;  // 4
      3'b111: fixed = 5'b0110_0;  // 6
    endcase
  end

  leading_one #(.Width(4)) i_high (
    .value_i(fixed[4:1]),
    .index_o(high_exp),
    .found_o(high_found)
  );

  // The first leading one is cleared before the second search, else 2, 3, 4 and 6 count it twice.
  assign left_over = high_found ? fixed & ~(5'd2 << high_exp) : fixed;

  leading_one #(.Width(4)) i_low (
    .value_i(left_over[3:0]),
    .index_o(low_exp),
    .found_o(low_found)
  );

  always_comb begin
    if (code_i == SpecialCode) begin
      terms_o = special_i;
    end else begin
      terms_o.high.sign = code_i[3];
      terms_o.high.man  = high_found;
      terms_o.high.exp  = high_exp;
      terms_o.low.sign  = code_i[3];
      terms_o.low.man   = low_found;
      terms_o.low.exp   = low_exp;
    end
  end

  // A basic value never has a third one.
  logic unused_left_over;
  assign unused_left_over = left_over[4];

endmodule
