// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What bolt_frame_mgr promises: frames that are free and those in use are all there are, and none is both.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_frame_mgr_props #(
  parameter int unsigned Frames = 2304
) (
  input logic                            clk_i,
  input logic                            rst_ni,
  input logic                            init_done_o,
  input logic                            frame_valid_o,
  input logic [bolt_pkg::FrameWidth-1:0] frame_o,
  input logic                            release_i,
  input logic                            release_en_i,
  input logic [bolt_pkg::FrameWidth-1:0] release_frame_i,
  input logic [bolt_pkg::FrameWidth-1:0] free_count_o,
  input logic                            give
);

  logic [Frames:0] used_q;  // by frame; the scratch frame is none

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      used_q <= '0;
    end else if (init_done_o) begin
      if (frame_valid_o && 32'(frame_o) != Frames) used_q[frame_o[$clog2(Frames+1)-1:0]] <= 1'b1;
      if (release_i && release_en_i && give) used_q[release_frame_i[$clog2(Frames+1)-1:0]] <= 1'b0;
    end
  end

  a_no_more: assert property (@(posedge clk_i) disable iff (!rst_ni) 32'(free_count_o) <= Frames);
  a_unused: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (frame_valid_o && 32'(frame_o) != Frames) |-> !used_q[frame_o[$clog2(Frames+1)-1:0]]);
  a_used: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (release_i && release_en_i && give && init_done_o) |->
    (used_q[release_frame_i[$clog2(Frames+1)-1:0]] || (frame_valid_o && frame_o == release_frame_i)));

endmodule

bind bolt_frame_mgr bolt_frame_mgr_props #(
  .Frames(Frames)
) i_props (.*);
