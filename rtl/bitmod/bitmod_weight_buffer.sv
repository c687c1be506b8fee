// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Double buffer of weights in front of the array: one bank per column, filled from a stream.
//
// After start_i it takes channels_i channels, Cols * ColTiles at a time, each half as soon as it is free. A
// channel is channel parameters, then per group eight words of low codes, four (INT6) or eight (INT8) of high
// codes, and one of group parameters (formats in bitmod_weight_bank). loaded_o: the half in front of the
// array is full. release_i gives that half back and turns to the other. It takes one word per cycle.
// Reads of tile column j, and what capture_i keeps for it, come j cycles late, also after release_i: the
// first word for that column comes later still.
// Banks beyond the last channel keep old weights: their columns compute, and nobody looks.

module bitmod_weight_buffer #(
  parameter  int unsigned Cols      = 8,
  parameter  int unsigned ColTiles  = 1,
  parameter  int unsigned Lanes     = bitmod_pkg::Lanes,
  parameter  int unsigned MaxGroups = 3,
  localparam int unsigned AllCols   = Cols * ColTiles,
  localparam int unsigned GroupAddr = $clog2(2 * MaxGroups),
  localparam int unsigned SliceWidth = $clog2(bitmod_pkg::GroupSize / Lanes)
) (
  input  logic                                            clk_i,
  input  logic                                            rst_ni,
  input  logic                                            start_i,
  input  bitmod_pkg::mode_e                               mode_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0]               channels_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0]               groups_i,
  // Stream
  input  logic                                            valid_i,
  output logic                                            ready_o,
  input  logic [63:0]                                     data_i,
  // Array
  output logic                                            loaded_o,
  input  logic                                            release_i,
  input  logic                                            read_i,
  input  logic                                            capture_i,
  input  logic [GroupAddr-1:0]                            group_i,
  input  logic [SliceWidth-1:0]                           slice_i,
  output logic [AllCols-1:0][Lanes-1:0][7:0]              code_o,
  output logic [AllCols-1:0][1:0]                         special_o,
  output logic [AllCols-1:0][bitmod_pkg::ScaleWidth-1:0]  scale_o,
  output logic [AllCols-1:0][31:0]                        channel_scale_o,
  output logic [AllCols-1:0][31:0]                        bias_o
);

  localparam int unsigned ShapeWidth = bitmod_pkg::ShapeWidth;
  localparam int unsigned ColWidth   = (AllCols > 1) ? $clog2(AllCols) : 1;

  // Where the next word of the stream goes.
  logic [ShapeWidth-1:0] channels_left_q, group_q;
  logic [ColWidth-1:0]   col_q;
  logic [4:0]            word_q;      // 0..7 low codes, then high codes, last of all group parameters
  logic                  header_q;    // channel parameters come next
  logic [1:0]            full_q;
  logic                  fill_q, front_q;

  logic beat, group_word, group_end, channel_end, half_end;

  assign ready_o     = (channels_left_q != '0) & ~full_q[fill_q];
  assign loaded_o    = full_q[front_q];
  assign beat        = valid_i & ready_o;
  assign group_word  = word_q == {mode_i, 2'b00} + 5'd4;  // 8, 12 or 16
  assign group_end   = beat & ~header_q & group_word;
  assign channel_end = group_end & (group_q + ShapeWidth'(1) == groups_i);
  assign half_end    = channel_end &
                       (col_q == ColWidth'(AllCols - 1) || channels_left_q == ShapeWidth'(1));

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      channels_left_q <= '0;
      group_q         <= '0;
      col_q           <= '0;
      word_q          <= '0;
      header_q        <= 1'b1;
      full_q          <= '0;
      fill_q          <= 1'b0;
      front_q         <= 1'b0;
    end else begin
      if (start_i) begin
        channels_left_q <= channels_i;
      end else if (beat) begin
        header_q <= channel_end;
        if (~header_q)   word_q          <= group_word ? 5'd0 : word_q + 5'd1;
        if (group_end)   group_q         <= channel_end ? '0 : group_q + ShapeWidth'(1);
        if (channel_end) channels_left_q <= channels_left_q - ShapeWidth'(1);
        if (channel_end) col_q           <= half_end ? '0 : col_q + ColWidth'(1);
        if (half_end)    fill_q          <= ~fill_q;
      end
      if (release_i) begin
        full_q[front_q] <= 1'b0;
        front_q         <= ~front_q;
      end
      if (half_end) full_q[fill_q] <= 1'b1;
    end
  end

  // Groups of the second half lie behind those of the first.
  logic [GroupAddr-1:0] write_group, read_group;

  assign write_group = GroupAddr'(group_q) + (fill_q ? GroupAddr'(MaxGroups) : '0);
  assign read_group  = group_i + (front_q ? GroupAddr'(MaxGroups) : '0);

  // What is read in tile column j: {read, capture, half, group, slice}, j cycles late.
  localparam int unsigned ReadWidth = 3 + GroupAddr + SliceWidth;
  logic [ColTiles-1:0][ReadWidth-1:0] reads;

  assign reads[0] = {read_i, capture_i, front_q, read_group, slice_i};

  for (genvar j = 1; j < ColTiles; j++) begin : gen_delay
    logic [ReadWidth-1:0] reads_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) reads_q <= '0;
      else         reads_q <= reads[j-1];
    end
    assign reads[j] = reads_q;
  end

  for (genvar c = 0; c < AllCols; c++) begin : gen_bank
    logic                  here, read, capture, half;
    logic [GroupAddr-1:0]  group;
    logic [SliceWidth-1:0] slice;
    assign {read, capture, half, group, slice} = reads[c/Cols];
    assign here = beat & (col_q == ColWidth'(c));

    bitmod_weight_bank #(
      .Lanes    (Lanes),
      .MaxGroups(MaxGroups)
    ) i_bank (
      .clk_i,
      .rst_ni,
      .mode_i,
      .write_low_i    (here & ~header_q & ~group_word & ~word_q[3]),
      .write_high_i   (here & ~header_q & ~group_word & word_q[3]),
      .write_group_i  (here & ~header_q & group_word),
      .write_channel_i(here & header_q),
      .write_half_i   (fill_q),
      .write_addr_i   ({write_group, word_q[2:0]}),
      .write_data_i   (data_i),
      .read_i         (read),
      .read_half_i    (half),
      .read_group_i   (group),
      .read_slice_i   (slice),
      .code_o         (code_o[c]),
      .special_o      (special_o[c]),
      .capture_i      (capture),
      .scale_o        (scale_o[c]),
      .channel_scale_o(channel_scale_o[c]),
      .bias_o         (bias_o[c])
    );
  end

  if (MaxGroups < 1) begin : gen_bad_groups
    $error("bitmod_weight_buffer: MaxGroups must be at least 1");
  end

endmodule
