// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What sn40l_expert_mgr promises: answers and descriptors stay offered; nobody moves what is in use; an expert
// is in one slot at most.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module sn40l_expert_mgr_props #(
  parameter int unsigned Slots       = 41,
  parameter int unsigned ExpertWidth = 10,
  parameter int unsigned IdWidth     = 8,
  parameter int unsigned RefWidth    = 4,
  parameter int unsigned AddrWidth   = 40,
  parameter int unsigned SlotWidth   = 6
) (
  input logic                   clk_i,
  input logic                   rst_ni,
  input logic                   grant_valid_o,
  input logic                   grant_ready_i,
  input logic [IdWidth-1:0]     grant_id_o,
  input logic [SlotWidth-1:0]   grant_slot_o,
  input logic                   grant_hit_o,
  input logic                   grant_error_o,
  input logic                   rel_valid_i,
  input logic [SlotWidth-1:0]   rel_slot_i,
  input logic                   copy_valid_o,
  input logic                   copy_ready_i,
  input logic                   copy_back_o,
  input logic [AddrWidth-1:0]   copy_src_o,
  input logic [AddrWidth-1:0]   copy_dst_o,
  input logic [31:0]            copy_bytes_o,
  input logic                   done_valid_i,
  input logic [2:0]             copy_q,
  input logic [SlotWidth-1:0]   slot_q,
  input logic [1:0]             state_q [Slots],
  input logic [ExpertWidth-1:0] expert_q [Slots],
  input logic [RefWidth-1:0]    refs_q [Slots]
);

  localparam logic [1:0] Ready = 2'd2;
  localparam logic [2:0] Back  = 3'd2;
  localparam logic [2:0] Fill  = 3'd4;

  a_grant_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (grant_valid_o && !grant_ready_i) |=>
    (grant_valid_o && $stable({grant_id_o, grant_slot_o, grant_hit_o, grant_error_o})));
  a_copy_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (copy_valid_o && !copy_ready_i) |=>
    (copy_valid_o && $stable({copy_back_o, copy_src_o, copy_dst_o, copy_bytes_o})));
  a_asked: assert property (@(posedge clk_i) disable iff (!rst_ni)
    done_valid_i |-> (copy_q == Back || copy_q == Fill));
  a_moves_nothing_in_use: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (copy_q != 3'd0) |-> (refs_q[slot_q] == '0 && state_q[slot_q] != Ready));
  a_released_what_was_granted: assert property (@(posedge clk_i) disable iff (!rst_ni)
    rel_valid_i |-> (refs_q[rel_slot_i] != '0));

  for (genvar i = 0; i < Slots; i++) begin : gen_slot
    for (genvar j = 0; j < i; j++) begin : gen_other
      a_once: assert property (@(posedge clk_i) disable iff (!rst_ni)
        !(state_q[i] == Ready && state_q[j] == Ready && expert_q[i] == expert_q[j]));
    end
  end

endmodule

bind sn40l_expert_mgr sn40l_expert_mgr_props #(
  .Slots      (Slots),
  .ExpertWidth(ExpertWidth),
  .IdWidth    (IdWidth),
  .RefWidth   (RefWidth),
  .AddrWidth  (AddrWidth),
  .SlotWidth  (SlotWidth)
) i_props (.*);
