// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Random words: AES-128 in counter mode from counter 0, four 64-bit words a draw, highest half of a block
// first.
//
// seed_i takes a key and begins anew; valid_o comes 33 cycles later. take_i, with valid_o, goes on to the
// next four words; valid_o is low for the 22 cycles after it. Words are made ahead, so that taking costs
// nothing, and times depend on nothing else. While tape_en_i, words_o are the tape's, for tests that
// choose the bins; the state goes on as ever. clear_i forgets key and words.

module bolt_drbg (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             clear_i,
  input  logic             seed_i,
  input  logic [127:0]     drbg_key_i,  // byte 0 lowest
  output logic             valid_o,
  input  logic             take_i,
  output logic [3:0][63:0] words_o,     // words_o[0] first
  input  logic             tape_en_i,
  input  logic [3:0][63:0] tape_i
);

  logic [127:0]     counter_q, block;
  logic [3:0][63:0] words_q;
  logic [1:0]       asked_q;   // blocks of this draw asked for
  logic [1:0]       come_q;    // and come
  logic             live_q;    // there is a key
  logic             ask, ready, come;

  assign ask     = live_q && asked_q != 2'd2;
  assign valid_o = come_q == 2'd2;

  bolt_aes #(.Units(1)) i_aes (
    .clk_i, .rst_ni, .clear_i,
    .load_i (seed_i),
    .key_i  (bolt_aes_pkg::turned(drbg_key_i)),
    .valid_i(ask), .ready_o(ready), .block_i(counter_q),
    .valid_o(come), .block_o(block)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      counter_q <= '0;
      words_q   <= '0;
      asked_q   <= '0;
      come_q    <= '0;
      live_q    <= 1'b0;
    end else if (clear_i || seed_i) begin
      counter_q <= '0;
      words_q   <= '0;
      asked_q   <= '0;
      come_q    <= '0;
      live_q    <= !clear_i;
    end else begin
      if (ask && ready) begin
        counter_q <= counter_q + 128'd1;
        asked_q   <= asked_q + 2'd1;
      end
      if (come) begin
        words_q <= {block[63:0], block[127:64], words_q[3:2]};
        come_q  <= come_q + 2'd1;
      end
      if (take_i && valid_o) begin
        asked_q <= '0;
        come_q  <= '0;
      end
    end
  end

  assign words_o = tape_en_i ? tape_i : words_q;

endmodule
