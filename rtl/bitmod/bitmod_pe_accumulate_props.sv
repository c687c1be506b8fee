// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Invariants of bitmod_pe_accumulate: a magnitude of one bit less than the width, an exponent that never
// wraps or shrinks.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bitmod_pe_accumulate_props #(
  parameter int unsigned AccWidth = bitmod_pkg::AccWidth
) (
  input logic                                      clk_i,
  input logic                                      rst_ni,
  input logic                                      valid_i,
  input logic                                      first_i,
  input logic [bitmod_step_pkg::AccStateWidth-1:0] state,
  input logic [bitmod_pkg::ExpWidth-1:0]           exp_q,
  input logic [bitmod_pkg::ExpWidth-1:0]           max_exp_i
);

  logic [bitmod_pkg::ExpWidth-1:0] exp;
  assign exp = state[bitmod_step_pkg::MaxAccWidth+:bitmod_pkg::ExpWidth];

  // Immediate, and only of a step: sampling every element's signals each cycle takes a tenth of a simulation.
  always_ff @(posedge clk_i) begin
    if (rst_ni && valid_i) begin
      // The most negative value would need one magnitude bit more.
      a_magnitude: assert (state[AccWidth-1:0] != {1'b1, {(AccWidth - 1) {1'b0}}});
      a_no_wrap: assert (exp >= max_exp_i);
      a_no_shrink: assert (first_i || exp >= exp_q);
    end
  end

  logic unused_state;
  assign unused_state = ^state;

endmodule

bind bitmod_pe_accumulate bitmod_pe_accumulate_props #(.AccWidth(AccWidth)) i_props (.*);
