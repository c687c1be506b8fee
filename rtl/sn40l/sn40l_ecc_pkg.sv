// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Single error correction, double error detection of 64 bits by 8 check bits: the extended Hamming code.
//
// Data bits stand at the positions 3, 5, 6, 7, 9, .. 71 of a Hamming code, check bit j at position 2^j;
// check bit 7 makes the parity of all 72 even. A codeword is {check, data}. Three flipped bits or more may
// be corrected wrongly, as in every such code. The paper says nothing of ECC: this is of the project's
// design.

package sn40l_ecc_pkg;

  // Where data bit i stands: past the powers of two.
  function automatic logic [6:0] position(input logic [5:0] i);
    if (i < 6'd1)       position = 7'(i) + 7'd3;
    else if (i < 6'd4)  position = 7'(i) + 7'd4;
    else if (i < 6'd11) position = 7'(i) + 7'd5;
    else if (i < 6'd26) position = 7'(i) + 7'd6;
    else if (i < 6'd57) position = 7'(i) + 7'd7;
    else                position = 7'(i) + 7'd8;
  endfunction

  // Check bits 0 to 6.
  function automatic logic [6:0] hamming(input logic [63:0] data);
    hamming = '0;
    for (int unsigned i = 0; i < 64; i++) begin
      if (data[i]) hamming = hamming ^ position(6'(i));
    end
  endfunction

  function automatic logic [7:0] check(input logic [63:0] data);
    logic [6:0] sum;
    sum   = hamming(data);
    check = {^data ^ ^sum, sum};
  endfunction

  // {uncorrectable, corrected, data}
  function automatic logic [65:0] decode(input logic [71:0] word);
    logic [63:0] data;
    logic [6:0]  syndrome;
    logic        odd;
    data     = word[63:0];
    syndrome = word[70:64] ^ hamming(word[63:0]);
    odd      = ^word;
    for (int unsigned i = 0; i < 64; i++) begin
      if (odd && syndrome == position(6'(i))) data[i] = ~data[i];
    end
    // An even number of flips, or one at a position that does not exist.
    decode[65]   = odd ? (syndrome > 7'd71) : (syndrome != '0);
    decode[64]   = odd && syndrome <= 7'd71;
    decode[63:0] = data;
  endfunction

endpackage
