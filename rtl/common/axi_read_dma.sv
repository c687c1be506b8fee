// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Reads memory over AXI4 and gives the words as a stream.
//
// A command is an address, a multiple of 8, and a number of 64-bit words; the next one is taken as soon as
// the last burst of the one before has been asked for, and its words follow without a gap. Bursts have at
// most MaxBurst beats, do not cross 4 KiB, and are asked for only when the queue has room for all their
// words, so several are under way at once and r_ready_o is always high.
// error_o: a beat came with an error response (its data are passed on all the same).
// flush_i drops the command and what is queued or still to come; idle_o says when all of it is gone.
// One identifier: answers must come in order, as AXI4 promises for equal identifiers.

module axi_read_dma #(
  parameter int unsigned AddrWidth  = 64,
  parameter int unsigned CountWidth = 40,
  parameter int unsigned MaxBurst   = 16,  // beats, at most 256
  parameter int unsigned Depth      = 64   // words queued or asked for, at least MaxBurst
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  // Command
  input  logic                  valid_i,
  output logic                  ready_o,
  input  logic [AddrWidth-1:0]  addr_i,
  input  logic [CountWidth-1:0] words_i,
  input  logic                  flush_i,
  output logic                  idle_o,
  output logic                  error_o,
  // Stream
  output logic                  valid_o,
  input  logic                  ready_i,
  output logic [63:0]           data_o,
  // AXI4
  output logic                  ar_valid_o,
  input  logic                  ar_ready_i,
  output logic [AddrWidth-1:0]  ar_addr_o,
  output logic [7:0]            ar_len_o,
  input  logic                  r_valid_i,
  output logic                  r_ready_o,
  input  logic [63:0]           r_data_i,
  input  logic [1:0]            r_resp_i
);

  localparam int unsigned RoomWidth = $clog2(Depth + 1);
  localparam int unsigned PageWords = 512;

  logic [AddrWidth-1:0]  addr_q, ar_addr_q;
  logic [CountWidth-1:0] words_q;  // not asked for yet
  logic [RoomWidth-1:0]  room_q;   // places of the queue neither filled nor promised
  logic [7:0]            ar_len_q;
  logic                  ar_valid_q;

  // The next burst.
  logic [9:0] page_words, burst_limit, burst;
  logic       issue;

  assign page_words  = 10'(PageWords) - {1'b0, addr_q[11:3]};
  assign burst_limit = (page_words > 10'(MaxBurst)) ? 10'(MaxBurst) : page_words;
  assign burst       = (words_q > CountWidth'(burst_limit)) ? burst_limit : 10'(words_q);
  assign issue       = words_q != '0 && !ar_valid_q && !flush_i && 32'(room_q) >= 32'(burst);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      addr_q     <= '0;
      words_q    <= '0;
      ar_valid_q <= 1'b0;
      ar_addr_q  <= '0;
      ar_len_q   <= '0;
    end else begin
      if (ar_valid_q && ar_ready_i) ar_valid_q <= 1'b0;
      if (flush_i) begin
        words_q <= '0;
      end else if (valid_i && ready_o) begin
        addr_q  <= addr_i;
        words_q <= words_i;
      end else if (issue) begin
        ar_valid_q <= 1'b1;
        ar_addr_q  <= addr_q;
        ar_len_q   <= 8'(burst - 10'd1);
        addr_q     <= addr_q + AddrWidth'({burst, 3'd0});
        words_q    <= words_q - CountWidth'(burst);
      end
    end
  end

  // The queue. A word gives its place back when it leaves, or when it is dropped on arrival.
  logic queued, queue_ready, push, pop, drop;

  assign push = r_valid_i && !flush_i;
  assign drop = r_valid_i && flush_i;
  assign pop  = queued && (flush_i || ready_i);

  stream_fifo #(
    .Width(64),
    .Depth(Depth)
  ) i_queue (
    .clk_i,
    .rst_ni,
    .valid_i(push),
    .ready_o(queue_ready),
    .data_i (r_data_i),
    .valid_o(queued),
    .ready_i(flush_i || ready_i),
    .data_o
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      room_q <= RoomWidth'(Depth);
    end else begin
      room_q <= room_q - (issue ? RoomWidth'(burst) : '0) + RoomWidth'(pop) + RoomWidth'(drop);
    end
  end

  assign ready_o    = words_q == '0 && !flush_i;
  assign idle_o     = words_q == '0 && room_q == RoomWidth'(Depth);
  assign error_o    = r_valid_i && r_resp_i[1];
  assign valid_o    = queued && !flush_i;
  assign ar_valid_o = ar_valid_q;
  assign ar_addr_o  = ar_addr_q;
  assign ar_len_o   = ar_len_q;
  assign r_ready_o  = 1'b1;

  // Bursts are asked for only when there is room.
  logic unused;
  assign unused = queue_ready ^ r_resp_i[0];

  if (MaxBurst < 1 || MaxBurst > 256 || Depth < MaxBurst) begin : gen_bad_burst
    $error("axi_read_dma: MaxBurst must be 1..256 and at most Depth");
  end

endmodule
