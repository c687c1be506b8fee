// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// HBM for simulation, one client's part of it: words of Width bits, in the order they are asked for.
//
// Its latency depends on what a deadline must hide: Base cycles, RowMiss more where the word is of another
// row of its bank than the one before (a word's row is its address / RowWords, the bank the lowest bits of
// that), up to Jitter more by a hash of seed_i and the number of the request, and while all banks are
// refreshed (RefreshCycles of every RefreshInterval) nothing begins and all rows close. Answers come in order, one a cycle at
// most; Slow more cycles to the request of number slow_i (0: none) break a deadline on purpose. The array is
// not reset.

module bolt_hbm #(
  parameter  int unsigned Width           = 128,
  parameter  int unsigned Depth           = 4096,
  parameter  int unsigned Base            = 24,
  parameter  int unsigned RowMiss         = 14,
  parameter  int unsigned RowWords        = 16,
  parameter  int unsigned Banks           = 16,   // a power of two
  parameter  int unsigned Jitter          = 8,    // a power of two
  parameter  int unsigned RefreshInterval = 975,
  parameter  int unsigned RefreshCycles   = 40,
  parameter  int unsigned Queue           = 64,
  parameter  int unsigned Slow            = 400,
  localparam int unsigned AddrWidth       = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic [31:0]          seed_i,
  input  logic [31:0]          slow_i,
  input  logic                 req_valid_i,
  output logic                 req_ready_o,
  input  logic                 req_we_i,
  input  logic [AddrWidth-1:0] req_addr_i,
  input  logic [Width-1:0]     req_wdata_i,
  output logic                 rsp_valid_o,
  output logic [Width-1:0]     rsp_rdata_o
);

  localparam int unsigned BankWidth  = (Banks > 1) ? $clog2(Banks) : 1;
  localparam int unsigned CycleWidth = $clog2(RefreshInterval + 1);
  localparam int unsigned TimeWidth  = 32;

  // Time, and when the last answer leaves.
  logic [TimeWidth-1:0]  now_q, last_q, when;
  logic [CycleWidth-1:0] refresh_q;
  logic [31:0]           number_q;
  logic                  refreshing, accept, hit;
  logic [Banks-1:0]      open_q;
  logic [Banks-1:0][AddrWidth-1:0] row_q;
  logic [AddrWidth-1:0]  row;
  logic [BankWidth-1:0]  bank;
  logic [31:0]           mixed;

  assign refreshing = refresh_q < CycleWidth'(RefreshCycles);
  assign accept     = req_valid_i && req_ready_o;
  assign row        = req_addr_i / AddrWidth'(RowWords);
  assign bank       = BankWidth'(row);
  assign hit        = open_q[bank] && row_q[bank] == row;

  function automatic logic [31:0] mix(logic [31:0] word);
    mix = word * 32'h9e3779b1;
    mix = mix ^ (mix >> 15);
    mix = mix * 32'h85ebca77;
    mix = mix ^ (mix >> 13);
  endfunction

  assign mixed = mix(seed_i ^ mix(number_q));

  always_comb begin
    when = now_q + TimeWidth'(Base) + (mixed & (Jitter - 1)) + (hit ? '0 : TimeWidth'(RowMiss));
    if (refreshing) when = when + TimeWidth'(RefreshCycles) - TimeWidth'(refresh_q);
    if (slow_i != '0 && number_q == slow_i) when = when + TimeWidth'(Slow);
    if (when <= last_q) when = last_q + TimeWidth'(1);
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      now_q     <= '0;
      last_q    <= '0;
      refresh_q <= '0;
      number_q  <= 32'd1;
      open_q    <= '0;
      row_q     <= '0;
    end else begin
      now_q     <= now_q + TimeWidth'(1);
      refresh_q <= (refresh_q == CycleWidth'(RefreshInterval - 1)) ? '0 : refresh_q + CycleWidth'(1);
      if (accept) begin
        number_q <= number_q + 32'd1;
        if (!req_we_i) last_q <= when;
        row_q[bank] <= row;
      end
      if (refreshing)  open_q       <= '0;
      else if (accept) open_q[bank] <= 1'b1;
    end
  end

  // The array: a word is read when it is asked for, behind all writes before.
  logic [Width-1:0] mem_q [Depth];

  always_ff @(posedge clk_i) begin
    if (accept && req_we_i) mem_q[req_addr_i] <= req_wdata_i;
  end

  logic                 room, there;
  logic [TimeWidth-1:0] due;

  stream_fifo #(
    .Width(TimeWidth + Width),
    .Depth(Queue)
  ) i_answers (
    .clk_i,
    .rst_ni,
    .valid_i(accept && !req_we_i),
    .ready_o(room),
    .data_i ({when, mem_q[req_addr_i]}),
    .valid_o(there),
    .ready_i(rsp_valid_o),
    .data_o ({due, rsp_rdata_o})
  );

  assign req_ready_o = room;
  assign rsp_valid_o = there && due <= now_q;

endmodule
