// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of axi_write_dma: AXI4's rules for addresses and data, and the promises made to the user.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module axi_write_dma_props #(
  parameter int unsigned AddrWidth      = 64,
  parameter int unsigned CountWidth     = 16,
  parameter int unsigned MaxBurst       = 16,
  parameter int unsigned MaxOutstanding = 8
) (
  input logic                                  clk_i,
  input logic                                  rst_ni,
  input logic                                  valid_i,
  input logic                                  ready_o,
  input logic [1:0]                            low_addr_i,
  input logic                                  aw_valid_o,
  input logic                                  aw_ready_i,
  input logic [AddrWidth-1:0]                  aw_addr_o,
  input logic [7:0]                            aw_len_o,
  input logic                                  w_valid_o,
  input logic                                  w_ready_i,
  input logic [63:0]                           w_data_o,
  input logic [7:0]                            w_strb_o,
  input logic                                  w_last_o,
  input logic                                  b_valid_i,
  input logic [8:0]                            burst_q,
  input logic [$clog2(MaxOutstanding + 1)-1:0] open_q,
  input logic [CountWidth-1:0]                 beats_q,
  input logic [CountWidth-1:0]                 pairs_q
);

  // The user's part: whole words.
  a_aligned: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (valid_i && ready_o) |-> low_addr_i == 2'd0);

  // Addresses and data stay offered, unchanged, until they are taken, even through a flush.
  a_aw_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (aw_valid_o && !aw_ready_i) |=> aw_valid_o);
  a_aw_stable: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (aw_valid_o && !aw_ready_i) |=> ($stable(aw_addr_o) && $stable(aw_len_o)));
  a_w_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (w_valid_o && !w_ready_i) |=> w_valid_o);
  a_w_stable: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (w_valid_o && !w_ready_i) |=> ($stable(w_data_o) && $stable(w_strb_o) && $stable(w_last_o)));

  // A burst has the beats it may have and does not cross 4 KiB; its last beat, and no other, says so.
  a_beats: assert property (@(posedge clk_i) disable iff (!rst_ni)
    aw_valid_o |-> 32'(aw_len_o) < MaxBurst);
  a_page: assert property (@(posedge clk_i) disable iff (!rst_ni)
    aw_valid_o |-> 32'(aw_addr_o[11:3]) + 32'(aw_len_o) < 512);
  a_last: assert property (@(posedge clk_i) disable iff (!rst_ni)
    $rose(burst_q == '0) |-> (w_valid_o && w_last_o));
  a_not_last: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (w_valid_o && burst_q != '0 && 32'(burst_q) <= 32'(aw_len_o)) |-> !w_last_o);

  // No answer without a burst; never more bursts than allowed; the stream ends within the command.
  a_answer: assert property (@(posedge clk_i) disable iff (!rst_ni) b_valid_i |-> open_q != '0);
  a_open: assert property (@(posedge clk_i) disable iff (!rst_ni) 32'(open_q) <= MaxOutstanding);
  a_pairs: assert property (@(posedge clk_i) disable iff (!rst_ni)
    beats_q != '0 |-> pairs_q <= beats_q);

endmodule

bind axi_write_dma axi_write_dma_props #(
  .AddrWidth     (AddrWidth),
  .CountWidth    (CountWidth),
  .MaxBurst      (MaxBurst),
  .MaxOutstanding(MaxOutstanding)
) i_props (
  .low_addr_i(addr_i[1:0]),
  .*
);
