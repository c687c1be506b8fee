// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Pattern compute unit: operand queues, a systolic or SIMD body, a tail, an output with credits (SN40L, MICRO
// 2024, section IV-A).
//
// What it computes, its registers and tokens are in sn40l_pcu_pkg, its ports in sn40l_pkg. It has no loops
// but those of MODE: a longer program is another PCU's. A run ends when all its results have left and no
// operand is left over.

module sn40l_pcu #(
  parameter bit          Bitmod     = 1'b0,  // the systolic body is a BitMoD array
  parameter int unsigned QueueDepth = 32,
  parameter int unsigned AccTiles   = 4,  // accumulators: vectors of A for each vector of B
  parameter int unsigned AccSets    = 2   // one accumulates while the other leaves
) (
  input  logic                                                     clk_i,
  input  logic                                                     rst_ni,
  input  logic                                                     start_i,
  output logic                                                     done_o,
  input  logic                                                     cfg_valid_i,
  input  logic [sn40l_pkg::CfgAddrWidth-1:0]                       cfg_addr_i,
  input  logic [31:0]                                              cfg_data_i,
  input  logic [sn40l_pkg::Tokens-1:0]                             token_i,
  output logic [sn40l_pkg::Tokens-1:0]                             token_o,
  input  logic [sn40l_pkg::Planes-1:0]                             rx_valid_i,
  output logic [sn40l_pkg::Planes-1:0]                             rx_ready_o,
  input  logic [sn40l_pkg::Planes-1:0][sn40l_pkg::PacketWidth-1:0] rx_packet_i,
  output logic [sn40l_pkg::Planes-1:0]                             tx_valid_o,
  input  logic [sn40l_pkg::Planes-1:0]                             tx_ready_i,
  output logic [sn40l_pkg::Planes-1:0][sn40l_pkg::PacketWidth-1:0] tx_packet_o,
  output logic [sn40l_pkg::StatWords-1:0][31:0]                    stat_o
);

  /* verilator no_inline_module */  // one copy of its code in a simulator

  localparam int unsigned Queues    = sn40l_pcu_pkg::Queues;
  localparam int unsigned Counters  = sn40l_pcu_pkg::Counters;
  localparam int unsigned Constants = sn40l_pcu_pkg::Constants;
  localparam int unsigned VecWidth  = sn40l_pcu_pkg::VecWidth;
  localparam int unsigned FlowWidth = sn40l_pkg::FlowWidth;
  localparam int unsigned PcWidth   = sn40l_pcu_pkg::PcWidth;
  localparam int unsigned Planes    = sn40l_pkg::Planes;

  logic [1:0]                       mode;
  logic [1:0]                       weights;
  logic                             bias, out_plane;
  logic [31:0]                      units, specials;
  logic [15:0]                      trips, depth, out_seq;
  logic [3:0]                       tiles, lanes;
  logic [7:0]                       rows;
  logic [PcWidth-1:0]               body_first, body_last, pc;
  logic [FlowWidth-1:0]             out_flow;
  logic [16:0]                      packets;
  logic [Counters-1:0]              per_packet, per_unit;
  logic [Counters-1:0][7:0]         credits;
  logic [Queues-1:0]                queue_used, queue_plane;
  logic [Queues-1:0][FlowWidth-1:0] queue_flow;
  logic [Constants-1:0][31:0]       constants;
  sn40l_pcu_pkg::instruction_t      instruction;

  sn40l_pcu_registers i_registers (
    .clk_i,
    .rst_ni,
    .cfg_valid_i,
    .cfg_addr_i,
    .cfg_data_i,
    .mode_o       (mode),
    .bias_o       (bias),
    .weights_o    (weights),
    .specials_o   (specials),
    .units_o      (units),
    .trips_o      (trips),
    .depth_o      (depth),
    .tiles_o      (tiles),
    .rows_o       (rows),
    .body_o       (body_first),
    .last_o       (body_last),
    .lanes_o      (lanes),
    .out_flow_o   (out_flow),
    .out_plane_o  (out_plane),
    .out_seq_o    (out_seq),
    .packets_o    (packets),
    .per_packet_o (per_packet),
    .per_unit_o   (per_unit),
    .credits_o    (credits),
    .queue_used_o (queue_used),
    .queue_plane_o(queue_plane),
    .queue_flow_o (queue_flow),
    .constants_o  (constants),
    .pc_i         (pc),
    .instruction_o(instruction)
  );

  // A run
  logic gemm, start_gemm, start_simd, bodies_idle, done_q;

  assign gemm       = mode == sn40l_pcu_pkg::ModeGemm;
  assign start_gemm = start_i && gemm && units != '0;
  assign start_simd = start_i && mode == sn40l_pcu_pkg::ModeSimd && units != '0;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)                       done_q <= 1'b1;
    else if (start_gemm || start_simd) done_q <= 1'b0;
    else if (bodies_idle)              done_q <= 1'b1;
  end

  assign done_o = done_q;

  // Operands
  logic [Queues-1:0]               queue_valid, queue_poison, pop;
  logic [Queues-1:0][VecWidth-1:0] queue;
  logic [Planes-1:0]               poisoned;
  logic                            lost;

  sn40l_pcu_queues #(.Depth(QueueDepth)) i_queues (
    .clk_i,
    .rst_ni,
    .used_i    (queue_used),
    .plane_i   (queue_plane),
    .flow_i    (queue_flow),
    .rx_valid_i,
    .rx_packet_i,
    .valid_o   (queue_valid),
    .data_o    (queue),
    .poison_o  (queue_poison),
    .pop_i     (pop),
    .poisoned_o(poisoned),
    .lost_o    (lost)
  );

  assign rx_ready_o = '1;

  // Systolic body
  logic                a_pop, b_pop, row_valid, row_poison, gemm_idle, gemm_works, gemm_starved, gemm_blocked;
  logic [VecWidth-1:0] row;
  logic                fire;

  if (Bitmod) begin : gen_bitmod
    bitmod_body i_gemm (
      .clk_i,
      .rst_ni,
      .start_i     (start_gemm),
      .idle_o      (gemm_idle),
      .weights_i   (weights),
      .special_terms_i(specials),
      .depth_i     (depth),
      .last_i      (tiles),
      .rows_i      (rows),
      .trips_i     (trips),
      .units_i     (units),
      .a_valid_i   (queue_valid[0]),
      .a_i         (queue[0]),
      .a_poison_i  (queue_poison[0]),
      .a_pop_o     (a_pop),
      .b_valid_i   (queue_valid[1]),
      .b_i         (queue[1]),
      .b_poison_i  (queue_poison[1]),
      .b_pop_o     (b_pop),
      .row_valid_o (row_valid),
      .row_ready_i (fire),
      .row_o       (row),
      .row_poison_o(row_poison),
      .works_o     (gemm_works),
      .starved_o   (gemm_starved),
      .blocked_o   (gemm_blocked)
    );

    logic unused_registers;
    assign unused_registers = bias;
  end else begin : gen_fp32
    sn40l_pcu_gemm #(
      .AccTiles(AccTiles),
      .AccSets (AccSets)
    ) i_gemm (
      .clk_i,
      .rst_ni,
      .start_i     (start_gemm),
      .idle_o      (gemm_idle),
      .bias_i      (bias),
      .depth_i     (depth),
      .tiles_i     (tiles),
      .rows_i      (rows),
      .trips_i     (trips),
      .units_i     (units),
      .a_valid_i   (queue_valid[0]),
      .a_i         (queue[0]),
      .a_poison_i  (queue_poison[0]),
      .a_pop_o     (a_pop),
      .b_valid_i   (queue_valid[1]),
      .b_i         (queue[1]),
      .b_poison_i  (queue_poison[1]),
      .b_pop_o     (b_pop),
      .row_valid_o (row_valid),
      .row_ready_i (fire),
      .row_o       (row),
      .row_poison_o(row_poison),
      .works_o     (gemm_works),
      .starved_o   (gemm_starved),
      .blocked_o   (gemm_blocked)
    );

    logic unused_registers;
    assign unused_registers = ^{weights, specials};
  end

  // SIMD body
  logic       active, first, last;
  logic [7:0] index;

  sn40l_pcu_sequencer i_sequencer (
    .clk_i,
    .rst_ni,
    .start_i (start_simd),
    .body_i  (body_first),
    .end_i   (body_last),
    .trips_i (trips),
    .units_i (units),
    .active_o(active),
    .pc_o    (pc),
    .count_i (instruction.count),
    .fire_i  (fire && active),
    .index_o (index),
    .first_o (first),
    .last_o  (last)
  );

  // A vector goes when its operands are there, those before it are done if it has to wait for them, and the
  // output has room.
  logic x_queue, y_queue, operands, held, room, busy;

  assign x_queue  = active && instruction.x_source == sn40l_pcu_pkg::FromQueue;
  assign y_queue  = instruction.y_source == sn40l_pcu_pkg::FromQueue && instruction.op != sn40l_pcu_pkg::OpCopy;
  assign operands = (!x_queue || queue_valid[instruction.x_index])
                 && (!y_queue || queue_valid[instruction.y_index]);
  assign held     = active && instruction.waits && first && busy;
  assign fire     = (active || row_valid) && operands && !held && (room || !instruction.to_output);

  for (genvar q = 0; q < Queues; q++) begin : gen_pop
    logic taken;
    assign taken = fire && ((x_queue && instruction.x_index == 3'(q)) || (y_queue && instruction.y_index == 3'(q)));
    if (q == 0) begin : gen_a
      assign pop[q] = taken || a_pop;
    end else if (q == 1) begin : gen_b
      assign pop[q] = taken || b_pop;
    end else begin : gen_other
      assign pop[q] = taken;
    end
  end

  logic                result_valid, result_poison, output_idle, unit_sent;
  logic [VecWidth-1:0] result;

  sn40l_pcu_pipeline i_pipeline (
    .clk_i,
    .rst_ni,
    .fire_i        (fire),
    .gemm_i        (gemm),
    .instruction_i (instruction),
    .index_i       (index),
    .first_i       (first),
    .last_i        (last),
    .lanes_i       (lanes),
    .queue_i       (queue),
    .queue_poison_i(queue_poison),
    .constants_i   (constants),
    .acc_i         (row),
    .acc_poison_i  (row_poison),
    .busy_o        (busy),
    .out_valid_o   (result_valid),
    .out_o         (result),
    .out_poison_o  (result_poison)
  );

  sn40l_pcu_output i_output (
    .clk_i,
    .rst_ni,
    .start_i     (start_gemm || start_simd),
    .idle_o      (output_idle),
    .flow_i      (out_flow),
    .plane_i     (out_plane),
    .seq_i       (out_seq),
    .packets_i   (packets),
    .per_packet_i(per_packet),
    .per_unit_i  (per_unit),
    .credits_i   (credits),
    .credit_i    (token_i[Counters-1:0]),
    .room_o      (room),
    .reserve_i   (fire && instruction.to_output),
    .valid_i     (result_valid),
    .vector_i    (result),
    .poison_i    (result_poison),
    .tx_valid_o,
    .tx_ready_i,
    .tx_packet_o,
    .unit_o      (unit_sent)
  );

  assign bodies_idle = gemm_idle && !active && !busy && output_idle && queue_valid == '0;

  // Tokens and counters
  logic unused_tokens;
  assign unused_tokens = ^token_i[sn40l_pkg::Tokens-1:Counters];

  always_comb begin
    token_o                           = '0;
    token_o[Queues-1:0]               = pop;
    token_o[sn40l_pcu_pkg::TokenUnit] = unit_sent;
  end

  logic [sn40l_pkg::StatWords-1:0][31:0] stat_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      stat_q <= '0;
    end else begin
      if (gemm_works || (active && fire)) stat_q[0] <= stat_q[0] + 32'd1;
      if (gemm_starved || (active && !operands)) stat_q[1] <= stat_q[1] + 32'd1;
      if (gemm_blocked || (active && operands && !held && !fire)) stat_q[2] <= stat_q[2] + 32'd1;
      stat_q[3][30:0] <= stat_q[3][30:0] + 31'(poisoned[0]) + 31'(poisoned[1]);
      if (lost) stat_q[3][31] <= 1'b1;
    end
  end

  assign stat_o = stat_q;

  if (sn40l_pcu_pkg::VecWidth != sn40l_pkg::VecWidth || sn40l_pcu_pkg::Lanes != sn40l_pkg::Lanes) begin : gen_bad_width
    $error("sn40l_pcu: sn40l_pcu_pkg has other vectors than sn40l_pkg");
  end

endmodule
