// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of bitmod_merge: its queues never overflow.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bitmod_merge_props #(
  parameter int unsigned RowTiles = 2
) (
  input logic                clk_i,
  input logic                rst_ni,
  input logic [RowTiles-1:0] valid_i,
  input logic [RowTiles-1:0] queue_ready
);

  a_room: assert property (@(posedge clk_i) disable iff (!rst_ni) (valid_i & ~queue_ready) == '0);

endmodule

bind bitmod_merge bitmod_merge_props #(.RowTiles(RowTiles)) i_props (.*);
