// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of sn40l_agcu: packets stay offered, those that arrive find room, since credits made it.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module sn40l_agcu_props #(
  localparam int unsigned Planes      = sn40l_pkg::Planes,
  localparam int unsigned PacketWidth = sn40l_pkg::PacketWidth
) (
  input logic                               clk_i,
  input logic                               rst_ni,
  input logic                               start_i,
  input logic                               done_o,
  input logic                               cfg_valid_i,
  input logic [Planes-1:0]                  tx_valid_o,
  input logic [Planes-1:0]                  tx_ready_i,
  input logic [Planes-1:0][PacketWidth-1:0] tx_packet_o,
  input logic                               store_valid,
  input logic                               store_ready,
  input logic                               st_valid,
  input logic                               started_q,
  input logic                               completion_valid_o
);

  // The user's part: configured and started at rest, no more packets than the store queue has room for.
  a_rest: assert property (@(posedge clk_i) disable iff (!rst_ni) (start_i || cfg_valid_i) |-> done_o);
  a_room: assert property (@(posedge clk_i) disable iff (!rst_ni) store_valid |-> store_ready);

  for (genvar p = 0; p < Planes; p++) begin : gen_plane
    a_tx_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (tx_valid_o[p] && !tx_ready_i[p]) |=> (tx_valid_o[p] && $stable(tx_packet_o[p])));
  end

  // At rest nothing is left.
  a_done: assert property (@(posedge clk_i) disable iff (!rst_ni)
    done_o |-> (tx_valid_o == '0 && !st_valid && !completion_valid_o && !started_q));

endmodule

bind sn40l_agcu sn40l_agcu_props i_props (.*);
