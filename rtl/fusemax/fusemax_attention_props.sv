// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of fusemax_attention: what its user must keep to, and what it promises.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module fusemax_attention_props #(
  parameter int unsigned Rows      = 4,
  parameter int unsigned Cols      = 4,
  parameter int unsigned MaxP1     = 4,
  parameter int unsigned MaxPeriod = 256,
  parameter int unsigned InWidth   = 64
) (
  input logic                               clk_i,
  input logic                               rst_ni,
  input logic                               start_i,
  input logic [fusemax_pkg::ShapeWidth-1:0] p1_i,
  input logic [fusemax_pkg::ShapeWidth-1:0] m1_i,
  input logic [fusemax_pkg::ShapeWidth-1:0] last_rows_i,
  input logic [fusemax_pkg::ShapeWidth-1:0] period_i,
  input logic [fusemax_pkg::ShapeWidth-1:0] stages_i,
  input logic [fusemax_pkg::ShapeWidth-1:0] blocks_i,
  input logic                               busy_o,
  input logic                               done_o,
  input logic                               in_valid_i,
  input logic                               in_ready_o,
  input logic [InWidth-1:0]                 in_data_i,
  input logic                               out_valid_o,
  input logic                               out_ready_i,
  input logic [16*Cols-1:0]                 out_data_o,
  input logic                               advance,
  input logic                               av_valid,
  input logic                               queue_ready
);

  localparam int unsigned ShapeWidth = fusemax_pkg::ShapeWidth;

  // The user's part: a shape that is not empty and fits the memories; enough tiles of queries and a long
  // enough epoch, where keys must be released before others can come; all of it kept until done.
  a_shape: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (start_i && !busy_o) |-> (p1_i != 0 && p1_i <= ShapeWidth'(MaxP1) && m1_i != 0 && blocks_i != 0 &&
                              last_rows_i != 0 && last_rows_i <= ShapeWidth'(Rows)));
  a_program: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (start_i && !busy_o) |-> (period_i != 0 && period_i <= ShapeWidth'(MaxPeriod) && stages_i != 0 &&
                              stages_i <= ShapeWidth'(fusemax_pkg::MaxStages)));
  a_release_in_time: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (start_i && !busy_o && m1_i > 2) |-> (p1_i >= stages_i && period_i >= ShapeWidth'(Rows)));
  a_shape_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    busy_o |-> ($stable(p1_i) && $stable(m1_i) && $stable(last_rows_i) && $stable(period_i) &&
                $stable(stages_i) && $stable(blocks_i)));

  // A word stays offered, unchanged, until it is taken, at the input and at the output.
  a_in_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (in_valid_i && !in_ready_o) |=> (in_valid_i && $stable(in_data_i)));
  a_out_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (out_valid_o && !out_ready_i) |=> (out_valid_o && $stable(out_data_o)));

  // Dividers do not stop, so the queue must have room; nothing waits but in a run.
  a_room: assert property (@(posedge clk_i) disable iff (!rst_ni) av_valid |-> queue_ready);
  a_waits: assert property (@(posedge clk_i) disable iff (!rst_ni) !advance |-> busy_o);

  // Done is a pulse, with nothing left over and nothing more wanted.
  a_done: assert property (@(posedge clk_i) disable iff (!rst_ni)
    done_o |-> (!busy_o && !out_valid_o && !in_ready_o));

endmodule

bind fusemax_attention fusemax_attention_props #(
  .Rows     (Rows),
  .Cols     (Cols),
  .MaxP1    (MaxP1),
  .MaxPeriod(MaxPeriod),
  .InWidth  (InWidth)
) i_props (.*);
