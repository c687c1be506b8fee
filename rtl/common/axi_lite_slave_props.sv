// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of axi_lite_slave: answers stay offered, unchanged; one per write and per read.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module axi_lite_slave_props (
  input logic        clk_i,
  input logic        rst_ni,
  input logic        b_valid_o,
  input logic        b_ready_i,
  input logic [1:0]  b_resp_o,
  input logic        ar_valid_i,
  input logic        ar_ready_o,
  input logic        r_valid_o,
  input logic        r_ready_i,
  input logic [31:0] r_data_o,
  input logic [1:0]  r_resp_o,
  input logic        write_o
);

  a_b_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (b_valid_o && !b_ready_i) |=> (b_valid_o && $stable(b_resp_o)));
  a_r_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (r_valid_o && !r_ready_i) |=> (r_valid_o && $stable(r_data_o) && $stable(r_resp_o)));
  a_b: assert property (@(posedge clk_i) disable iff (!rst_ni) write_o |=> (b_valid_o && !write_o));
  a_r: assert property (@(posedge clk_i) disable iff (!rst_ni) (ar_valid_i && ar_ready_o) |=> r_valid_o);

endmodule

bind axi_lite_slave axi_lite_slave_props i_props (.*);
