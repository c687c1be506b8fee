// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// One radix-4 Booth digit of an integer as a bit-serial term: -2, -1, 0, 1 or 2.
//
// Digit d, times 4^d, summed over the digits of a two's complement number, is the number: digits 0 to 2 of
// six bits (bits above them are not looked at), 0 to 3 of eight. Combinational.

module bitmod_term_booth (
  input  logic [7:0]        code_i,
  input  logic [1:0]        digit_i,
  output bitmod_pkg::term_t term_o
);

  // The digit's two bits and the one below them.
  logic [2:0] window;

  always_comb begin
    unique case (digit_i)
      2'd0: window = {code_i[1:0], 1'b0};
      2'd1: window = code_i[3:1];
      2'd2: window = code_i[5:3];
      2'd3: window = code_i[7:5];
    endcase
  end

  assign term_o.man  = window != 3'b000 && window != 3'b111;
  assign term_o.sign = window[2] & term_o.man;
  assign term_o.exp  = {1'b0, window == 3'b011 || window == 3'b100};

endmodule
