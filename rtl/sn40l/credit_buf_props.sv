// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of credit_buf: nothing is spent that is not there, no counter leaves its range.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module credit_buf_props #(
  parameter int unsigned Counters = 3,
  parameter int unsigned Width    = 8
) (
  input logic                           clk_i,
  input logic                           rst_ni,
  input logic                           load_i,
  input logic [Counters-1:0]            use_i,
  input logic                           spend_i,
  input logic [Counters-1:0]            return_i,
  input logic                           ready_o,
  input logic [Counters-1:0][Width-1:0] count_q
);

  a_spend: assert property (@(posedge clk_i) disable iff (!rst_ni) (spend_i && !load_i) |-> ready_o);

  for (genvar i = 0; i < Counters; i++) begin : gen_counter
    a_no_wrap: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (use_i[i] && return_i[i] && !spend_i && !load_i) |-> count_q[i] != '1);
  end

endmodule

bind credit_buf credit_buf_props #(.Counters(Counters), .Width(Width)) i_props (.*);
