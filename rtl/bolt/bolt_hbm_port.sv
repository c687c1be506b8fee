// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A client of HBM that sees a constant latency: what was read is given exactly Deadline cycles after it was
// asked for, whenever it came.
//
// Row hits, refresh and other clients make HBM's own latency a function of secret addresses; nothing on
// this side of the port sees it. late_o (a FAULT): a word was not there at its deadline, or requests waited
// so long that Depth of them piled up. Memory answers reads in order and does not answer writes.

module bolt_hbm_port #(
  parameter int unsigned Width     = 128,
  parameter int unsigned AddrWidth = bolt_pkg::FrameWidth,
  parameter int unsigned Deadline  = 128,  // at least 4
  parameter int unsigned Depth     = 64    // requests waiting, and words waiting; at most those asked for in Deadline
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 clear_i,  // nothing read leaves any more, words that wait are zeroed
  // User: never stalls
  input  logic                 req_i,
  input  logic                 we_i,
  input  logic [AddrWidth-1:0] addr_i,
  input  logic [Width-1:0]     wdata_i,
  output logic                 valid_o,
  output logic [Width-1:0]     rdata_o,
  output logic                 late_o,
  // Memory
  output logic                 hbm_req_valid_o,
  input  logic                 hbm_req_ready_i,
  output logic                 hbm_req_we_o,
  output logic [AddrWidth-1:0] hbm_req_addr_o,
  output logic [Width-1:0]     hbm_req_wdata_o,
  input  logic                 hbm_rsp_valid_i,
  input  logic [Width-1:0]     hbm_rsp_rdata_i
);

  logic             req_room, rsp_room, rsp_there, due;
  logic [Width-1:0] rsp_word;

  stream_fifo #(
    .Width(1 + AddrWidth + Width),
    .Depth(Depth)
  ) i_requests (
    .clk_i,
    .rst_ni,
    .valid_i(req_i),
    .ready_o(req_room),
    .data_i ({we_i, addr_i, wdata_i}),
    .valid_o(hbm_req_valid_o),
    .ready_i(hbm_req_ready_i),
    .data_o ({hbm_req_we_o, hbm_req_addr_o, hbm_req_wdata_o})
  );

  stream_fifo #(
    .Width(Width),
    .Depth(Depth)
  ) i_words (
    .clk_i,
    .rst_ni,
    .valid_i(hbm_rsp_valid_i || clear_i),
    .ready_o(rsp_room),
    .data_i (clear_i ? '0 : hbm_rsp_rdata_i),
    .valid_o(rsp_there),
    .ready_i(due || clear_i),
    .data_o (rsp_word)
  );

  delay_line #(
    .Width(1),
    .Depth(Deadline)
  ) i_deadline (
    .clk_i,
    .rst_ni,
    .data_i(req_i && !we_i),
    .data_o(due)
  );

  assign valid_o = due;
  assign rdata_o = (clear_i || !rsp_there) ? '0 : rsp_word;
  assign late_o  = (due && !rsp_there) || (req_i && !req_room) || (hbm_rsp_valid_i && !rsp_room);

  if (Deadline < 4 || Depth < 1) begin : gen_bad_deadline
    $error("bolt_hbm_port: Deadline must be at least 4 and Depth at least 1");
  end

endmodule
