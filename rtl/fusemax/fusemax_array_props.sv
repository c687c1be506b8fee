// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Operations given to the array name registers that its elements have.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module fusemax_array_props #(
  parameter int unsigned RfEntries = 10
) (
  input logic                clk_i,
  input logic                rst_ni,
  input fusemax_pkg::pe_op_t op_i
);

  localparam logic [4:0] End = 5'(RfEntries);

  a_rd: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (op_i.op[3] || op_i.op == fusemax_pkg::Op2Mac || op_i.op == fusemax_pkg::Op2Subv) |->
    {1'b0, op_i.rd} < End);
  a_ra: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (!op_i.op[3] && op_i.op >= fusemax_pkg::Op2Maxd) |-> {1'b0, op_i.ra} < End);

  logic unused_bits;
  assign unused_bits = ^op_i;

endmodule

bind fusemax_array fusemax_array_props #(.RfEntries(RfEntries)) i_props (.*);
