// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Words that an AGCU has loaded, as packets of one flow (SN40L, MICRO 2024, sections IV-C and IV-D).
//
// A packet takes a credit of each destination queue, the first one of a unit also a unit of room at each
// reader of the stage buffer it goes to. seq is the packet's number in its unit. Nothing is kept between
// units but the credits. unit_i is at least 1; a word waits, with stall_o, where a credit is missing.

module sn40l_agcu_sender #(
  parameter  int unsigned QueueDepth   = 4,
  localparam int unsigned Destinations = sn40l_pkg::Destinations,
  localparam int unsigned CreditWidth  = sn40l_pkg::CreditWidth
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  input  logic                              start_i,
  output logic                              idle_o,     // nothing queued
  input  logic [sn40l_pkg::FlowWidth-1:0]   flow_i,
  input  logic [15:0]                       unit_i,
  input  logic [23:0]                       credits_i,
  input  logic [31:0]                       buffers_i,
  // Tokens
  input  logic [Destinations-1:0]           credit_i,
  input  logic [1:0]                        unit_read_i,
  output logic                              unit_sent_o,
  output logic                              stall_o,
  // Words
  input  logic                              valid_i,
  output logic                              ready_o,
  input  logic [sn40l_pkg::VecWidth-1:0]    data_i,
  input  logic                              poison_i,
  // Packets
  output logic                              valid_o,
  input  logic                              ready_i,
  output logic [sn40l_pkg::PacketWidth-1:0] packet_o
);

  logic [15:0] seq_q;
  logic        first, last, packet_credit, unit_credit, go, room;
  logic        unused_packets_idle, unused_units_idle;

  assign first   = seq_q == '0;
  assign last    = seq_q == unit_i - 16'd1;
  assign ready_o = packet_credit && (unit_credit || !first) && room;
  assign go      = valid_i && ready_o;
  assign stall_o = valid_i && !ready_o;

  credit_buf #(
    .Counters(Destinations),
    .Width   (CreditWidth)
  ) i_packets (
    .clk_i,
    .rst_ni,
    .load_i  (start_i),
    .use_i   ({credits_i[23:16] != '0, credits_i[15:8] != '0, credits_i[7:0] != '0}),
    .init_i  (credits_i),
    .spend_i (go),
    .return_i(credit_i),
    .ready_o (packet_credit),
    .idle_o  (unused_packets_idle)
  );

  credit_buf #(
    .Counters(2),
    .Width   (16)
  ) i_units (
    .clk_i,
    .rst_ni,
    .load_i  (start_i),
    .use_i   ({buffers_i[31:16] != '0, buffers_i[15:0] != '0}),
    .init_i  (buffers_i),
    .spend_i (go && first),
    .return_i(unit_read_i),
    .ready_o (unit_credit),
    .idle_o  (unused_units_idle)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)      seq_q <= '0;
    else if (start_i) seq_q <= '0;
    else if (go)      seq_q <= last ? '0 : seq_q + 16'd1;
  end

  sn40l_pkg::packet_t packet;
  assign packet.flow   = flow_i;
  assign packet.seq    = seq_q;
  assign packet.last   = last;
  assign packet.poison = poison_i;
  assign packet.data   = data_i;

  stream_fifo #(
    .Width(sn40l_pkg::PacketWidth),
    .Depth(QueueDepth)
  ) i_queue (
    .clk_i,
    .rst_ni,
    .valid_i(go),
    .ready_o(room),
    .data_i (packet),
    .valid_o,
    .ready_i,
    .data_o (packet_o)
  );

  assign unit_sent_o = go && last;
  assign idle_o      = !valid_o;

endmodule
