// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The S-box of AES (FIPS 197, 5.1.1): the inverse in GF(2^8), then an affine map. Made at elaboration.

package bolt_sbox_pkg;

  // Product modulo x^8 + x^4 + x^3 + x + 1.
  function automatic logic [7:0] times(input logic [7:0] a, input logic [7:0] b);
    times = '0;
    for (int i = 7; i >= 0; i--) begin
      times = {times[6:0], 1'b0} ^ (times[7] ? 8'h1b : 8'h00) ^ (b[i] ? a : 8'h00);
    end
  endfunction

  // p runs through all elements but 0 as powers of 3, q through their inverses as powers of 1 / 3.
  function automatic logic [2047:0] table_of_all();
    logic [7:0] p, q;
    p            = 8'h01;
    q            = 8'h01;
    table_of_all = 2048'(8'h63);
    for (int i = 0; i < 255; i++) begin
      table_of_all[8 * p +: 8] =
          q ^ {q[6:0], q[7]} ^ {q[5:0], q[7:6]} ^ {q[4:0], q[7:5]} ^ {q[3:0], q[7:4]} ^ 8'h63;
      p = times(p, 8'h03);
      q = times(q, 8'hf6);
    end
  endfunction

  localparam logic [2047:0] Table = table_of_all();

endpackage
