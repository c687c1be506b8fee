// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What waits for the pages of host bins: a list of frames with their keys for each, and the page's counter.
//
// A walk takes a bin's whole list, oldest first, in Slots steps whatever its length: step_valid_o in the
// Slots cycles from the second after walk_i on; steps behind the list's end are not valid, and show frame
// Frames and key 0. The list is empty then. counter_o is the counter of the bin's page as it is in host
// memory, from the second cycle after walk_i until the next walk's; the page is written with the next one,
// which is what the next walk of the bin finds. A walk that is masked (walk_en_i not set) takes as long,
// changes nothing and shows nothing.
//
// An append puts a frame at a list's end. Requests come one at a time, and only while ready_o is set: it is
// not in the Slots + 1 cycles after walk_i, and in the cycle after append_i. error_o: a list was to become
// longer than Slots; it stays as it was.
//
// After a reset all lists are emptied and all counters set to 1 (init_done_o).

module bolt_pend_ctl #(
  parameter int unsigned HostBins = 410,
  parameter int unsigned Frames   = 2304
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  output logic                              init_done_o,
  output logic                              ready_o,
  input  logic                              walk_i,
  input  logic                              walk_en_i,
  /* verilator lint_off UNUSEDSIGNAL */  // upper bits of numbers: the package's widths are for the largest
  input  logic [bolt_pkg::BinWidth-1:0]     walk_bin_i,  // number of the host bin, below HostBins
  output logic                              step_valid_o,
  output bolt_pkg::pending_t                step_o,
  output logic [bolt_pkg::CounterWidth-1:0] counter_o,   // 0 where the walk was masked
  input  logic                              append_i,
  input  logic                              append_en_i,
  input  logic [bolt_pkg::BinWidth-1:0]     append_bin_i,
  input  logic [bolt_pkg::KeyWidth-1:0]     append_key_i,
  input  logic [bolt_pkg::FrameWidth-1:0]   append_frame_i,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic                              error_o
);

  localparam int unsigned Slots        = bolt_pkg::Slots;
  localparam int unsigned CountWidth   = bolt_pkg::CountWidth;
  localparam int unsigned CounterWidth = bolt_pkg::CounterWidth;
  localparam int unsigned KeyWidth     = bolt_pkg::KeyWidth;
  localparam int unsigned HostWidth    = (HostBins > 1) ? $clog2(HostBins) : 1;
  localparam int unsigned AddrWidth    = (Frames > 1) ? $clog2(Frames) : 1;

  logic                    init_q, walk_q, append_q, en_q, error_q;
  logic [HostWidth-1:0]    sweep_q, bin_q;
  logic [AddrWidth-1:0]    frame_q, current_q;
  logic [KeyWidth-1:0]     key_q;
  logic [CountWidth-1:0]   left_q;   // steps that are still of the list
  logic [CountWidth-1:0]   steps_q;  // steps to come
  logic [CounterWidth-1:0] counter_q;

  // Lists: first frame, last frame, length.
  logic [AddrWidth-1:0]    head, tail, next, new_head, new_tail;
  logic [CountWidth-1:0]   length, new_length;
  logic [CounterWidth-1:0] counter;
  logic [KeyWidth-1:0]     key;
  logic                    appends, rewrites;

  assign appends  = append_q && en_q && length != CountWidth'(Slots);
  assign rewrites = init_q || (walk_q && en_q);

  always_comb begin
    new_head   = '0;
    new_tail   = '0;
    new_length = '0;
    if (append_q) begin
      new_head   = (length == '0) ? frame_q : head;
      new_tail   = frame_q;
      new_length = length + CountWidth'(1);
    end
  end

  sram_1r1w #(
    .Width(2 * AddrWidth + CountWidth),
    .Depth(HostBins)
  ) i_lists (
    .clk_i,
    .rst_ni,
    .we_i   (rewrites || appends),
    .waddr_i(init_q ? sweep_q : bin_q),
    .wdata_i({new_head, new_tail, new_length}),
    .re_i   (walk_i || append_i),
    .raddr_i(HostWidth'(walk_i ? walk_bin_i : append_bin_i)),
    .rdata_o({head, tail, length})
  );

  sram_1r1w #(
    .Width(CounterWidth),
    .Depth(HostBins)
  ) i_counters (
    .clk_i,
    .rst_ni,
    .we_i   (rewrites),
    .waddr_i(init_q ? sweep_q : bin_q),
    .wdata_i(init_q ? CounterWidth'(1) : counter + CounterWidth'(1)),
    .re_i   (walk_i),
    .raddr_i(HostWidth'(walk_bin_i)),
    .rdata_o(counter)
  );

  // Frames: the next one of the list, and the key.
  logic                 step_re;
  logic [AddrWidth-1:0] step_addr;

  assign step_re   = walk_q || steps_q != '0;
  assign step_addr = walk_q ? head : next;

  sram_1r1w #(
    .Width(AddrWidth),
    .Depth(Frames)
  ) i_next (
    .clk_i,
    .rst_ni,
    .we_i   (appends && length != '0),
    .waddr_i(tail),
    .wdata_i(frame_q),
    .re_i   (step_re),
    .raddr_i(step_addr),
    .rdata_o(next)
  );

  sram_1r1w #(
    .Width(KeyWidth),
    .Depth(Frames)
  ) i_keys (
    .clk_i,
    .rst_ni,
    .we_i   (appends),
    .waddr_i(frame_q),
    .wdata_i(key_q),
    .re_i   (step_re),
    .raddr_i(step_addr),
    .rdata_o(key)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      init_q    <= 1'b1;
      sweep_q   <= '0;
      walk_q    <= 1'b0;
      append_q  <= 1'b0;
      en_q      <= 1'b0;
      error_q   <= 1'b0;
      bin_q     <= '0;
      frame_q   <= '0;
      key_q     <= '0;
      current_q <= '0;
      left_q    <= '0;
      steps_q   <= '0;
      counter_q <= '0;
    end else begin
      if (init_q) begin
        sweep_q <= sweep_q + HostWidth'(1);
        init_q  <= sweep_q != HostWidth'(HostBins - 1);
      end
      walk_q   <= walk_i;
      append_q <= append_i;
      error_q  <= append_q && en_q && !appends;
      if (walk_i) begin
        en_q  <= walk_en_i;
        bin_q <= HostWidth'(walk_bin_i);
      end else if (append_i) begin
        en_q    <= append_en_i;
        bin_q   <= HostWidth'(append_bin_i);
        frame_q <= AddrWidth'(append_frame_i);
        key_q   <= append_key_i;
      end
      if (walk_q) begin
        current_q <= head;
        left_q    <= en_q ? length : '0;
        steps_q   <= CountWidth'(Slots);
        counter_q <= en_q ? counter : '0;
      end else if (steps_q != '0) begin
        current_q <= next;
        left_q    <= (left_q == '0) ? '0 : left_q - CountWidth'(1);
        steps_q   <= steps_q - CountWidth'(1);
      end
    end
  end

  assign init_done_o  = !init_q;
  assign ready_o      = !init_q && !walk_q && !append_q && steps_q == '0;
  assign step_valid_o = steps_q != '0;
  assign counter_o    = counter_q;
  assign error_o      = error_q;

  always_comb begin
    step_o       = '0;
    step_o.frame = bolt_pkg::FrameWidth'(Frames);
    if (left_q != '0) begin
      step_o.valid = 1'b1;
      step_o.key   = key;
      step_o.frame = bolt_pkg::FrameWidth'(current_q);
    end
  end

  if (HostBins < 1 || Frames < 1) begin : gen_bad_size
    $error("bolt_pend_ctl: HostBins and Frames must be at least 1");
  end

endmodule
