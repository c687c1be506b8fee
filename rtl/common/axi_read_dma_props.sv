// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of axi_read_dma: AXI4's rules for addresses, and the promises made to the user.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module axi_read_dma_props #(
  parameter int unsigned AddrWidth = 64,
  parameter int unsigned MaxBurst  = 16,
  parameter int unsigned Depth     = 64
) (
  input logic                         clk_i,
  input logic                         rst_ni,
  input logic                         valid_i,
  input logic                         ready_o,
  input logic [2:0]                   low_addr_i,
  input logic                         flush_i,
  input logic                         idle_o,
  input logic                         valid_o,
  input logic                         ready_i,
  input logic [63:0]                  data_o,
  input logic                         ar_valid_o,
  input logic                         ar_ready_i,
  input logic [AddrWidth-1:0]         ar_addr_o,
  input logic [7:0]                   ar_len_o,
  input logic                         r_valid_i,
  input logic                         queue_ready,
  input logic                         push,
  input logic [$clog2(Depth + 1)-1:0] room_q
);

  // The user's part: whole words.
  a_aligned: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (valid_i && ready_o) |-> low_addr_i == 3'd0);

  // An address stays offered, unchanged, until it is taken, even through a flush.
  a_ar_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (ar_valid_o && !ar_ready_i) |=> ar_valid_o);
  a_ar_stable: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (ar_valid_o && !ar_ready_i) |=> ($stable(ar_addr_o) && $stable(ar_len_o)));

  // A burst has the beats it may have and does not cross 4 KiB.
  a_beats: assert property (@(posedge clk_i) disable iff (!rst_ni)
    ar_valid_o |-> 32'(ar_len_o) < MaxBurst);
  a_page: assert property (@(posedge clk_i) disable iff (!rst_ni)
    ar_valid_o |-> 32'(ar_addr_o[11:3]) + 32'(ar_len_o) < 512);

  // Words come only when asked for, and find room.
  a_room: assert property (@(posedge clk_i) disable iff (!rst_ni) push |-> queue_ready);
  a_count: assert property (@(posedge clk_i) disable iff (!rst_ni) 32'(room_q) <= Depth);
  a_asked: assert property (@(posedge clk_i) disable iff (!rst_ni) r_valid_i |-> 32'(room_q) < Depth);

  // A word stays offered, unchanged, until it is taken or flushed; nothing is left in idle.
  a_out_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (valid_o && !ready_i) |=> (flush_i || (valid_o && $stable(data_o))));
  a_idle: assert property (@(posedge clk_i) disable iff (!rst_ni) idle_o |-> (!valid_o && !ar_valid_o));

endmodule

bind axi_read_dma axi_read_dma_props #(
  .AddrWidth(AddrWidth),
  .MaxBurst (MaxBurst),
  .Depth    (Depth)
) i_props (
  .low_addr_i(addr_i[2:0]),
  .*
);
