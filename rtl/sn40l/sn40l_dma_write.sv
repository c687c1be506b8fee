// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The write side of the DMA: words of a stream to rows of memory.
//
// Each row takes whole words from its first byte on; they are shifted to where the row lies, and strobes
// cover exactly its bytes, but for those of a poisoned word, which are left as they were (poison_o is
// pulsed once a word, with the address of the beat of its first byte). Addresses and data of a burst are
// offered independently; every burst has an identifier of its own until it is answered. error_o is pulsed
// for a burst answered with an error, with its address. stop_i: no more bursts; those begun are ended with
// beats that write nothing and take no words.

module sn40l_dma_write #(
  parameter  int unsigned Slots       = 16,  // bursts not answered, at most 16
  localparam int unsigned AddrWidth   = sn40l_mem_pkg::AddrWidth,
  localparam int unsigned DataWidth   = sn40l_mem_pkg::DataWidth,
  localparam int unsigned StrbWidth   = sn40l_mem_pkg::StrbWidth,
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
  output logic                   poison_o,
  output logic [AddrWidth-1:0]   poison_addr_o,
  // Stream
  input  logic                   valid_i,
  output logic                   ready_o,
  input  logic [DataWidth-1:0]   data_i,
  input  logic                   poison_i,
  // AXI4
  output logic                   aw_valid_o,
  input  logic                   aw_ready_i,
  output logic [IdWidth-1:0]     aw_id_o,
  output logic [AddrWidth-1:0]   aw_addr_o,
  output logic [7:0]             aw_len_o,
  output logic                   w_valid_o,
  input  logic                   w_ready_i,
  output logic [DataWidth-1:0]   w_data_o,
  output logic [StrbWidth-1:0]   w_strb_o,
  output logic                   w_last_o,
  input  logic                   b_valid_i,
  output logic                   b_ready_o,
  input  logic [IdWidth-1:0]     b_id_i,
  input  logic [1:0]             b_resp_i
);

  localparam int unsigned SlotWidth  = (Slots > 1) ? $clog2(Slots) : 1;
  localparam int unsigned BurstWidth = AddrWidth - 5 + 5 + 2 + 10;
  localparam int unsigned Waiting    = 4;  // bursts whose address is out, not yet their data

  logic                 burst_valid, bursts_idle, first, last, ends, issue, queue_ready;
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
    .offered_i(aw_valid_o),
    .addr_o   (burst_addr),
    .beats_o  (beats),
    .first_o  (first),
    .last_o   (last),
    .end_o    (ends),
    .head_o   (row_head),
    .tail_o   (row_tail)
  );

  // Addresses: an identifier each until the answer.
  logic [SlotWidth-1:0]                newest_q, b_slot;
  logic [Slots-1:0]                    open_q;
  logic [Slots-1:0][AddrWidth-6:0]     base_q;

  assign aw_valid_o = burst_valid && !open_q[newest_q] && queue_ready;
  assign aw_id_o    = IdWidth'(newest_q);
  assign aw_addr_o  = burst_addr;
  assign aw_len_o   = {3'd0, beats} - 8'd1;
  assign issue      = aw_valid_o && aw_ready_i;

  assign b_slot       = SlotWidth'(b_id_i);
  assign b_ready_o    = 1'b1;
  assign error_o      = b_valid_i && b_resp_i[1];
  assign error_resp_o = b_resp_i;
  assign error_addr_o = {base_q[b_slot], 5'd0};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      newest_q <= '0;
      open_q   <= '0;
      base_q   <= '0;
    end else begin
      if (b_valid_i) open_q[b_slot] <= 1'b0;
      if (issue) begin
        newest_q         <= (newest_q == SlotWidth'(Slots - 1)) ? '0 : newest_q + SlotWidth'(1);
        open_q[newest_q] <= 1'b1;
        base_q[newest_q] <= burst_addr[AddrWidth-1:5];
      end
    end
  end

  // Bursts whose data are to be sent, in order.
  logic                 data_valid, beat, burst_done;
  logic [AddrWidth-6:0] data_addr;
  logic [4:0]           data_beats, head, tail;
  logic                 data_first, data_last;
  logic [4:0]           beat_q;

  stream_fifo #(
    .Width(BurstWidth),
    .Depth(Waiting)
  ) i_waiting (
    .clk_i,
    .rst_ni,
    .valid_i(issue),
    .ready_o(queue_ready),
    .data_i ({burst_addr[AddrWidth-1:5], beats, first, last, row_head, row_tail}),
    .valid_o(data_valid),
    .ready_i(burst_done),
    .data_o ({data_addr, data_beats, data_first, data_last, head, tail})
  );

  // A beat: the first bytes are of the word before, the others of a new word. The last beat of a row needs no
  // new word where the row's last word reaches over its beat's end.
  logic                   row_first, row_last, needs_word, old_poison, new_poison;
  logic [DataWidth-1:0]   kept_q;
  logic                   kept_poison_q;
  logic [2*DataWidth-1:0] pair;
  logic [StrbWidth-1:0]   strb, new_bytes, row_bytes, good;
  logic                   w_valid_q, w_last_q;
  logic [DataWidth-1:0]   w_data_q;
  logic [StrbWidth-1:0]   w_strb_q;

  assign row_first  = data_first && beat_q == '0;
  assign row_last   = data_last && beat_q == data_beats - 5'd1;
  assign needs_word = !(row_last && !row_first && tail < head);
  assign beat       = data_valid && (!w_valid_q || w_ready_i) && (stop_i || !needs_word || valid_i);
  assign burst_done = beat && beat_q == data_beats - 5'd1;
  assign ready_o    = data_valid && (!w_valid_q || w_ready_i) && needs_word && !stop_i;

  assign pair       = {data_i, kept_q};
  assign new_poison = needs_word && poison_i;
  assign old_poison = !row_first && kept_poison_q;

  assign new_bytes = {StrbWidth{1'b1}} << head;
  assign row_bytes = (row_first ? new_bytes : '1) & (row_last ? {StrbWidth{1'b1}} >> (5'd31 - tail) : '1);
  assign good      = (old_poison ? new_bytes : '1) & (new_poison ? ~new_bytes : '1);
  assign strb      = stop_i ? '0 : row_bytes & good;

  assign poison_o      = beat && !stop_i && new_poison;
  assign poison_addr_o = {data_addr + (AddrWidth - 5)'(beat_q), 5'd0};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      beat_q        <= '0;
      kept_q        <= '0;
      kept_poison_q <= 1'b0;
      w_valid_q     <= 1'b0;
      w_last_q      <= 1'b0;
      w_data_q      <= '0;
      w_strb_q      <= '0;
    end else begin
      if (w_valid_q && w_ready_i) w_valid_q <= 1'b0;
      if (beat) begin
        beat_q        <= burst_done ? '0 : beat_q + 5'd1;
        kept_q        <= data_i;
        kept_poison_q <= poison_i;
        w_valid_q     <= 1'b1;
        w_last_q      <= burst_done;
        w_data_q      <= pair[9'd256 - {1'b0, head, 3'd0} +: DataWidth];
        w_strb_q      <= strb;
      end
    end
  end

  assign w_valid_o = w_valid_q;
  assign w_data_o  = w_data_q;
  assign w_strb_o  = w_strb_q;
  assign w_last_o  = w_last_q;
  assign idle_o    = bursts_idle && !data_valid && !w_valid_q && open_q == '0;

  logic unused;
  assign unused = ends ^ (^burst_addr[4:0]) ^ (^b_id_i);

  if (Slots < 1 || Slots > 16) begin : gen_bad_slots
    $error("sn40l_dma_write: Slots must be 1..16");
  end

endmodule
