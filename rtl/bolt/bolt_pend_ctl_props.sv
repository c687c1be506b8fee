// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What bolt_pend_ctl promises, and asks for: requests only while it is ready, one at a time, of bins and frames
// there are; no list longer than Slots; Slots steps a walk.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_pend_ctl_props #(
  parameter int unsigned HostBins = 410,
  parameter int unsigned Frames   = 2304
) (
  input logic                            clk_i,
  input logic                            rst_ni,
  input logic                            ready_o,
  input logic                            walk_i,
  input logic                            walk_en_i,
  input logic [bolt_pkg::BinWidth-1:0]   walk_bin_i,
  input logic                            step_valid_o,
  input logic                            append_i,
  input logic                            append_en_i,
  input logic [bolt_pkg::BinWidth-1:0]   append_bin_i,
  input logic [bolt_pkg::FrameWidth-1:0] append_frame_i,
  input logic                            appends,
  input logic [bolt_pkg::CountWidth-1:0] new_length
);

  localparam int unsigned Slots = bolt_pkg::Slots;
  logic [Slots:0] since_q;  // a walk was so many cycles ago, less one

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) since_q <= '0;
    else         since_q <= {since_q[Slots-1:0], walk_i};
  end

  a_ready: assert property (@(posedge clk_i) disable iff (!rst_ni) (walk_i || append_i) |-> ready_o);
  a_one: assert property (@(posedge clk_i) disable iff (!rst_ni) !(walk_i && append_i));
  a_walk_of_a_bin: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (walk_i && walk_en_i) |-> (32'(walk_bin_i) < HostBins));
  a_append_of_a_frame: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (append_i && append_en_i) |-> (32'(append_bin_i) < HostBins && 32'(append_frame_i) < Frames));
  a_at_most_slots: assert property (@(posedge clk_i) disable iff (!rst_ni)
    appends |-> (32'(new_length) <= Slots));
  a_constant_time: assert property (@(posedge clk_i) disable iff (!rst_ni)
    step_valid_o == (since_q[Slots:1] != '0));

endmodule

bind bolt_pend_ctl bolt_pend_ctl_props #(
  .HostBins(HostBins),
  .Frames  (Frames)
) i_props (.*);
