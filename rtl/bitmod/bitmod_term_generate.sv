// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Term generator: one bit-serial term of a weight, floating-point or integer.
//
// term_i counts a weight's terms down to 0 (bitmod_pkg::mode_e says from where). A floating-point code takes
// the low four bits, an integer, in two's complement, the low six or all eight. Combinational.

module bitmod_term_generate (
  input  bitmod_pkg::mode_e  mode_i,
  input  logic [1:0]         term_i,
  input  logic [7:0]         code_i,
  input  bitmod_pkg::terms_t special_i,
  output bitmod_pkg::term_t  term_o
);

  bitmod_pkg::terms_t decoded;
  bitmod_pkg::term_t  digit;

  bitmod_term_decode i_decode (
    .code_i   (code_i[3:0]),
    .special_i,
    .terms_o  (decoded)
  );

  bitmod_term_booth i_booth (
    .code_i,
    .digit_i(term_i),
    .term_o (digit)
  );

  always_comb begin
    if (mode_i != bitmod_pkg::ModeFp) term_o = digit;
    else                              term_o = term_i[0] ? decoded.high : decoded.low;
  end

endmodule
