// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Two distinct bins of two random words, without a rejection loop: x = w0 * Bins >> 64; y is drawn the
// same way from Bins - 1 and steps over x. Uniform up to Bins / 2^64.
//
// pair_o is right from 2 cycles after words_i on, valid_o 2 cycles after valid_i. clear_i forgets.

module bolt_pairs #(
  parameter int unsigned Bins = 512
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            clear_i,
  input  logic            valid_i,
  input  logic [1:0][63:0] words_i,  // words_i[0] is w0
  output logic            valid_o,
  output bolt_pkg::pair_t pair_o
);

  localparam int unsigned Width = 64 + bolt_pkg::BinWidth;

  logic [Width-1:0]              first, second;
  logic [bolt_pkg::BinWidth-1:0] x_q, y_q;
  logic [1:0]                    valid_q;
  bolt_pkg::pair_t               pair_q;

  assign first  = Width'(words_i[0]) * Width'(Bins);
  assign second = Width'(words_i[1]) * Width'(Bins - 1);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      x_q     <= '0;
      y_q     <= '0;
      pair_q  <= '0;
      valid_q <= '0;
    end else if (clear_i) begin
      x_q     <= '0;
      y_q     <= '0;
      pair_q  <= '0;
      valid_q <= '0;
    end else begin
      x_q      <= first[Width-1:64];
      y_q      <= second[Width-1:64];
      pair_q.x <= x_q;
      pair_q.y <= (y_q >= x_q) ? y_q + bolt_pkg::BinWidth'(1) : y_q;
      valid_q  <= {valid_q[0], valid_i};
    end
  end

  assign valid_o = valid_q[1];
  assign pair_o  = pair_q;

  logic unused;
  assign unused = ^first[63:0] ^ ^second[63:0];

  if (Bins < 2 || $clog2(Bins) > bolt_pkg::BinWidth) begin : gen_bad_bins
    $error("bolt_pairs: Bins must be 2 to 2^24");
  end

endmodule
