// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Steps of AES-128 encryption (FIPS 197). Byte 0 of a block is its highest, as it is written; bytes go down
// the columns of the state.

package bolt_aes_pkg;

  function automatic logic [7:0] sub_byte(input logic [7:0] x);
    sub_byte = bolt_sbox_pkg::Table[{x, 3'b000} +: 8];
  endfunction

  // SubBytes and ShiftRows: row r goes r columns to the left.
  function automatic logic [127:0] sub_shift(input logic [127:0] state);
    for (int unsigned c = 0; c < 4; c++) begin
      for (int unsigned r = 0; r < 4; r++) begin
        sub_shift[120 - 8 * (r + 4 * c) +: 8] = sub_byte(state[120 - 8 * (r + 4 * ((c + r) % 4)) +: 8]);
      end
    end
  endfunction

  // A column times {03}x^3 + {01}x^2 + {01}x + {02}.
  function automatic logic [31:0] mix_column(input logic [31:0] a);
    logic [31:0] twice;
    twice = {a[30:24], 1'b0, a[22:16], 1'b0, a[14:8], 1'b0, a[6:0], 1'b0}
          ^ {a[31] ? 8'h1b : 8'h00, a[23] ? 8'h1b : 8'h00, a[15] ? 8'h1b : 8'h00, a[7] ? 8'h1b : 8'h00};
    mix_column = twice ^ {twice[23:0], twice[31:24]} ^ {a[23:0], a[31:24]} ^ {a[15:0], a[31:16]}
               ^ {a[7:0], a[31:8]};
  endfunction

  // A round; the last one mixes no columns.
  function automatic logic [127:0] round(
    input logic [127:0] state, input logic [127:0] round_key, input logic last
  );
    // verilator no_inline_task
    logic [127:0] s, mixed;
    s     = sub_shift(state);
    mixed = {mix_column(s[127:96]), mix_column(s[95:64]), mix_column(s[63:32]), mix_column(s[31:0])};
    round = (last ? s : mixed) ^ round_key;
  endfunction

  // The next round key; rcon is {02} to the power of its number less one.
  function automatic logic [127:0] next_key(input logic [127:0] key, input logic [7:0] rcon);
    // verilator no_inline_task
    logic [31:0] a, b, c, d;
    a = key[127:96] ^ {sub_byte(key[23:16]) ^ rcon, sub_byte(key[15:8]), sub_byte(key[7:0]),
                       sub_byte(key[31:24])};
    b = key[95:64] ^ a;
    c = key[63:32] ^ b;
    d = key[31:0] ^ c;
    next_key = {a, b, c, d};
  endfunction

  // The other order of bytes.
  function automatic logic [63:0] turned_word(input logic [63:0] x);
    turned_word = {x[7:0], x[15:8], x[23:16], x[31:24], x[39:32], x[47:40], x[55:48], x[63:56]};
  endfunction

  function automatic logic [127:0] turned(input logic [127:0] block);
    turned = {turned_word(block[63:0]), turned_word(block[127:64])};
  endfunction

  function automatic logic [7:0] next_rcon(input logic [7:0] rcon);
    next_rcon = {rcon[6:0], 1'b0} ^ (rcon[7] ? 8'h1b : 8'h00);
  endfunction

endpackage
