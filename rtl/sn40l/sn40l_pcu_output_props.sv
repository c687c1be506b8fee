// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Assertions of the PCU's output: what is reserved has a place, credits are never overdrawn.

module sn40l_pcu_output_props #(
  parameter int unsigned Depth = 32
) (
  input logic                       clk_i,
  input logic                       rst_ni,
  input logic                       reserve_i,
  input logic                       room_o,
  input logic                       valid_i,
  input logic                       accepted,
  input logic [$clog2(Depth+1)-1:0] room_q,
  input logic                       sends,
  input logic                       packet_ready
);

  reserves_room : assert property (@(posedge clk_i) disable iff (!rst_ni) reserve_i |-> room_o);
  place_kept    : assert property (@(posedge clk_i) disable iff (!rst_ni) valid_i |-> accepted);
  within_depth  : assert property (@(posedge clk_i) disable iff (!rst_ni) 32'(room_q) <= Depth);
  has_credit    : assert property (@(posedge clk_i) disable iff (!rst_ni) sends |-> packet_ready);

endmodule

bind sn40l_pcu_output sn40l_pcu_output_props #(.Depth(Depth)) i_props (.*);
