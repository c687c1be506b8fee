// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Invariants of bitmod_pe_accumulate: a magnitude of one bit less than the width, an exponent that never
// wraps or shrinks.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bitmod_pe_accumulate_props #(
  parameter int unsigned AccWidth = bitmod_pkg::AccWidth
) (
  input logic                                    clk_i,
  input logic                                    rst_ni,
  input logic                                    valid_i,
  input logic signed [AccWidth-1:0]              mantissa_q,
  input logic [bitmod_pkg::ExpWidth-1:0]         exp_d,
  input logic [bitmod_pkg::ExpWidth-1:0]         kept_exp,
  input logic [bitmod_pkg::ExpWidth-1:0]         max_exp_i
);

  // The most negative value would need one magnitude bit more.
  a_magnitude: assert property (@(posedge clk_i) disable iff (!rst_ni)
    mantissa_q != {1'b1, {(AccWidth - 1) {1'b0}}});

  a_no_wrap: assert property (@(posedge clk_i) disable iff (!rst_ni)
    valid_i |-> (exp_d >= max_exp_i && exp_d >= kept_exp));

endmodule

bind bitmod_pe_accumulate bitmod_pe_accumulate_props #(.AccWidth(AccWidth)) i_props (.*);
