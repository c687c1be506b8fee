// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Promises of bolt_fault: it notices at once, and stays.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_fault_props #(
  parameter int unsigned Codes = 10
) (
  input logic             clk_i,
  input logic             rst_ni,
  input logic [Codes-1:1] events_i,
  input logic             fault_o,
  input bolt_pkg::fault_e code_o
);

  a_notices: assert property (@(posedge clk_i) disable iff (!rst_ni) events_i != '0 |=> fault_o);
  a_sticky: assert property (@(posedge clk_i) disable iff (!rst_ni) fault_o |=> fault_o && $stable(code_o));
  a_code: assert property (@(posedge clk_i) disable iff (!rst_ni) fault_o == (code_o != bolt_pkg::FaultNone));
  a_reason: assert property (@(posedge clk_i) disable iff (!rst_ni)
    $rose(fault_o) |-> ((($past(events_i) >> (4'(code_o) - 4'd1)) & (Codes - 1)'(1)) != '0));

endmodule

bind bolt_fault bolt_fault_props #(.Codes(Codes)) i_props (.*);
