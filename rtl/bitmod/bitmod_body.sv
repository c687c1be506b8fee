// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The BitMoD array as the body of an SN40L-style pattern compute unit: linear layers with quantized weights
// (BitMoD, HPCA 2025; SN40L, MICRO 2024, section IV-A).
//
// In the place of sn40l_pcu_gemm, with its ports. A unit is a layer of rows_i tokens, at most MaxTokens, by
// 8 * trips_i channels with depth_i groups of 128 inputs. A brings its activations, FP32, token after token:
// they are rounded to FP16, four a cycle. Of a token's last group come last_i vectors, or all 16 where that
// is 0; what is missing is zero. B brings weights and biases in the 64-bit words of bitmod_linear, four a
// vector. Rows leave tile of channels by tile of channels, as from the other body. What leaves of a unit
// after a vector with poison came in is poisoned.

module bitmod_body #(
  parameter  int unsigned MaxTokens = 32,
  parameter  int unsigned MaxGroups = 12,
  localparam int unsigned VecWidth  = 256
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                start_i,
  output logic                idle_o,
  // Registers
  input  logic [1:0]          weights_i,        // bitmod_pkg::mode_e
  input  logic [31:0]         special_terms_i,
  input  logic [15:0]         depth_i,
  input  logic [3:0]          last_i,
  input  logic [7:0]          rows_i,
  input  logic [15:0]         trips_i,
  input  logic [31:0]         units_i,
  // Operands
  input  logic                a_valid_i,
  input  logic [VecWidth-1:0] a_i,
  input  logic                a_poison_i,
  output logic                a_pop_o,
  input  logic                b_valid_i,
  input  logic [VecWidth-1:0] b_i,
  input  logic                b_poison_i,
  output logic                b_pop_o,
  // Rows
  output logic                row_valid_o,
  input  logic                row_ready_i,
  output logic [VecWidth-1:0] row_o,
  output logic                row_poison_o,
  // What it does in this cycle
  output logic                works_o,
  output logic                starved_o,
  output logic                blocked_o
);

  // A unit begins when the one before it has left.
  logic        active_q, begins, busy, out_valid, out_last, out_taken, unit_ends;
  logic        running_q;
  logic [31:0] unit_q;

  assign begins    = active_q && !running_q && !busy;
  assign out_taken = out_valid && row_ready_i;
  assign unit_ends = out_taken && out_last;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      active_q  <= 1'b0;
      running_q <= 1'b0;
      unit_q    <= '0;
    end else begin
      if (start_i) active_q <= 1'b1;
      if (begins) running_q <= 1'b1;
      if (unit_ends) begin
        running_q <= 1'b0;
        unit_q    <= (unit_q == units_i - 32'd1) ? '0 : unit_q + 32'd1;
        active_q  <= unit_q != units_i - 32'd1;
      end
    end
  end

  // Words of the activations: two a vector, or zeros where a token's last group has no vector left.
  localparam int unsigned WordWidth = $clog2(bitmod_pkg::ActWordsPerGroup);

  logic [WordWidth-1:0] act_q;    // of a group
  logic [15:0]          group_q;  // of a token
  logic                 act_valid, act_ready, act_taken, padding, group_last;
  logic [3:0][31:0]     half;
  logic [3:0][15:0]     rounded;

  assign group_last = group_q == depth_i - 16'd1;
  assign padding    = group_last && last_i != '0 && act_q[WordWidth-1:1] >= last_i;
  assign act_valid  = a_valid_i || padding;
  assign act_taken  = act_valid && act_ready;
  assign a_pop_o    = act_taken && !padding && act_q[0];
  assign half       = act_q[0] ? a_i[VecWidth-1:VecWidth/2] : a_i[VecWidth/2-1:0];

  for (genvar l = 0; l < 4; l++) begin : gen_round
    fp32_to_fp16 i_round (
      .value_i(half[l]),
      .value_o(rounded[l])
    );
  end

  // Words of the weights, of which a unit has whole vectors: the fourth pops its vector.
  logic [1:0] weight_q;
  logic       weight_ready, weight_taken, poison_q;

  assign weight_taken = b_valid_i && weight_ready;
  assign b_pop_o      = weight_taken && weight_q == 2'd3;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      act_q    <= '0;
      group_q  <= '0;
      weight_q <= '0;
      poison_q <= 1'b0;
    end else begin
      if (act_taken) act_q <= act_q + WordWidth'(1);
      if (act_taken && act_q == '1) group_q <= group_last ? '0 : group_q + 16'd1;
      if (weight_taken) weight_q <= weight_q + 2'd1;
      if (begins) poison_q <= 1'b0;
      else if ((act_taken && !padding && a_poison_i) || (weight_taken && b_poison_i)) poison_q <= 1'b1;
    end
  end

  logic                done, nonfinite;
  logic [63:0]         cycles;
  logic [7:0]          keep;
  logic [VecWidth-1:0] out, row_q;
  logic                row_poison_q;

  bitmod_linear #(
    .Rows     (8),
    .Cols     (8),
    .MaxTokens(MaxTokens),
    .MaxGroups(MaxGroups)
  ) i_linear (
    .clk_i,
    .rst_ni,
    .start_i        (begins),
    .tokens_i       (16'(rows_i)),
    .channels_i     ({trips_i[12:0], 3'd0}),
    .groups_i       (depth_i),
    .mode_i         (bitmod_pkg::mode_e'(weights_i)),
    .special_terms_i(special_terms_i),
    .busy_o         (busy),
    .done_o         (done),
    .nonfinite_o    (nonfinite),
    .cycles_o       (cycles),
    .act_valid_i    (act_valid),
    .act_ready_o    (act_ready),
    .act_data_i     (padding ? '0 : rounded),
    .weight_valid_i (b_valid_i),
    .weight_ready_o (weight_ready),
    .weight_data_i  (b_i[weight_q*64+:64]),
    .out_valid_o    (out_valid),
    .out_ready_i    (row_ready_i),
    .out_data_o     (out),
    .out_keep_o     (keep),
    .out_last_o     (out_last)
  );

  always_ff @(posedge clk_i) begin
    if (out_taken) begin
      row_q        <= out;
      row_poison_q <= poison_q;
    end
  end

  assign row_valid_o  = out_valid;
  assign row_o        = row_q;
  assign row_poison_o = row_poison_q;
  assign idle_o       = !active_q && !busy;
  assign works_o      = busy && !starved_o && !blocked_o;
  assign starved_o    = busy && ((act_ready && !act_valid) || (weight_ready && !b_valid_i));
  assign blocked_o    = out_valid && !row_ready_i && !starved_o;

  // Channels come in eights; what is not finite is NaN in its rows.
  logic unused;
  assign unused = ^{done, nonfinite, cycles, keep, trips_i[15:13]};

endmodule
