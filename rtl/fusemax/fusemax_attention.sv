// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Attention on a FuseMax array: Rows x Cols elements for keys x queries, and a row of Cols lanes (FuseMax,
// MICRO 2024, sections IV-V, cascade 5).
//
//   AV[p, f] = (sum over m of w[m, p] * V[m, f]) / (sum over m of w[m, p])
//   w[m, p] = exp(K[m] . Q[p] - max over m of K[m] . Q[p])
//
// For each of blocks_i blocks: p1_i tiles of Cols queries against m1_i tiles of Rows keys, of which the
// last has last_rows_i. What is done in which cycle says a program, one word for each cycle of an epoch
// of period_i cycles, with up to stages_i tiles in flight; see fusemax_pkg. It is written before start_i,
// and stays. The shape must stay from start_i to done_o.
//
// Input, one word a cycle, FP16, first column or row in the low bits; per block: p1_i * E words of Q (p1,
// then e), then per tile of keys E words of K, F words of V. Scores are not scaled: Q comes scaled.
// Output per block: p1_i * F words of AV (p1, then f), FP16. Inside all is single precision. cycles_o
// counts busy_o; stall_cycles_o those in which everything waits for keys; busy_2d_o and busy_1d_o those
// in which the array, the row, begins an operation. No masks; shapes of zero, or beyond the memories, are
// not caught.

module fusemax_attention #(
  parameter  int unsigned Rows        = 4,    // keys at once
  parameter  int unsigned Cols        = 4,    // queries at once
  parameter  int unsigned E           = 64,   // length of a query and of a key
  parameter  int unsigned F           = 64,   // length of a value
  parameter  int unsigned MaxP1       = 4,    // tiles of queries of a block
  parameter  int unsigned MaxPeriod   = 256,  // cycles of an epoch
  parameter  int unsigned RfEntries   = 10,   // registers of an element
  parameter  int unsigned LaneEntries = 32,   // registers of a lane
  localparam int unsigned InWidth     = 16 * ((Rows > Cols) ? Rows : Cols)
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  // Run
  input  logic                               start_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] p1_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] m1_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] last_rows_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] period_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] stages_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] blocks_i,
  output logic                               busy_o,
  output logic                               done_o,
  output logic [63:0]                        cycles_o,
  output logic [63:0]                        stall_cycles_o,
  output logic [63:0]                        busy_2d_o,
  output logic [63:0]                        busy_1d_o,
  // Program
  input  logic                               prog_valid_i,
  output logic                               prog_ready_o,
  input  logic [fusemax_pkg::WordWidth-1:0]  prog_data_i,
  // Queries, keys, values
  input  logic                               in_valid_i,
  output logic                               in_ready_o,
  input  logic [InWidth-1:0]                 in_data_i,
  // Results
  output logic                               out_valid_o,
  input  logic                               out_ready_i,
  output logic [16*Cols-1:0]                 out_data_o
);

  localparam int unsigned ShapeWidth = fusemax_pkg::ShapeWidth;
  localparam int unsigned LaneAddr   = fusemax_pkg::LaneAddr;
  localparam int unsigned KvDepth    = 2 * (E + F);
  localparam int unsigned QDepth     = MaxP1 * E;
  localparam int unsigned StateDepth = MaxP1 * (F + 2);
  localparam int unsigned KvAddr     = $clog2(KvDepth);
  localparam int unsigned QAddr      = $clog2(QDepth);
  localparam int unsigned StateAddr  = $clog2(StateDepth);
  // A place taken when a division begins is free again so many cycles later: enough for one each cycle.
  localparam int unsigned QueueDepth = fusemax_pkg::DivLatency + Cols + 4;

  // Controller
  logic                  block_start, keys_release, q_loaded, advance, last_tile, kv_read;
  logic [ShapeWidth-1:0] kv_tiles;
  logic [KvAddr-1:0]     kv_addr;
  logic [QAddr-1:0]      q_addr;
  logic [StateAddr-1:0]  state_addr;
  logic [LaneAddr-1:0]   up_lane;
  fusemax_pkg::pe_op_t   pe_op;
  fusemax_pkg::lane_op_t lane_op;
  fusemax_pkg::down_t    down;

  fusemax_controller #(
    .Rows      (Rows),
    .E         (E),
    .F         (F),
    .MaxP1     (MaxP1),
    .MaxPeriod (MaxPeriod),
    .QueueDepth(QueueDepth)
  ) i_controller (
    .clk_i,
    .rst_ni,
    .start_i,
    .p1_i,
    .m1_i,
    .period_i,
    .stages_i,
    .blocks_i,
    .busy_o,
    .done_o,
    .cycles_o,
    .stall_cycles_o,
    .busy_2d_o,
    .busy_1d_o,
    .prog_valid_i,
    .prog_ready_o,
    .prog_data_i,
    .block_start_o(block_start),
    .release_o    (keys_release),
    .q_loaded_i   (q_loaded),
    .kv_tiles_i   (kv_tiles),
    .left_i       (out_valid_o & out_ready_i),
    .advance_o    (advance),
    .pe_op_o      (pe_op),
    .last_tile_o  (last_tile),
    .kv_read_o    (kv_read),
    .kv_addr_o    (kv_addr),
    .q_addr_o     (q_addr),
    .up_lane_o    (up_lane),
    .lane_op_o    (lane_op),
    .state_addr_o (state_addr),
    .down_o       (down)
  );

  // Loader
  logic               q_we, kv_we;
  logic [QAddr-1:0]   q_waddr;
  logic [KvAddr-1:0]  kv_waddr;
  logic [InWidth-1:0] load_data;

  fusemax_loader #(
    .Width(InWidth),
    .E    (E),
    .F    (F),
    .MaxP1(MaxP1)
  ) i_loader (
    .clk_i,
    .rst_ni,
    .start_i   (block_start),
    .p1_i,
    .m1_i,
    .release_i (keys_release),
    .q_loaded_o(q_loaded),
    .kv_tiles_o(kv_tiles),
    .valid_i   (in_valid_i),
    .ready_o   (in_ready_o),
    .data_i    (in_data_i),
    .q_we_o    (q_we),
    .q_addr_o  (q_waddr),
    .kv_we_o   (kv_we),
    .kv_addr_o (kv_waddr),
    .data_o    (load_data)
  );

  // Array and row
  logic [Cols-1:0][LaneAddr-1:0] lane_wanted;
  logic [Cols-1:0][31:0]         lane_word, down_word;
  logic                          av_valid, queue_ready;
  logic [Cols-1:0][15:0]         av;

  fusemax_array #(
    .Rows     (Rows),
    .Cols     (Cols),
    .KvDepth  (KvDepth),
    .QDepth   (QDepth),
    .RfEntries(RfEntries)
  ) i_array (
    .clk_i,
    .rst_ni,
    .en_i       (advance),
    .last_rows_i,
    .kv_we_i    (kv_we),
    .kv_waddr_i (kv_waddr),
    .kv_wdata_i (load_data[16*Rows-1:0]),
    .q_we_i     (q_we),
    .q_waddr_i  (q_waddr),
    .q_wdata_i  (load_data[16*Cols-1:0]),
    .op_i       (pe_op),
    .last_tile_i(last_tile),
    .kv_read_i  (kv_read),
    .kv_addr_i  (kv_addr),
    .q_addr_i   (q_addr),
    .lane_i     (up_lane),
    .lane_o     (lane_wanted),
    .lane_word_i(lane_word),
    .down_o     (down_word)
  );

  fusemax_row #(
    .Cols       (Cols),
    .LaneEntries(LaneEntries),
    .StateDepth (StateDepth)
  ) i_row (
    .clk_i,
    .rst_ni,
    .en_i       (advance),
    .op_i       (lane_op),
    .addr_i     (state_addr),
    .down_i     (down),
    .down_word_i(down_word),
    .up_lane_i  (lane_wanted),
    .up_word_o  (lane_word),
    .av_valid_o (av_valid),
    .av_o       (av)
  );

  stream_fifo #(
    .Width(16 * Cols),
    .Depth(QueueDepth)
  ) i_queue (
    .clk_i,
    .rst_ni,
    .valid_i(av_valid),
    .ready_o(queue_ready),
    .data_i (av),
    .valid_o(out_valid_o),
    .ready_i(out_ready_i),
    .data_o (out_data_o)
  );

  // A division began only with its place kept.
  logic unused_queue_ready;
  assign unused_queue_ready = queue_ready;

  if (Rows < 2 || Cols < 2) begin : gen_bad_size
    $error("fusemax_attention: Rows and Cols must be at least 2");
  end
  if (E < 2 || E > 128 || F < 2 || F > 128) begin : gen_bad_length
    $error("fusemax_attention: E and F must be 2..128");
  end
  // Words of the next block must not overtake the last reads of this one.
  if (E + F < Rows) begin : gen_bad_rows
    $error("fusemax_attention: E + F must be at least Rows");
  end

endmodule
