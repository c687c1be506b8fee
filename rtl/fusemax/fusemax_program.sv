// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Program memory: a word for every cycle of the epoch, written as a stream.
//
// Words are taken while write_i, the first for cycle 0; rewind_i makes the next one the first again and
// leaves what is written. A word read is there one cycle later and stays until the next read.

module fusemax_program #(
  parameter  int unsigned MaxPeriod = 256,
  localparam int unsigned AddrWidth = $clog2(MaxPeriod)
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  input  logic                              write_i,
  input  logic                              rewind_i,
  input  logic                              valid_i,
  output logic                              ready_o,
  input  logic [fusemax_pkg::WordWidth-1:0] data_i,
  input  logic                              read_i,
  input  logic [AddrWidth-1:0]              addr_i,
  output logic [fusemax_pkg::WordWidth-1:0] word_o
);

  logic [AddrWidth:0] count_q;
  logic               take;

  assign ready_o = write_i && count_q != (AddrWidth + 1)'(MaxPeriod);
  assign take    = valid_i & ready_o;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)       count_q <= '0;
    else if (rewind_i) count_q <= '0;
    else if (take)     count_q <= count_q + (AddrWidth + 1)'(1);
  end

  sram_1r1w #(.Width(fusemax_pkg::WordWidth), .Depth(MaxPeriod)) i_words (
    .clk_i,
    .rst_ni,
    .we_i   (take),
    .waddr_i(count_q[AddrWidth-1:0]),
    .wdata_i(data_i),
    .re_i   (read_i),
    .raddr_i(addr_i),
    .rdata_o(word_o)
  );

  if (MaxPeriod < 2) begin : gen_bad_period
    $error("fusemax_program: MaxPeriod must be at least 2");
  end

endmodule
