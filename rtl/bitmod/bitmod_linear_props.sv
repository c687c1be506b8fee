// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of bitmod_linear: what its user must keep to, and what it promises.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bitmod_linear_props #(
  parameter int unsigned Cols      = 8,
  parameter int unsigned MaxGroups = 3
) (
  input logic                              clk_i,
  input logic                              rst_ni,
  input logic                              start_i,
  input logic [bitmod_pkg::ShapeWidth-1:0] tokens_i,
  input logic [bitmod_pkg::ShapeWidth-1:0] channels_i,
  input logic [bitmod_pkg::ShapeWidth-1:0] groups_i,
  input bitmod_pkg::mode_e                 mode_i,
  input logic                              busy_o,
  input logic                              done_o,
  input logic                              act_ready_o,
  input logic                              weight_ready_o,
  input logic                              out_valid_o,
  input logic                              out_ready_i,
  input logic [32*Cols-1:0]                out_data_o,
  input logic [Cols-1:0]                   out_keep_o,
  input logic                              out_last_o,
  input logic                              result_push,
  input logic                              queue_ready,
  input logic                              step_valid,
  input logic                              acts_loaded,
  input logic                              weights_loaded
);

  // The user's part: a known mode, and a shape that is not empty and fits the buffers.
  a_shape: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (start_i && !busy_o) |-> (mode_i != '0 && tokens_i != 0 && channels_i != 0 && groups_i != 0 &&
                              groups_i <= bitmod_pkg::ShapeWidth'(MaxGroups)));

  // A result stays offered, unchanged, until it is taken.
  a_out_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (out_valid_o && !out_ready_i) |=> out_valid_o);
  a_out_stable: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (out_valid_o && !out_ready_i) |=> ($stable(out_data_o) && $stable(out_keep_o) && $stable(out_last_o)));

  // Kept channels are the lowest ones, and there is at least one.
  a_keep: assert property (@(posedge clk_i) disable iff (!rst_ni)
    out_valid_o |-> (out_keep_o != '0 && (out_keep_o & (out_keep_o + Cols'(1))) == '0));

  // The array does not stall, so the queue must have room, and operands must be there.
  a_room: assert property (@(posedge clk_i) disable iff (!rst_ni) result_push |-> queue_ready);
  a_loaded: assert property (@(posedge clk_i) disable iff (!rst_ni)
    step_valid |-> (acts_loaded && weights_loaded));

  // Done is a pulse, with nothing left over and nothing more wanted.
  a_done: assert property (@(posedge clk_i) disable iff (!rst_ni)
    done_o |-> (!busy_o && !out_valid_o && !act_ready_o && !weight_ready_o));

endmodule

bind bitmod_linear bitmod_linear_props #(
  .Cols     (AllCols),
  .MaxGroups(MaxGroups)
) i_props (
  .step_valid(step.valid),
  .*
);
