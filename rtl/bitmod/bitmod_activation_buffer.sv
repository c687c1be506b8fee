// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Activations of up to Depth * Rows * RowTiles tokens in front of the array: one bank per row.
//
// After start_i it takes tokens_i tokens of 32 * groups_i words (four FP16 each, first in the low
// bits), token after token; token t goes to bank t mod (Rows * RowTiles). loaded_o: all of them are there.
// A read gives a slice of Lanes values of every bank one cycle later, of the rows of tile row i another i
// cycles later. It takes one word per cycle, and a new start_i only when the tokens before it are no longer
// needed.

module bitmod_activation_buffer #(
  parameter  int unsigned Rows      = 8,
  parameter  int unsigned RowTiles  = 1,
  parameter  int unsigned Lanes     = bitmod_pkg::Lanes,
  parameter  int unsigned Depth     = 16,  // tokens a bank
  parameter  int unsigned MaxGroups = 3,
  localparam int unsigned AllRows   = Rows * RowTiles,
  localparam int unsigned AddrWidth = $clog2(Depth * MaxGroups * bitmod_pkg::GroupSize / Lanes)
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  input  logic                              start_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0] tokens_i,
  input  logic [bitmod_pkg::ShapeWidth-1:0] groups_i,
  // Stream
  input  logic                              valid_i,
  output logic                              ready_o,
  input  logic [63:0]                       data_i,
  // Array
  output logic                              loaded_o,
  input  logic                              read_i,
  input  logic [AddrWidth-1:0]              addr_i,  // of a slice
  output logic [AllRows-1:0][Lanes-1:0][15:0] act_o
);

  localparam int unsigned ShapeWidth = bitmod_pkg::ShapeWidth;
  localparam int unsigned RowWidth   = (AllRows > 1) ? $clog2(AllRows) : 1;
  localparam int unsigned Words      = Depth * MaxGroups * bitmod_pkg::ActWordsPerGroup;  // of a bank
  localparam int unsigned WordAddr   = $clog2(Words);
  localparam int unsigned GroupWords = $clog2(bitmod_pkg::ActWordsPerGroup);
  // A slice of eight is two words, in a memory each; a slice of two is half a word.
  localparam int unsigned Parts      = (Lanes > 4) ? Lanes / 4 : 1;
  localparam int unsigned PartWidth  = (Lanes > 4) ? $clog2(Lanes / 4) : 0;
  localparam int unsigned HalfWidth  = (Lanes < 4) ? $clog2(4 / Lanes) : 0;
  localparam int unsigned PartAddr   = WordAddr - PartWidth;

  logic [ShapeWidth-1:0] tokens_left_q, group_q;
  logic [GroupWords-1:0] word_q;
  logic [RowWidth-1:0]   row_q;
  logic [WordAddr-1:0]   addr_q, token_addr_q;  // of this word; of the first word of this token
  logic                  beat, token_end;

  assign ready_o   = tokens_left_q != '0;
  assign loaded_o  = tokens_left_q == '0;
  assign beat      = valid_i & ready_o;
  assign token_end = (word_q == '1) && (group_q + ShapeWidth'(1) == groups_i);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      tokens_left_q <= '0;
      group_q       <= '0;
      word_q        <= '0;
      row_q         <= '0;
      addr_q        <= '0;
      token_addr_q  <= '0;
    end else if (start_i) begin
      tokens_left_q <= tokens_i;
      group_q       <= '0;
      word_q        <= '0;
      row_q         <= '0;
      addr_q        <= '0;
      token_addr_q  <= '0;
    end else if (beat) begin
      word_q <= word_q + GroupWords'(1);
      addr_q <= addr_q + WordAddr'(1);
      if (word_q == '1) group_q <= token_end ? '0 : group_q + ShapeWidth'(1);
      if (token_end) begin
        tokens_left_q <= tokens_left_q - ShapeWidth'(1);
        if (row_q == RowWidth'(AllRows - 1)) begin
          row_q        <= '0;
          token_addr_q <= addr_q + WordAddr'(1);
        end else begin
          row_q  <= row_q + RowWidth'(1);
          addr_q <= token_addr_q;
        end
      end
    end
  end

  // Reads of tile row i, i cycles late.
  logic [RowTiles-1:0]                read;
  logic [RowTiles-1:0][AddrWidth-1:0] addr;

  assign read[0] = read_i;
  assign addr[0] = addr_i;

  for (genvar i = 1; i < RowTiles; i++) begin : gen_delay
    logic                 read_q;
    logic [AddrWidth-1:0] read_addr_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        read_q      <= 1'b0;
        read_addr_q <= '0;
      end else begin
        read_q      <= read[i-1];
        read_addr_q <= addr[i-1];
      end
    end
    assign read[i] = read_q;
    assign addr[i] = read_addr_q;
  end

  for (genvar r = 0; r < AllRows; r++) begin : gen_bank
    logic [64*Parts-1:0] word;

    for (genvar p = 0; p < Parts; p++) begin : gen_part
      logic here;
      if (PartWidth == 0) begin : gen_only
        assign here = row_q == RowWidth'(r);
      end else begin : gen_one_of
        assign here = row_q == RowWidth'(r) && addr_q[PartWidth-1:0] == PartWidth'(p);
      end
      sram_1r1w #(.Width(64), .Depth(Words / Parts)) i_bank (
        .clk_i,
        .rst_ni,
        .we_i   (beat & here),
        .waddr_i(addr_q[WordAddr-1:PartWidth]),
        .wdata_i(data_i),
        .re_i   (read[r/Rows]),
        .raddr_i(PartAddr'(addr[r/Rows] >> HalfWidth)),
        .rdata_o(word[64*p+:64])
      );
    end

    if (HalfWidth == 0) begin : gen_whole
      assign act_o[r] = word;
    end else begin : gen_half
      logic half_q;
      always_ff @(posedge clk_i or negedge rst_ni) begin
        if (!rst_ni)           half_q <= 1'b0;
        else if (read[r/Rows]) half_q <= addr[r/Rows][0];
      end
      assign act_o[r] = half_q ? word[63:32] : word[31:0];
    end
  end

  if (Depth < 1 || MaxGroups < 1) begin : gen_bad_depth
    $error("bitmod_activation_buffer: Depth and MaxGroups must be at least 1");
  end

endmodule
