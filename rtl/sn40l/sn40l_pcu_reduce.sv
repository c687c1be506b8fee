// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Reduction of the PCU over lanes and vectors, into scalar registers (SN40L, MICRO 2024, section IV-A).
//
// A tree over the lanes, a stage a level, then the running sum or maximum in the scalar itself: written in
// the third cycle after the vector came. A scalar's poison is that of the vectors in it.

module sn40l_pcu_reduce #(
  localparam int unsigned Lanes    = sn40l_pcu_pkg::Lanes,
  localparam int unsigned VecWidth = sn40l_pcu_pkg::VecWidth,
  localparam int unsigned Scalars  = sn40l_pcu_pkg::Scalars,
  localparam int unsigned Stages   = sn40l_pcu_pkg::TreeStages
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     valid_i,
  input  logic [1:0]               reduce_i,
  input  logic [2:0]               rd_i,
  input  logic                     first_i,
  input  logic [VecWidth-1:0]      vector_i,
  input  logic                     poison_i,
  output logic                     busy_o,
  output logic [Scalars-1:0][31:0] scalars_o,
  output logic [Scalars-1:0]       poisons_o
);

  function automatic logic [31:0] joined(logic [1:0] reduce, logic [31:0] x, logic [31:0] y);
    case (reduce)
      sn40l_pcu_pkg::ReduceSum: joined = fp32_pkg::add(x, y);
      sn40l_pcu_pkg::ReduceMax: joined = fp32_pkg::larger(x, y);
      default:                  joined = x;
    endcase
  endfunction

  // Stage s holds Lanes / 2^s words in its lowest lanes.
  logic [Stages:0]               valid, first, poison;
  logic [Stages:0][1:0]          reduce;
  logic [Stages:0][2:0]          rd;
  logic [Stages:0][VecWidth-1:0] words;
  logic [Stages:1]               valid_q, first_q, poison_q;
  logic [Stages:1][1:0]          reduce_q;
  logic [Stages:1][2:0]          rd_q;

  assign valid  = {valid_q, valid_i};
  assign first  = {first_q, first_i};
  assign poison = {poison_q, poison_i};
  assign reduce = {reduce_q, reduce_i};
  assign rd     = {rd_q, rd_i};

  assign words[0] = vector_i;

  for (genvar s = 0; s < Stages; s++) begin : gen_level
    localparam int unsigned Words = Lanes >> (s + 1);
    logic [Words*32-1:0] words_q;

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) valid_q[s+1] <= 1'b0;
      else         valid_q[s+1] <= valid[s];
    end

    always_ff @(posedge clk_i) begin
      if (valid[s]) begin
        first_q[s+1]  <= first[s];
        poison_q[s+1] <= poison[s];
        reduce_q[s+1] <= reduce[s];
        rd_q[s+1]     <= rd[s];
        for (int unsigned w = 0; w < Words; w++) begin
          words_q[w*32+:32] <= joined(reduce[s], words[s][w*64+:32], words[s][w*64+32+:32]);
        end
      end
    end

    assign words[s+1] = VecWidth'(words_q);
  end

  // The running value.
  logic [Scalars-1:0][31:0] scalars_q;
  logic [Scalars-1:0]       poisons_q;
  logic [31:0]              word;
  logic [2:0]               to;
  logic                     starts;

  assign word   = words[Stages][31:0];
  assign to     = rd[Stages];
  assign starts = first[Stages] || reduce[Stages] == sn40l_pcu_pkg::ReduceFirst;

  always_ff @(posedge clk_i) begin
    if (valid[Stages]) begin
      scalars_q[to] <= starts ? word : joined(reduce[Stages], scalars_q[to], word);
      poisons_q[to] <= poison[Stages] | (~starts & poisons_q[to]);
    end
  end

  assign busy_o    = |valid;
  assign scalars_o = scalars_q;
  assign poisons_o = poisons_q;

  logic unused_words;
  assign unused_words = ^words[Stages][VecWidth-1:32];

endmodule
