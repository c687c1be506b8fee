// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Activations of up to Tiles * Rows tokens in front of the array: one bank per row.
//
// After start_i it takes tokens_i tokens of 32 * groups_i words (four FP16 each, first in the low
// bits), token after token; token t goes to bank t mod Rows. loaded_o: all of them are there.
// A read gives one word of every bank one cycle later. It takes one word per cycle, and a new
// start_i only when the tokens before it are no longer needed.

module bitmod_activation_buffer #(
  parameter  int unsigned Rows      = 8,
  parameter  int unsigned Tiles     = 16,
  parameter  int unsigned MaxGroups = 3,
  localparam int unsigned Depth     = Tiles * MaxGroups * bitmod_pkg::SlicesPerGroup,
  localparam int unsigned AddrWidth = $clog2(Depth)
) (
  input  logic                                         clk_i,
  input  logic                                         rst_ni,
  input  logic                                         start_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0]            tokens_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0]            groups_i,
  // Stream
  input  logic                                         valid_i,
  output logic                                         ready_o,
  input  logic [63:0]                                  data_i,
  // Array
  output logic                                         loaded_o,
  input  logic                                         read_i,
  input  logic [AddrWidth-1:0]                         addr_i,
  output logic [Rows-1:0][bitmod_pkg::Lanes-1:0][15:0] act_o
);

  localparam int unsigned ShapeWidth = bitmod_pkg::ShapeWidth;
  localparam int unsigned SliceWidth = bitmod_pkg::SliceWidth;
  localparam int unsigned RowWidth   = (Rows > 1) ? $clog2(Rows) : 1;

  logic [ShapeWidth-1:0] tokens_left_q, group_q;
  logic [SliceWidth-1:0] slice_q;
  logic [RowWidth-1:0]   row_q;
  logic [AddrWidth-1:0]  addr_q, token_addr_q;  // of this word; of the first word of this token
  logic                  beat, token_end;

  assign ready_o   = tokens_left_q != '0;
  assign loaded_o  = tokens_left_q == '0;
  assign beat      = valid_i & ready_o;
  assign token_end = (slice_q == '1) && (group_q + ShapeWidth'(1) == groups_i);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      tokens_left_q <= '0;
      group_q       <= '0;
      slice_q       <= '0;
      row_q         <= '0;
      addr_q        <= '0;
      token_addr_q  <= '0;
    end else if (start_i) begin
      tokens_left_q <= tokens_i;
      group_q       <= '0;
      slice_q       <= '0;
      row_q         <= '0;
      addr_q        <= '0;
      token_addr_q  <= '0;
    end else if (beat) begin
      slice_q <= slice_q + SliceWidth'(1);
      addr_q  <= addr_q + AddrWidth'(1);
      if (slice_q == '1) group_q <= token_end ? '0 : group_q + ShapeWidth'(1);
      if (token_end) begin
        tokens_left_q <= tokens_left_q - ShapeWidth'(1);
        if (row_q == RowWidth'(Rows - 1)) begin
          row_q        <= '0;
          token_addr_q <= addr_q + AddrWidth'(1);
        end else begin
          row_q  <= row_q + RowWidth'(1);
          addr_q <= token_addr_q;
        end
      end
    end
  end

  for (genvar r = 0; r < Rows; r++) begin : gen_bank
    sram_1r1w #(.Width(64), .Depth(Depth)) i_bank (
      .clk_i,
      .rst_ni,
      .we_i   (beat && row_q == RowWidth'(r)),
      .waddr_i(addr_q),
      .wdata_i(data_i),
      .re_i   (read_i),
      .raddr_i(addr_i),
      .rdata_o(act_o[r])
    );
  end

  if (Tiles < 1 || MaxGroups < 1) begin : gen_bad_depth
    $error("bitmod_activation_buffer: Tiles and MaxGroups must be at least 1");
  end

endmodule
