// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The tiles in flight: which tile of a block every stage of the epoch works on.
//
// start_i puts tile 0 into stage 0 and empties the others; step_i, at the end of an epoch, moves every
// tile one stage on and lets the next one in, p1 fastest, until m1_i * p1_i have come. more_o: a stage
// will still have a tile after the next step. A tile of the last p1 that ends its last stage releases its
// keys (release_o, with step_i).

module fusemax_tiles (
  input  logic                                                           clk_i,
  input  logic                                                           rst_ni,
  input  logic                                                           start_i,
  input  logic                                                           step_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0]                             p1_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0]                             m1_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0]                             stages_i,
  // Of the tile in every stage
  output logic [fusemax_pkg::MaxStages-1:0]                              valid_o,
  output logic [fusemax_pkg::MaxStages-1:0]                              odd_o,      // its number
  output logic [fusemax_pkg::MaxStages-1:0]                              half_o,     // m1, modulo 2
  output logic [fusemax_pkg::MaxStages-1:0]                              m1_first_o,
  output logic [fusemax_pkg::MaxStages-1:0]                              m1_last_o,
  output logic [fusemax_pkg::MaxStages-1:0][fusemax_pkg::ShapeWidth-1:0] p1_o,
  // Of the tile in stage 0
  output logic [fusemax_pkg::ShapeWidth-1:0]                             m1_o,
  output logic                                                           p1_first_o,
  output logic                                                           more_o,
  output logic                                                           release_o
);

  localparam int unsigned ShapeWidth = fusemax_pkg::ShapeWidth;
  localparam int unsigned MaxStages  = fusemax_pkg::MaxStages;
  localparam int unsigned StageWidth = fusemax_pkg::StageWidth;

  logic [MaxStages-1:0]                 valid_q, odd_q, half_q, m1_first_q, m1_last_q, p1_last_q;
  logic [MaxStages-1:0][ShapeWidth-1:0] p1_q;
  logic [ShapeWidth-1:0]                m1_q;
  logic [StageWidth-1:0]                last_stage;

  assign last_stage = StageWidth'(stages_i - ShapeWidth'(1));

  // The tile that comes after the one in stage 0
  logic                  next_valid;
  logic [ShapeWidth-1:0] next_p1, next_m1;

  assign next_valid = valid_q[0] & ~(m1_last_q[0] & p1_last_q[0]);
  assign next_p1    = p1_last_q[0] ? '0 : p1_q[0] + ShapeWidth'(1);
  assign next_m1    = p1_last_q[0] ? m1_q + ShapeWidth'(1) : m1_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q    <= '0;
      odd_q      <= '0;
      half_q     <= '0;
      m1_first_q <= '0;
      m1_last_q  <= '0;
      p1_last_q  <= '0;
      p1_q       <= '0;
      m1_q       <= '0;
    end else if (start_i) begin
      valid_q    <= MaxStages'(1);
      odd_q      <= '0;
      half_q     <= '0;
      m1_first_q <= MaxStages'(1);
      m1_last_q  <= MaxStages'(m1_i == ShapeWidth'(1));
      p1_last_q  <= MaxStages'(p1_i == ShapeWidth'(1));
      p1_q       <= '0;
      m1_q       <= '0;
    end else if (step_i) begin
      valid_q    <= {valid_q[MaxStages-2:0], next_valid};
      odd_q      <= {odd_q[MaxStages-2:0], ~odd_q[0]};
      half_q     <= {half_q[MaxStages-2:0], next_m1[0]};
      m1_first_q <= {m1_first_q[MaxStages-2:0], next_m1 == '0};
      m1_last_q  <= {m1_last_q[MaxStages-2:0], next_m1 + ShapeWidth'(1) == m1_i};
      p1_last_q  <= {p1_last_q[MaxStages-2:0], next_p1 + ShapeWidth'(1) == p1_i};
      p1_q       <= {p1_q[MaxStages-2:0], next_p1};
      m1_q       <= next_m1;
    end
  end

  always_comb begin
    more_o = next_valid;
    for (int unsigned s = 0; s + 1 < MaxStages; s++) begin
      if (valid_q[s] && StageWidth'(s) < last_stage) more_o = 1'b1;
    end
  end

  assign release_o  = step_i & valid_q[last_stage] & p1_last_q[last_stage];
  assign valid_o    = valid_q;
  assign odd_o      = odd_q;
  assign half_o     = half_q;
  assign m1_first_o = m1_first_q;
  assign m1_last_o  = m1_last_q;
  assign p1_o       = p1_q;
  assign m1_o       = m1_q;
  assign p1_first_o = p1_q[0] == '0;

endmodule
