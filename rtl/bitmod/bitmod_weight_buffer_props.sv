// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Invariants of bitmod_weight_buffer: only a full half is released, only a free half is filled.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bitmod_weight_buffer_props (
  input logic       clk_i,
  input logic       rst_ni,
  input logic       start_i,
  input logic       release_i,
  input logic       read_i,
  input logic       loaded_o,
  input logic       beat,
  input logic [1:0] full_q,
  input logic       fill_q,
  input logic [bitmod_pkg::ShapeWidth-1:0] channels_left_q
);

  a_release: assert property (@(posedge clk_i) disable iff (!rst_ni) release_i |-> loaded_o);
  a_read: assert property (@(posedge clk_i) disable iff (!rst_ni) read_i |-> loaded_o);
  a_fill: assert property (@(posedge clk_i) disable iff (!rst_ni) beat |-> !full_q[fill_q]);
  a_start: assert property (@(posedge clk_i) disable iff (!rst_ni)
    start_i |-> (channels_left_q == '0 && full_q == '0));

endmodule

bind bitmod_weight_buffer bitmod_weight_buffer_props i_props (.*);
