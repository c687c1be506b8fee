// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Free value frames: a queue, oldest first, and the scratch frame (number Frames) of accesses that store
// nothing.
//
// A frame asked for by alloc_i is there in the next cycle (frame_valid_o): the oldest free one, or the
// scratch frame where alloc_en_i is not set. One may be given back in every cycle. empty_o, with
// frame_valid_o: none was free, and it is the scratch frame. error_o: more came back than there are.
//
// After a reset all frames are put into the queue (init_done_o).

module bolt_frame_mgr #(
  parameter int unsigned Frames = 2304
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  output logic                            init_done_o,
  input  logic                            alloc_i,
  input  logic                            alloc_en_i,
  output logic                            frame_valid_o,
  output logic [bolt_pkg::FrameWidth-1:0] frame_o,
  input  logic                            release_i,
  input  logic                            release_en_i,
  /* verilator lint_off UNUSEDSIGNAL */  // upper bits of numbers: the package's widths are for the largest
  input  logic [bolt_pkg::FrameWidth-1:0] release_frame_i,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic [bolt_pkg::FrameWidth-1:0] free_count_o,
  output logic                            empty_o,
  output logic                            error_o
);

  localparam int unsigned          CountWidth = $clog2(Frames + 1);
  localparam int unsigned          AddrWidth  = (Frames > 1) ? $clog2(Frames) : 1;
  localparam logic [AddrWidth-1:0] LastAddr   = AddrWidth'(Frames - 1);

  logic                  init_q, valid_q, scratch_q, empty_q, error_q, take, give;
  logic [AddrWidth-1:0]  head_q, tail_q;
  logic [CountWidth-1:0] free_q, rdata;

  assign take = alloc_i && alloc_en_i && free_q != '0;
  assign give = init_q || (release_i && release_en_i && free_q != CountWidth'(Frames));

  sram_1r1w #(
    .Width(CountWidth),
    .Depth(Frames)
  ) i_queue (
    .clk_i,
    .rst_ni,
    .we_i   (give),
    .waddr_i(tail_q),
    .wdata_i(init_q ? free_q : CountWidth'(release_frame_i)),
    .re_i   (take),
    .raddr_i(head_q),
    .rdata_o(rdata)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      init_q    <= 1'b1;
      valid_q   <= 1'b0;
      scratch_q <= 1'b0;
      empty_q   <= 1'b0;
      error_q   <= 1'b0;
      head_q    <= '0;
      tail_q    <= '0;
      free_q    <= '0;
    end else begin
      if (tail_q == LastAddr) init_q <= 1'b0;
      valid_q   <= alloc_i;
      scratch_q <= !take;
      empty_q   <= alloc_i && alloc_en_i && !take;
      error_q   <= release_i && release_en_i && !give;
      if (take) head_q <= (head_q == LastAddr) ? '0 : head_q + AddrWidth'(1);
      if (give) tail_q <= (tail_q == LastAddr) ? '0 : tail_q + AddrWidth'(1);
      free_q <= free_q + CountWidth'(give) - CountWidth'(take);
    end
  end

  assign init_done_o   = !init_q;
  assign frame_valid_o = valid_q;
  assign frame_o       = scratch_q ? bolt_pkg::FrameWidth'(Frames) : bolt_pkg::FrameWidth'(rdata);
  assign free_count_o  = bolt_pkg::FrameWidth'(free_q);
  assign empty_o       = empty_q;
  assign error_o       = error_q;

  if (Frames < 1) begin : gen_bad_frames
    $error("bolt_frame_mgr: Frames must be at least 1");
  end

endmodule
