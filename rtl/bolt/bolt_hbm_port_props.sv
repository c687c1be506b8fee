// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Promises of bolt_hbm_port: a result exactly at its deadline, and memory's protocol.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_hbm_port_props #(
  parameter int unsigned Width     = 128,
  parameter int unsigned AddrWidth = 24,
  parameter int unsigned Deadline  = 128
) (
  input logic                 clk_i,
  input logic                 rst_ni,
  input logic                 clear_i,
  input logic                 req_i,
  input logic                 we_i,
  input logic                 valid_o,
  input logic [Width-1:0]     rdata_o,
  input logic                 hbm_req_valid_o,
  input logic                 hbm_req_ready_i,
  input logic [AddrWidth-1:0] hbm_req_addr_o
);

  logic [15:0] due_q;  // words asked for and not yet given

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) due_q <= '0;
    else due_q <= due_q + 16'(req_i && !we_i) - 16'(valid_o);
  end

  a_asked: assert property (@(posedge clk_i) disable iff (!rst_ni) valid_o |-> due_q != '0);
  a_due: assert property (@(posedge clk_i) disable iff (!rst_ni) 32'(due_q) <= Deadline);
  a_clear: assert property (@(posedge clk_i) disable iff (!rst_ni) clear_i |-> rdata_o == '0);
  a_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (hbm_req_valid_o && !hbm_req_ready_i) |=> hbm_req_valid_o && $stable(hbm_req_addr_o));

endmodule

bind bolt_hbm_port bolt_hbm_port_props #(
  .Width    (Width),
  .AddrWidth(AddrWidth),
  .Deadline (Deadline)
) i_props (.*);
