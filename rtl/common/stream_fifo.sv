// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// First-in first-out queue between two valid/ready streams.
//
// A word is visible at the output in the cycle after it was accepted; there is no combinational path
// from input to output. It does not accept a word while full, even when one leaves in that cycle.

module stream_fifo #(
  parameter  int unsigned Width     = 32,
  parameter  int unsigned Depth     = 4,
  localparam int unsigned AddrWidth = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             valid_i,
  output logic             ready_o,
  input  logic [Width-1:0] data_i,
  output logic             valid_o,
  input  logic             ready_i,
  output logic [Width-1:0] data_o
);

  localparam logic [AddrWidth-1:0] LastAddr = AddrWidth'(Depth - 1);

  logic [Width-1:0]     mem [Depth];
  logic [AddrWidth-1:0] head_q, tail_q;
  logic [AddrWidth:0]   count_q;
  logic                 push, pop;

  assign ready_o = count_q != (AddrWidth + 1)'(Depth);
  assign valid_o = count_q != '0;
  assign data_o  = mem[head_q];
  assign push    = valid_i & ready_o;
  assign pop     = valid_o & ready_i;

  always_ff @(posedge clk_i) begin
    if (push) mem[tail_q] <= data_i;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      head_q  <= '0;
      tail_q  <= '0;
      count_q <= '0;
    end else begin
      if (push) tail_q <= (tail_q == LastAddr) ? '0 : tail_q + AddrWidth'(1);
      if (pop)  head_q <= (head_q == LastAddr) ? '0 : head_q + AddrWidth'(1);
      if (push & ~pop)      count_q <= count_q + (AddrWidth + 1)'(1);
      else if (pop & ~push) count_q <= count_q - (AddrWidth + 1)'(1);
    end
  end

  if (Depth < 1) begin : gen_bad_depth
    $error("stream_fifo: Depth must be at least 1");
  end

endmodule
