// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Writes a stream to memory over AXI4.
//
// A command is an address and a number of 32-bit words; the address is a multiple of 4. The stream brings the
// words two at a time, the first in the low half; with an odd number the last high half is ignored. Words are
// shifted into their lanes, and strobes cover exactly the words asked for. Bursts have at most MaxBurst beats
// and do not cross 4 KiB. The address and the data of a burst are offered independently of each other.
// error_o: a burst was answered with an error. idle_o: nothing under way, every burst answered.
// flush_i drops the command; a burst that was begun is ended with beats that write nothing.
// One identifier: answers are counted, not matched. At most MaxOutstanding bursts are unanswered.

module axi_write_dma #(
  parameter int unsigned AddrWidth      = 64,
  parameter int unsigned CountWidth     = 16,
  parameter int unsigned MaxBurst       = 16,  // beats, at most 256
  parameter int unsigned MaxOutstanding = 8
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
  input  logic                  data_valid_i,
  output logic                  data_ready_o,
  input  logic [63:0]           data_i,
  // AXI4
  output logic                  aw_valid_o,
  input  logic                  aw_ready_i,
  output logic [AddrWidth-1:0]  aw_addr_o,
  output logic [7:0]            aw_len_o,
  output logic                  w_valid_o,
  input  logic                  w_ready_i,
  output logic [63:0]           w_data_o,
  output logic [7:0]            w_strb_o,
  output logic                  w_last_o,
  input  logic                  b_valid_i,
  output logic                  b_ready_o,
  input  logic [1:0]            b_resp_i
);

  localparam int unsigned OpenWidth = $clog2(MaxOutstanding + 1);
  localparam int unsigned PageWords = 512;

  logic [AddrWidth-1:0]  addr_q;           // of the next burst
  logic [CountWidth-1:0] beats_q, pairs_q; // left to send, left to take from the stream
  logic [8:0]            burst_q;          // beats left of the burst under way
  logic                  shift_q;          // the first word goes to the high lanes
  logic                  first_q, half_q;  // first beat next; the last beat has no word in the high lanes
  logic [31:0]           kept_q;           // high half of the word before
  logic [OpenWidth-1:0]  open_q;           // bursts not answered

  logic                  aw_valid_q, w_valid_q, w_last_q;
  logic [AddrWidth-1:0]  aw_addr_q;
  logic [7:0]            aw_len_q, w_strb_q;
  logic [63:0]           w_data_q;

  // Sizes of a new command, and of the next burst.
  logic [CountWidth:0] lanes;
  logic [9:0]          page_words, burst_limit, burst;
  logic                begin_burst, accept, beat;

  assign lanes       = {1'b0, words_i} + (CountWidth + 1)'(addr_i[2]);
  assign page_words  = 10'(PageWords) - {1'b0, addr_q[11:3]};
  assign burst_limit = (page_words > 10'(MaxBurst)) ? 10'(MaxBurst) : page_words;
  assign burst       = (32'(beats_q) > 32'(burst_limit)) ? burst_limit : 10'(beats_q);
  assign begin_burst = beats_q != '0 && burst_q == '0 && !aw_valid_q && !flush_i &&
                       open_q != OpenWidth'(MaxOutstanding);
  assign accept      = valid_i && ready_o;
  assign beat        = burst_q != '0 && (!w_valid_q || w_ready_i) &&
                       (flush_i || pairs_q == '0 || data_valid_i);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      addr_q     <= '0;
      beats_q    <= '0;
      pairs_q    <= '0;
      burst_q    <= '0;
      shift_q    <= 1'b0;
      first_q    <= 1'b0;
      half_q     <= 1'b0;
      kept_q     <= '0;
      aw_valid_q <= 1'b0;
      aw_addr_q  <= '0;
      aw_len_q   <= '0;
      w_valid_q  <= 1'b0;
      w_data_q   <= '0;
      w_strb_q   <= '0;
      w_last_q   <= 1'b0;
    end else begin
      if (aw_valid_q && aw_ready_i) aw_valid_q <= 1'b0;
      if (w_valid_q && w_ready_i)   w_valid_q  <= 1'b0;
      if (flush_i && burst_q == '0) beats_q    <= '0;

      if (accept) begin
        addr_q  <= {addr_i[AddrWidth-1:3], 3'd0};
        beats_q <= CountWidth'((lanes + (CountWidth + 1)'(1)) >> 1);
        pairs_q <= CountWidth'(({1'b0, words_i} + (CountWidth + 1)'(1)) >> 1);
        shift_q <= addr_i[2];
        half_q  <= lanes[0];
        first_q <= 1'b1;
      end
      if (begin_burst) begin
        aw_valid_q <= 1'b1;
        aw_addr_q  <= addr_q;
        aw_len_q   <= 8'(burst - 10'd1);
        addr_q     <= addr_q + AddrWidth'({burst, 3'd0});
        burst_q    <= 9'(burst);
      end
      if (beat) begin
        w_valid_q     <= 1'b1;
        w_data_q      <= shift_q ? {data_i[31:0], kept_q} : data_i;
        w_strb_q[3:0] <= (flush_i || (first_q && shift_q)) ? 4'h0 : 4'hf;
        w_strb_q[7:4] <= (flush_i || (half_q && beats_q == CountWidth'(1))) ? 4'h0 : 4'hf;
        w_last_q      <= burst_q == 9'd1;
        kept_q        <= data_i[63:32];
        first_q       <= 1'b0;
        burst_q       <= burst_q - 9'd1;
        beats_q       <= beats_q - CountWidth'(1);
        if (pairs_q != '0) pairs_q <= pairs_q - CountWidth'(1);
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      open_q <= '0;
    end else begin
      open_q <= open_q + OpenWidth'(begin_burst) - OpenWidth'(b_valid_i);
    end
  end

  assign ready_o      = beats_q == '0 && !flush_i;
  assign data_ready_o = beat && pairs_q != '0 && !flush_i;
  assign idle_o       = beats_q == '0 && !aw_valid_q && !w_valid_q && open_q == '0;
  assign error_o      = b_valid_i && b_resp_i[1];
  assign aw_valid_o   = aw_valid_q;
  assign aw_addr_o    = aw_addr_q;
  assign aw_len_o     = aw_len_q;
  assign w_valid_o    = w_valid_q;
  assign w_data_o     = w_data_q;
  assign w_strb_o     = w_strb_q;
  assign w_last_o     = w_last_q;
  assign b_ready_o    = 1'b1;

  logic unused;
  assign unused = b_resp_i[0] ^ addr_i[0] ^ addr_i[1];

  if (MaxBurst < 1 || MaxBurst > 256 || MaxOutstanding < 1) begin : gen_bad_burst
    $error("axi_write_dma: MaxBurst must be 1..256 and MaxOutstanding at least 1");
  end

endmodule
