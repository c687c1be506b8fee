// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Operand queues of the PCU (SN40L, MICRO 2024, section IV-A: the header).
//
// A packet goes to every queue in use whose plane and flow are its own, in the cycle it comes: it is always
// taken. One that no queue fits, or that finds a queue full (its sender had no credit), is lost and told of by
// lost_o. A vector can be popped in the cycle after it came.

module sn40l_pcu_queues #(
  parameter  int unsigned Depth    = 32,
  localparam int unsigned Queues   = sn40l_pcu_pkg::Queues,
  localparam int unsigned VecWidth = sn40l_pcu_pkg::VecWidth,
  localparam int unsigned Planes   = sn40l_pkg::Planes
) (
  input  logic                                          clk_i,
  input  logic                                          rst_ni,
  input  logic [Queues-1:0]                             used_i,
  input  logic [Queues-1:0]                             plane_i,
  input  logic [Queues-1:0][sn40l_pkg::FlowWidth-1:0]   flow_i,
  input  logic [Planes-1:0]                             rx_valid_i,
  input  logic [Planes-1:0][sn40l_pkg::PacketWidth-1:0] rx_packet_i,
  output logic [Queues-1:0]                             valid_o,
  output logic [Queues-1:0][VecWidth-1:0]               data_o,
  output logic [Queues-1:0]                             poison_o,
  input  logic [Queues-1:0]                             pop_i,
  output logic [Planes-1:0]                             poisoned_o,
  output logic                                          lost_o
);

  logic [Queues-1:0]             push, ready;
  logic [Planes-1:0][Queues-1:0] fits;
  logic [Planes-1:0]             lost;

  for (genvar p = 0; p < Planes; p++) begin : gen_plane
    sn40l_pkg::packet_t packet;
    assign packet = rx_packet_i[p];

    for (genvar q = 0; q < Queues; q++) begin : gen_fit
      assign fits[p][q] = used_i[q] && 32'(plane_i[q]) == p && flow_i[q] == packet.flow;
    end
    assign lost[p]       = rx_valid_i[p] && (fits[p] == '0 || (fits[p] & ~ready) != '0);
    assign poisoned_o[p] = rx_valid_i[p] && packet.poison;

    // A vector's place in its unit is known by counting.
    logic unused_packet;
    assign unused_packet = ^{packet.seq, packet.last, packet.data};
  end

  assign lost_o = lost != '0;

  for (genvar q = 0; q < Queues; q++) begin : gen_queue
    sn40l_pkg::packet_t mine;

    assign mine    = rx_packet_i[plane_i[q]];
    assign push[q] = rx_valid_i[plane_i[q]] && fits[plane_i[q]][q];

    stream_fifo #(.Width(VecWidth + 1), .Depth(Depth)) i_fifo (
      .clk_i,
      .rst_ni,
      .valid_i(push[q]),
      .ready_o(ready[q]),
      .data_i ({mine.poison, mine.data}),
      .valid_o(valid_o[q]),
      .ready_i(pop_i[q]),
      .data_o ({poison_o[q], data_o[q]})
    );

    logic unused_place;
    assign unused_place = ^{mine.flow, mine.seq, mine.last};
  end

endmodule
