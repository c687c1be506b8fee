// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The read side of the DMA: rows of memory to words of a stream.
//
// Every burst has a slot of the outstanding table and its number as identifier, so that bursts of
// different channels may be answered in any order; slots are emptied in the order they were asked for.
// There is room for all that is asked for, and r_ready_o is always high. error_o is pulsed for a beat with
// an error, with its address. stop_i: no more bursts; what comes is still to be taken from the stream.

module sn40l_dma_read #(
  parameter  int unsigned Slots       = 16,  // bursts outstanding, a power of two, at most 16
  localparam int unsigned AddrWidth   = sn40l_mem_pkg::AddrWidth,
  localparam int unsigned DataWidth   = sn40l_mem_pkg::DataWidth,
  localparam int unsigned LenWidth    = sn40l_mem_pkg::LenWidth,
  localparam int unsigned CountWidth  = sn40l_mem_pkg::CountWidth,
  localparam int unsigned StrideWidth = sn40l_mem_pkg::StrideWidth,
  localparam int unsigned IdWidth     = sn40l_mem_pkg::IdWidth
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // Rows
  input  logic                   start_i,
  input  logic                   stop_i,
  input  logic [AddrWidth-1:0]   addr_i,
  input  logic [LenWidth-1:0]    len_i,
  input  logic [CountWidth-1:0]  n1_i,
  input  logic [CountWidth-1:0]  n2_i,
  input  logic [StrideWidth-1:0] stride1_i,
  input  logic [StrideWidth-1:0] stride2_i,
  output logic                   idle_o,
  output logic                   error_o,
  output logic [1:0]             error_resp_o,
  output logic [AddrWidth-1:0]   error_addr_o,
  // Stream
  output logic                   valid_o,
  input  logic                   ready_i,
  output logic [DataWidth-1:0]   data_o,
  output logic                   poison_o,
  output logic                   end_o,
  // AXI4
  output logic                   ar_valid_o,
  input  logic                   ar_ready_i,
  output logic [IdWidth-1:0]     ar_id_o,
  output logic [AddrWidth-1:0]   ar_addr_o,
  output logic [7:0]             ar_len_o,
  input  logic                   r_valid_i,
  output logic                   r_ready_o,
  input  logic [IdWidth-1:0]     r_id_i,
  input  logic [DataWidth-1:0]   r_data_i,
  input  logic [1:0]             r_resp_i
);

  localparam int unsigned SlotWidth = (Slots > 1) ? $clog2(Slots) : 1;
  localparam int unsigned UsedWidth = $clog2(Slots + 1);
  localparam int unsigned MetaWidth = AddrWidth - 5 + 5 + 3 + 10;

  logic                 burst_valid, bursts_idle, first, last, ends, issue, free;
  logic [AddrWidth-1:0] burst_addr;
  logic [4:0]           beats, row_head, row_tail;

  sn40l_dma_bursts i_bursts (
    .clk_i,
    .rst_ni,
    .start_i,
    .stop_i,
    .addr_i,
    .len_i,
    .n1_i,
    .n2_i,
    .stride1_i,
    .stride2_i,
    .idle_o   (bursts_idle),
    .valid_o  (burst_valid),
    .ready_i  (issue),
    .offered_i(ar_valid_o),
    .addr_o   (burst_addr),
    .beats_o  (beats),
    .first_o  (first),
    .last_o   (last),
    .end_o    (ends),
    .head_o   (row_head),
    .tail_o   (row_tail)
  );

  // The outstanding table: what was asked for, how many beats came; beats and whether they are good.
  logic [SlotWidth-1:0]            newest_q, oldest_q;
  logic [UsedWidth-1:0]            used_q;
  logic [Slots-1:0][MetaWidth-1:0] meta_q;
  logic [Slots-1:0][4:0]           came_q;
  logic [3:0]                      next_q;  // beat of the oldest slot
  logic [DataWidth:0]              beat_mem [Slots*16];

  assign free       = used_q != UsedWidth'(Slots);
  assign ar_valid_o = burst_valid && free;
  assign ar_id_o    = IdWidth'(newest_q);
  assign ar_addr_o  = burst_addr;
  assign ar_len_o   = {3'd0, beats} - 8'd1;
  assign issue      = ar_valid_o && ar_ready_i;

  // Beats come.
  logic [SlotWidth-1:0] r_slot;
  logic [AddrWidth-6:0] r_base;
  assign r_slot       = SlotWidth'(r_id_i);
  assign r_base       = meta_q[r_slot][MetaWidth-1 -: AddrWidth-5];
  assign r_ready_o    = 1'b1;
  assign error_o      = r_valid_i && r_resp_i[1];
  assign error_resp_o = r_resp_i;
  assign error_addr_o = {r_base + (AddrWidth - 5)'(came_q[r_slot]), 5'd0};

  always_ff @(posedge clk_i) begin
    if (r_valid_i) beat_mem[{r_slot, came_q[r_slot][3:0]}] <= {r_resp_i[1], r_data_i};
  end

  // And leave in order.
  logic [MetaWidth-1:0] oldest;
  logic [4:0]           old_beats, old_head, old_tail;
  logic                 old_first, old_last, old_end, old_error, valid, ready, leave, burst_done;
  logic [DataWidth-1:0] old_data;
  logic                 gather_idle;

  assign oldest     = meta_q[oldest_q];
  assign {old_beats, old_first, old_last, old_end, old_head, old_tail} = oldest[17:0];
  assign {old_error, old_data} = beat_mem[{oldest_q, next_q}];
  assign valid      = used_q != '0 && came_q[oldest_q] > {1'b0, next_q};
  assign leave      = valid && ready;
  assign burst_done = leave && {1'b0, next_q} == old_beats - 5'd1;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      newest_q <= '0;
      oldest_q <= '0;
      used_q   <= '0;
      meta_q   <= '0;
      came_q   <= '0;
      next_q   <= '0;
    end else begin
      if (r_valid_i) came_q[r_slot] <= came_q[r_slot] + 5'd1;
      if (issue) begin
        newest_q         <= (newest_q == SlotWidth'(Slots - 1)) ? '0 : newest_q + SlotWidth'(1);
        meta_q[newest_q] <= {burst_addr[AddrWidth-1:5], beats, first, last, ends, row_head, row_tail};
        came_q[newest_q] <= '0;
      end
      if (leave) next_q <= burst_done ? '0 : next_q + 4'd1;
      if (burst_done) oldest_q <= (oldest_q == SlotWidth'(Slots - 1)) ? '0 : oldest_q + SlotWidth'(1);
      used_q <= used_q + UsedWidth'(issue) - UsedWidth'(burst_done);
    end
  end

  sn40l_dma_gather i_gather (
    .clk_i,
    .rst_ni,
    .idle_o  (gather_idle),
    .valid_i (valid),
    .ready_o (ready),
    .data_i  (old_data),
    .error_i (old_error),
    .first_i (old_first && next_q == '0),
    .last_i  (old_last && {1'b0, next_q} == old_beats - 5'd1),
    .end_i   (old_end),
    .head_i  (old_head),
    .tail_i  (old_tail),
    .valid_o,
    .ready_i,
    .data_o,
    .poison_o,
    .end_o
  );

  assign idle_o = bursts_idle && used_q == '0 && gather_idle;

  logic unused;
  assign unused = ^oldest[MetaWidth-1:18] ^ (^burst_addr[4:0]) ^ (^r_id_i);

  if (Slots < 1 || Slots > 16 || 2 ** $clog2(Slots) != Slots) begin : gen_bad_slots
    $error("sn40l_dma_read: Slots must be a power of two, at most 16");
  end

endmodule
