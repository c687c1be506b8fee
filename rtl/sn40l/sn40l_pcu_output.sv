// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Output of the PCU: a queue, and packets as far as credits go (SN40L, MICRO 2024, section IV-A, IV-C).
//
// Whoever sends a vector reserves its place when it is issued: reserve_i only with room_o. A unit is
// packets_i packets; its first waits for all counters per unit as well as those per packet.

module sn40l_pcu_output #(
  parameter  int unsigned Depth    = sn40l_pcu_pkg::OutputDepth,
  localparam int unsigned Counters = sn40l_pcu_pkg::Counters,
  localparam int unsigned VecWidth = sn40l_pcu_pkg::VecWidth,
  localparam int unsigned Planes   = sn40l_pkg::Planes
) (
  input  logic                                          clk_i,
  input  logic                                          rst_ni,
  input  logic                                          start_i,
  output logic                                          idle_o,
  // Registers
  input  logic [sn40l_pkg::FlowWidth-1:0]               flow_i,
  input  logic                                          plane_i,
  input  logic [15:0]                                   seq_i,
  input  logic [16:0]                                   packets_i,
  input  logic [Counters-1:0]                           per_packet_i,
  input  logic [Counters-1:0]                           per_unit_i,
  input  logic [Counters-1:0][7:0]                      credits_i,
  input  logic [Counters-1:0]                           credit_i,
  // Vectors
  output logic                                          room_o,
  input  logic                                          reserve_i,
  input  logic                                          valid_i,
  input  logic [VecWidth-1:0]                           vector_i,
  input  logic                                          poison_i,
  // Packets
  output logic [Planes-1:0]                             tx_valid_o,
  input  logic [Planes-1:0]                             tx_ready_i,
  output logic [Planes-1:0][sn40l_pkg::PacketWidth-1:0] tx_packet_o,
  output logic                                          unit_o
);

  localparam int unsigned CountWidth = $clog2(Depth + 1);

  logic [CountWidth-1:0] room_q;
  logic                  sends;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) room_q <= CountWidth'(Depth);
    else         room_q <= room_q - CountWidth'(reserve_i) + CountWidth'(sends);
  end

  assign room_o = room_q != '0;
  assign idle_o = room_q == CountWidth'(Depth);

  logic                head_valid, head_poison, accepted;
  logic [VecWidth-1:0] head;

  stream_fifo #(.Width(VecWidth + 1), .Depth(Depth)) i_fifo (
    .clk_i,
    .rst_ni,
    .valid_i,
    .ready_o(accepted),
    .data_i ({poison_i, vector_i}),
    .valid_o(head_valid),
    .ready_i(sends),
    .data_o ({head_poison, head})
  );

  // Place in the unit, and credits.
  logic [16:0] place_q;
  logic        first, last, packet_ready, unit_ready, packet_whole, unit_whole, valid;

  assign first = place_q == '0;
  assign last  = place_q == packets_i - 17'd1;
  assign valid = head_valid && packet_ready && (!first || unit_ready);
  assign sends = valid && tx_ready_i[plane_i];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)    place_q <= '0;
    else if (sends) place_q <= last ? '0 : place_q + 17'd1;
  end

  credit_buf #(.Counters(Counters), .Width(8)) i_packet_credits (
    .clk_i,
    .rst_ni,
    .load_i  (start_i),
    .use_i   (per_packet_i),
    .init_i  (credits_i),
    .spend_i (sends),
    .return_i(credit_i),
    .ready_o (packet_ready),
    .idle_o  (packet_whole)
  );

  credit_buf #(.Counters(Counters), .Width(8)) i_unit_credits (
    .clk_i,
    .rst_ni,
    .load_i  (start_i),
    .use_i   (per_unit_i),
    .init_i  (credits_i),
    .spend_i (sends && first),
    .return_i(credit_i),
    .ready_o (unit_ready),
    .idle_o  (unit_whole)
  );

  sn40l_pkg::packet_t packet;

  assign packet.flow   = flow_i;
  assign packet.seq    = seq_i + place_q[15:0];
  assign packet.last   = last;
  assign packet.poison = head_poison;
  assign packet.data   = head;

  for (genvar p = 0; p < Planes; p++) begin : gen_plane
    assign tx_valid_o[p]  = valid && 32'(plane_i) == p;
    assign tx_packet_o[p] = packet;
  end

  assign unit_o = sends && last;

  // There is always room for what has reserved it; credits out there are no reason to wait.
  logic unused;
  assign unused = ^{accepted, packet_whole, unit_whole};

endmodule
