// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// SipHash-2-4 (Aumasson and Bernstein, 2012) of a message of 64-bit words, one round a cycle.
//
// A word is taken at valid_i and ready_o, every 3 cycles at most; first_i with the first one, last_i with
// the last one, which holds the message's last bytes and its length (the paper's section 2.2). hash_o is
// right in the cycle of valid_o, 7 cycles after the last word was taken, and until the next word. key_i
// is stable while the first word comes. Byte 0 of key and message is the lowest. clear_i forgets.

module bolt_siphash (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,
  input  logic [127:0] key_i,
  input  logic         valid_i,
  output logic         ready_o,
  input  logic         first_i,
  input  logic         last_i,
  input  logic [63:0]  word_i,
  output logic         valid_o,
  output logic [63:0]  hash_o
);

  typedef struct packed {
    logic [63:0] v0;
    logic [63:0] v1;
    logic [63:0] v2;
    logic [63:0] v3;
  } state_t;

  // "somepseudorandomlygeneratedbytes"
  function automatic state_t keyed(input logic [127:0] key);
    keyed = {2{key[63:0], key[127:64]}} ^ {
      64'h736f6d6570736575, 64'h646f72616e646f6d, 64'h6c7967656e657261, 64'h7465646279746573
    };
  endfunction

  function automatic state_t sip_round(input state_t s);
    logic [63:0] a, b, c, d, e, f;
    a = s.v0 + s.v1;
    c = s.v2 + s.v3;
    b = {s.v1[50:0], s.v1[63:51]} ^ a;
    d = {s.v3[47:0], s.v3[63:48]} ^ c;
    e = {a[31:0], a[63:32]} + d;
    f = c + b;
    sip_round = {e, {b[46:0], b[63:47]} ^ f, f[31:0], f[63:32], {d[42:0], d[63:43]} ^ e};
  endfunction

  state_t      v_q, v_start, v_round;
  logic [63:0] word_q;
  logic [2:0]  round_q;  // rounds of the word done, 7 of the last one before the next message
  logic        last_q, busy_q, done_q;
  logic        take;

  assign ready_o = !busy_q;
  assign take    = valid_i && ready_o;

  always_comb begin
    v_start    = first_i ? keyed(key_i) : v_q;
    v_start.v3 = v_start.v3 ^ word_i;
    v_round    = sip_round(v_q);
    if (round_q == 3'd1) begin
      v_round.v0 = v_round.v0 ^ word_q;
      if (last_q) v_round.v2 = v_round.v2 ^ 64'hff;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      v_q     <= '0;
      word_q  <= '0;
      round_q <= '0;
      last_q  <= 1'b0;
      busy_q  <= 1'b0;
      done_q  <= 1'b0;
    end else if (clear_i) begin
      v_q     <= '0;
      word_q  <= '0;
      round_q <= '0;
      last_q  <= 1'b0;
      busy_q  <= 1'b0;
      done_q  <= 1'b0;
    end else begin
      done_q <= 1'b0;
      if (take) begin
        v_q     <= v_start;
        word_q  <= word_i;
        round_q <= '0;
        last_q  <= last_i;
        busy_q  <= 1'b1;
      end else if (busy_q) begin
        v_q     <= v_round;
        round_q <= round_q + 3'd1;
        if (round_q == (last_q ? 3'd5 : 3'd1)) begin
          busy_q <= 1'b0;
          done_q <= last_q;
        end
      end
    end
  end

  assign valid_o = done_q;
  assign hash_o  = v_q.v0 ^ v_q.v1 ^ v_q.v2 ^ v_q.v3;

endmodule
