// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// GHASH (NIST SP 800-38D, 6.4): y <- (y ^ block) * h in GF(2^128), Digit bits of the first factor a
// cycle.
//
// A block is taken at valid_i and ready_o, every 128 / Digit cycles at most; start_i with it forgets what
// was before. hash_o is right while idle_o, 128 / Digit + 1 cycles after the last block was taken. h_i is
// stable meanwhile. The highest bit of a block is the coefficient of x^0, as the standard writes it.
// clear_i forgets.

module bolt_ghash #(
  parameter  int unsigned Digit  = 64,  // 1, 2, 4 .. 128
  localparam int unsigned Cycles = 128 / Digit
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,
  input  logic [127:0] h_i,
  input  logic         start_i,
  input  logic         valid_i,
  output logic         ready_o,
  input  logic [127:0] block_i,
  output logic         idle_o,
  output logic [127:0] hash_o
);

  // a * x modulo 1 + x + x^2 + x^7 + x^128.
  function automatic logic [127:0] times_x(input logic [127:0] a);
    times_x = {1'b0, a[127:1]} ^ (a[0] ? {8'he1, 120'd0} : 128'd0);
  endfunction

  // sum * x^Digit + digit * h: powers of h are made beside, so that no bit waits for the one before.
  function automatic logic [127:0] step(
    input logic [127:0] sum, input logic [Digit-1:0] digit, input logic [127:0] h
  );
    logic [127:0] power, moved;
    power = h;
    moved = sum;
    step  = '0;
    for (int unsigned i = 0; i < Digit; i++) begin
      step  = step ^ (digit[Digit-1-i] ? power : 128'd0);
      power = times_x(power);
      moved = times_x(moved);
    end
    step = step ^ moved;
  endfunction

  logic [127:0]                  x_q, y_q, y_d;
  logic [$clog2(Cycles + 1)-1:0] left_q;  // digits to be worked on, highest powers first: the low bits
  logic                          last, take;

  assign y_d     = step(y_q, x_q[Digit-1:0], h_i);
  assign last    = left_q == ($clog2(Cycles + 1))'(1);
  assign idle_o  = left_q == '0;
  assign ready_o = idle_o || last;
  assign take    = valid_i && ready_o;
  assign hash_o  = y_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      x_q    <= '0;
      y_q    <= '0;
      left_q <= '0;
    end else if (clear_i) begin
      x_q    <= '0;
      y_q    <= '0;
      left_q <= '0;
    end else if (take) begin
      x_q    <= block_i ^ (start_i ? 128'd0 : last ? y_d : y_q);
      y_q    <= '0;
      left_q <= ($clog2(Cycles + 1))'(Cycles);
    end else if (!idle_o) begin
      x_q    <= x_q >> Digit;
      y_q    <= y_d;
      left_q <= left_q - ($clog2(Cycles + 1))'(1);
    end
  end

  if (Digit < 1 || Digit > 128 || 2 ** $clog2(Digit) != Digit) begin : gen_bad_digit
    $error("bolt_ghash: Digit must be a power of two, at most 128");
  end

endmodule
