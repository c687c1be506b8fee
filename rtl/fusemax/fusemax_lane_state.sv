// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// State of one lane: for every tile of queries RM, RD and RNV[0..F-1].
//
// A read gives its word one cycle later, the word written in the read's cycle included. The contents are
// not reset: the first key tile reads initial values instead. en_i low holds the word read and writes
// nothing.

module fusemax_lane_state #(
  parameter  int unsigned Depth     = 256,
  localparam int unsigned AddrWidth = $clog2(Depth)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 en_i,
  input  logic                 we_i,
  input  logic [AddrWidth-1:0] waddr_i,
  input  logic [31:0]          wdata_i,
  input  logic                 re_i,
  input  logic [AddrWidth-1:0] raddr_i,
  output logic [31:0]          rdata_o
);

  logic        same_q;
  logic [31:0] wdata_q, rdata;

  sram_1r1w #(.Width(32), .Depth(Depth)) i_words (
    .clk_i,
    .rst_ni,
    .we_i   (we_i & en_i),
    .waddr_i,
    .wdata_i,
    .re_i   (re_i & en_i),
    .raddr_i,
    .rdata_o(rdata)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      same_q  <= 1'b0;
      wdata_q <= '0;
    end else if (en_i && re_i) begin
      same_q  <= we_i && waddr_i == raddr_i;
      wdata_q <= wdata_i;
    end
  end

  assign rdata_o = same_q ? wdata_q : rdata;

endmodule
