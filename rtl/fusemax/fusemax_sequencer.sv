// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Order of work: for every block, load; epochs of period_i cycles, each the whole program once, until the
// last tile has left the last stage; the quotients. Then done.
//
// fetch_o reads the program word of cycle pc_o; one cycle later it is there and valid_o says that it
// counts. Epochs follow each other without a gap, but for this: before the first word of an epoch whose
// new tile needs keys that are not loaded, advance_o falls, and with it everything that computes must
// hold, until they are there. start_i is heeded only while idle; a shape must not be zero.

module fusemax_sequencer #(
  parameter  int unsigned MaxPeriod = 256,
  localparam int unsigned AddrWidth = $clog2(MaxPeriod)
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  // Run
  input  logic                               start_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] period_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] blocks_i,
  output logic                               busy_o,
  output logic                               done_o,
  // Loader
  output logic                               block_start_o,
  input  logic                               q_loaded_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] kv_tiles_i,
  // Tiles in flight; the one in stage 0
  output logic                               tiles_start_o,
  output logic                               tiles_step_o,
  input  logic                               tiles_more_i,
  input  logic                               tile_valid_i,
  input  logic                               tile_p1_first_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] tile_m1_i,
  // Program
  output logic                               advance_o,
  output logic                               fetch_o,
  output logic [AddrWidth-1:0]               pc_o,
  output logic                               valid_o,
  // Quotients
  output logic                               quotients_o,
  input  logic                               quotients_last_i,
  input  logic                               quotients_empty_i
);

  localparam int unsigned ShapeWidth = fusemax_pkg::ShapeWidth;

  typedef enum logic [2:0] {
    Idle,
    Block,
    Load,
    Run,
    Quotients,
    Flush
  } state_e;

  state_e                state_q;
  logic [ShapeWidth-1:0] block_q;
  logic [AddrWidth-1:0]  pc_q;     // word to read
  logic                  valid_q, first_q, last_q;  // of the word that is there
  logic                  loaded, last_word, waits, epoch_end, done_q;

  assign loaded    = q_loaded_i && kv_tiles_i != '0;
  assign last_word = ShapeWidth'(pc_q) + ShapeWidth'(1) == period_i;
  assign waits     = valid_q && first_q && tile_valid_i && tile_p1_first_i && tile_m1_i >= kv_tiles_i;
  assign epoch_end = valid_q && last_q && advance_o;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= Idle;
      block_q <= '0;
      pc_q    <= '0;
      valid_q <= 1'b0;
      first_q <= 1'b0;
      last_q  <= 1'b0;
      done_q  <= 1'b0;
    end else begin
      done_q <= 1'b0;
      unique case (state_q)
        Idle: begin
          block_q <= '0;
          if (start_i) state_q <= Block;
        end
        Block: state_q <= Load;
        Load:  if (loaded) state_q <= Run;
        Run: begin
          if (epoch_end && !tiles_more_i) begin
            state_q <= Quotients;
            pc_q    <= '0;
            valid_q <= 1'b0;
          end else if (advance_o) begin
            pc_q    <= last_word ? '0 : pc_q + AddrWidth'(1);
            valid_q <= 1'b1;
            first_q <= pc_q == '0;
            last_q  <= last_word;
          end
        end
        Quotients: begin
          if (quotients_last_i) begin
            block_q <= block_q + ShapeWidth'(1);
            state_q <= (block_q + ShapeWidth'(1) == blocks_i) ? Flush : Block;
          end
        end
        Flush: begin
          if (quotients_empty_i) begin
            state_q <= Idle;
            done_q  <= 1'b1;
          end
        end
        default: state_q <= Idle;
      endcase
    end
  end

  assign busy_o        = state_q != Idle;
  assign done_o        = done_q;
  assign block_start_o = state_q == Block;
  assign tiles_start_o = state_q == Load && loaded;
  assign tiles_step_o  = epoch_end;
  assign advance_o     = ~waits;
  assign fetch_o       = state_q == Run && advance_o;
  assign pc_o          = pc_q;
  assign valid_o       = valid_q;
  assign quotients_o   = state_q == Quotients;

endmodule
