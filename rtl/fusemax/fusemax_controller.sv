// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What the array and the lanes do in every cycle: program, sequencer, tiles in flight, quotients.
//
// The operations given to the array and the lanes are registered here. advance_o low means that they, and
// all that computes behind them, hold. Keys are released (release_o) Rows cycles after the end of the
// epoch that needs them last: the last row is that far behind. This wait holds as well; with more than
// two tiles of keys it must be over before an epoch can wait for their place, hence p1_i >= stages_i and
// period_i >= Rows there.

module fusemax_controller #(
  parameter  int unsigned Rows       = 4,
  parameter  int unsigned E          = 64,
  parameter  int unsigned F          = 64,
  parameter  int unsigned MaxP1      = 4,
  parameter  int unsigned MaxPeriod  = 256,
  parameter  int unsigned QueueDepth = 32,
  localparam int unsigned KvAddr     = $clog2(2 * (E + F)),
  localparam int unsigned QAddr      = $clog2(MaxP1 * E),
  localparam int unsigned StateAddr  = $clog2(MaxP1 * (F + 2))
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  // Run
  input  logic                               start_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] p1_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] m1_i,
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
  // Loader
  output logic                               block_start_o,
  output logic                               release_o,
  input  logic                               q_loaded_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] kv_tiles_i,
  // Result queue
  input  logic                               left_i,
  // Array
  output logic                               advance_o,
  output fusemax_pkg::pe_op_t                pe_op_o,
  output logic                               last_tile_o,
  output logic                               kv_read_o,
  output logic [KvAddr-1:0]                  kv_addr_o,
  output logic [QAddr-1:0]                   q_addr_o,
  output logic [fusemax_pkg::LaneAddr-1:0]   up_lane_o,
  // Lanes; down_o comes Rows cycles after its operation
  output fusemax_pkg::lane_op_t              lane_op_o,
  output logic [StateAddr-1:0]               state_addr_o,
  output fusemax_pkg::down_t                 down_o
);

  localparam int unsigned ShapeWidth  = fusemax_pkg::ShapeWidth;
  localparam int unsigned MaxStages   = fusemax_pkg::MaxStages;
  localparam int unsigned DownWidth   = fusemax_pkg::DownWidth;
  localparam int unsigned ProgramAddr = $clog2(MaxPeriod);

  // Sequencer and program
  logic                              fetch, word_valid, tiles_start, tiles_step, tiles_more;
  logic                              quotients, quotients_last, quotients_empty;
  logic [ProgramAddr-1:0]            pc;
  logic [fusemax_pkg::WordWidth-1:0] word;
  logic [ShapeWidth-1:0]             tile_m1;
  logic                              tile_p1_first, keys_end;

  logic [MaxStages-1:0]                 tile_valid, odd, half, m1_first, m1_last;
  logic [MaxStages-1:0][ShapeWidth-1:0] p1;

  fusemax_sequencer #(.MaxPeriod(MaxPeriod)) i_sequencer (
    .clk_i,
    .rst_ni,
    .start_i,
    .period_i,
    .blocks_i,
    .busy_o,
    .done_o,
    .block_start_o,
    .q_loaded_i,
    .kv_tiles_i,
    .tiles_start_o    (tiles_start),
    .tiles_step_o     (tiles_step),
    .tiles_more_i     (tiles_more),
    .tile_valid_i     (tile_valid[0]),
    .tile_p1_first_i  (tile_p1_first),
    .tile_m1_i        (tile_m1),
    .advance_o,
    .fetch_o          (fetch),
    .pc_o             (pc),
    .valid_o          (word_valid),
    .quotients_o      (quotients),
    .quotients_last_i (quotients_last),
    .quotients_empty_i(quotients_empty)
  );

  fusemax_program #(.MaxPeriod(MaxPeriod)) i_program (
    .clk_i,
    .rst_ni,
    .write_i (~busy_o),
    .rewind_i(start_i & ~busy_o),
    .valid_i (prog_valid_i),
    .ready_o (prog_ready_o),
    .data_i  (prog_data_i),
    .read_i  (fetch),
    .addr_i  (pc),
    .word_o  (word)
  );

  fusemax_tiles i_tiles (
    .clk_i,
    .rst_ni,
    .start_i   (tiles_start),
    .step_i    (tiles_step),
    .p1_i,
    .m1_i,
    .stages_i,
    .valid_o   (tile_valid),
    .odd_o     (odd),
    .half_o    (half),
    .m1_first_o(m1_first),
    .m1_last_o (m1_last),
    .p1_o      (p1),
    .m1_o      (tile_m1),
    .p1_first_o(tile_p1_first),
    .more_o    (tiles_more),
    .release_o (keys_end)
  );

  // Operations of this cycle, from the program or from the quotients
  fusemax_pkg::pe_op_t    pe_op;
  fusemax_pkg::lane_op_t  program_op, quotient_op;
  fusemax_pkg::down_t     down;
  logic                   last_tile, kv_read, division;
  logic [KvAddr-1:0]      kv_addr;
  logic [QAddr-1:0]       q_addr;
  logic [StateAddr-1:0]   program_addr, quotient_addr;
  logic [fusemax_pkg::LaneAddr-1:0] up_lane;

  fusemax_decode #(
    .E    (E),
    .F    (F),
    .MaxP1(MaxP1)
  ) i_decode (
    .valid_i     (word_valid),
    .word_i      (word),
    .tile_valid_i(tile_valid),
    .odd_i       (odd),
    .half_i      (half),
    .m1_first_i  (m1_first),
    .m1_last_i   (m1_last),
    .p1_i        (p1),
    .pe_op_o     (pe_op),
    .last_tile_o (last_tile),
    .kv_read_o   (kv_read),
    .kv_addr_o   (kv_addr),
    .q_addr_o    (q_addr),
    .up_lane_o   (up_lane),
    .down_o      (down),
    .lane_op_o   (program_op),
    .state_addr_o(program_addr)
  );

  fusemax_quotients #(
    .F         (F),
    .MaxP1     (MaxP1),
    .QueueDepth(QueueDepth)
  ) i_quotients (
    .clk_i,
    .rst_ni,
    .active_i  (quotients),
    .p1_i,
    .left_i,
    .op_o      (quotient_op),
    .addr_o    (quotient_addr),
    .division_o(division),
    .last_o    (quotients_last),
    .empty_o   (quotients_empty)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      pe_op_o      <= '0;
      last_tile_o  <= 1'b0;
      kv_read_o    <= 1'b0;
      kv_addr_o    <= '0;
      q_addr_o     <= '0;
      up_lane_o    <= '0;
      lane_op_o    <= '0;
      state_addr_o <= '0;
    end else if (advance_o) begin
      pe_op_o      <= pe_op;
      last_tile_o  <= last_tile;
      kv_read_o    <= kv_read;
      kv_addr_o    <= kv_addr;
      q_addr_o     <= q_addr;
      up_lane_o    <= up_lane;
      lane_op_o    <= quotients ? quotient_op : program_op;
      state_addr_o <= quotients ? quotient_addr : program_addr;
    end
  end

  // On their way down the array: bottom words, and the last reads of a tile of keys
  logic [Rows:0][DownWidth-1:0] down_q;
  logic [Rows-1:0]              release_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)        down_q <= '0;
    else if (advance_o) down_q <= {down_q[Rows-1:0], down};
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)            release_q <= '0;
    else if (block_start_o) release_q <= '0;
    else if (advance_o)     release_q <= {release_q[Rows-2:0], keys_end};
  end

  assign down_o    = down_q[Rows];
  assign release_o = release_q[Rows-1] & advance_o;

  logic row_busy;
  assign row_busy = (word_valid && program_op.op != fusemax_pkg::Op1Nop) | division;

  fusemax_counters i_counters (
    .clk_i,
    .rst_ni,
    .clear_i(start_i & ~busy_o),
    .busy_i (busy_o),
    .stall_i(~advance_o),
    .array_i(advance_o && pe_op.op != fusemax_pkg::Op2Nop),
    .row_i  (advance_o & row_busy),
    .cycles_o,
    .stall_cycles_o,
    .busy_2d_o,
    .busy_1d_o
  );

endmodule
