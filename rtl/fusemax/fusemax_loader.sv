// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Takes queries, keys and values from the input stream to the edges of the array.
//
// After start_i it takes the words of one block: p1_i * E words of Q (p1, then e), then for each of m1_i
// tiles of keys E words of K and F words of V; one word a cycle. A word has one FP16 number for every
// column (Q) or row (K, V), the first in the low bits. Two tiles of keys have room: the third waits until
// release_i has given the first one's back. q_loaded_o, kv_tiles_o: what is there, from the cycle after
// its last word on.

module fusemax_loader #(
  parameter  int unsigned Width  = 64,
  parameter  int unsigned E      = 64,
  parameter  int unsigned F      = 64,
  parameter  int unsigned MaxP1  = 4,
  localparam int unsigned KvAddr = $clog2(2 * (E + F)),
  localparam int unsigned QAddr  = $clog2(MaxP1 * E)
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  input  logic                               start_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] p1_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] m1_i,
  input  logic                               release_i,
  output logic                               q_loaded_o,
  output logic [fusemax_pkg::ShapeWidth-1:0] kv_tiles_o,
  // Stream
  input  logic                               valid_i,
  output logic                               ready_o,
  input  logic [Width-1:0]                   data_i,
  // Edges
  output logic                               q_we_o,
  output logic [QAddr-1:0]                   q_addr_o,
  output logic                               kv_we_o,
  output logic [KvAddr-1:0]                  kv_addr_o,
  output logic [Width-1:0]                   data_o
);

  localparam int unsigned ShapeWidth = fusemax_pkg::ShapeWidth;
  localparam int unsigned KvWords    = E + F;
  localparam int unsigned WordWidth  = $clog2(KvWords);

  logic [ShapeWidth-1:0] p1_left_q;    // tiles of queries still to come
  logic [ShapeWidth-1:0] m1_left_q;    // tiles of keys still to come
  logic [ShapeWidth-1:0] kv_tiles_q;
  logic [1:0]            kv_used_q;    // halves that are full
  logic                  kv_half_q;    // the one to fill
  logic [WordWidth-1:0]  word_q;       // of this tile
  logic [QAddr-1:0]      q_addr_q;
  logic                  queries, keys, q_end, kv_end;

  assign queries = p1_left_q != '0;
  assign keys    = !queries && m1_left_q != '0 && kv_used_q != 2'd2;
  assign ready_o = queries | keys;
  assign q_we_o  = queries & valid_i;
  assign kv_we_o = keys & valid_i;
  assign q_end   = q_we_o && word_q == WordWidth'(E - 1);
  assign kv_end  = kv_we_o && word_q == WordWidth'(KvWords - 1);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      p1_left_q  <= '0;
      m1_left_q  <= '0;
      kv_tiles_q <= '0;
      kv_used_q  <= '0;
      kv_half_q  <= 1'b0;
      word_q     <= '0;
      q_addr_q   <= '0;
    end else if (start_i) begin
      p1_left_q  <= p1_i;
      m1_left_q  <= m1_i;
      kv_tiles_q <= '0;
      kv_used_q  <= '0;
      kv_half_q  <= 1'b0;
      word_q     <= '0;
      q_addr_q   <= '0;
    end else begin
      if (q_we_o) q_addr_q <= q_addr_q + QAddr'(1);
      if (q_we_o | kv_we_o) word_q <= (q_end | kv_end) ? '0 : word_q + WordWidth'(1);
      if (q_end) p1_left_q <= p1_left_q - ShapeWidth'(1);
      if (kv_end) begin
        m1_left_q  <= m1_left_q - ShapeWidth'(1);
        kv_tiles_q <= kv_tiles_q + ShapeWidth'(1);
        kv_half_q  <= ~kv_half_q;
      end
      kv_used_q <= kv_used_q + 2'(kv_end) - 2'(release_i);
    end
  end

  assign q_loaded_o = ~queries;
  assign kv_tiles_o = kv_tiles_q;
  assign q_addr_o   = q_addr_q;
  assign kv_addr_o  = (kv_half_q ? KvAddr'(KvWords) : '0) + KvAddr'(word_q);
  assign data_o     = data_i;

endmodule
