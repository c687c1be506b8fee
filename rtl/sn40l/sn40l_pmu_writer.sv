// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Writer of a PMU: packets of one flow into the banks (SN40L, MICRO 2024, sections IV-B and IV-C).
//
// It takes the packets of its flow while it expects units. The address is the generator's, plus the packet's
// seq times a stride: with that, packets of a unit may arrive in any order. A unit is written when as many
// packets are as its dimensions say; the packets' `last` is not heeded.

module sn40l_pmu_writer #(
  parameter  int unsigned Banks     = 8,
  parameter  int unsigned Depth     = 4096,
  localparam int unsigned Lanes     = sn40l_pkg::Lanes,
  localparam int unsigned Planes    = sn40l_pkg::Planes,
  localparam int unsigned BankWidth = $clog2(Banks),
  localparam int unsigned RowWidth  = $clog2(Depth)
) (
  input  logic                                           clk_i,
  input  logic                                           rst_ni,
  input  logic                                           start_i,
  output logic                                           idle_o,
  input  logic                                           cfg_valid_i,
  input  logic [4:0]                                     cfg_addr_i,
  input  logic [31:0]                                    cfg_data_i,
  input  logic [BankWidth-1:0][4:0]                      bank_bit_i,
  output logic                                           unit_written_o,
  // Packets
  input  logic [Planes-1:0][sn40l_pkg::PacketWidth-1:0]  rx_packet_i,
  output logic [Planes-1:0]                              mine_o,       // a packet there is for this writer
  output logic                                           ready_o,
  input  logic [Planes-1:0]                              taken_i,      // the packet there leaves the network
  // Banks
  output logic [Lanes-1:0]                               pending_o,
  output logic [Lanes-1:0][BankWidth-1:0]                bank_o,
  output logic [Lanes-1:0][RowWidth-1:0]                 row_o,
  output logic [sn40l_pkg::VecWidth-1:0]                 data_o,
  output logic                                           poison_o,
  input  logic [Lanes-1:0]                               granted_i
);

  localparam int unsigned AddrWidth = sn40l_pkg::PmuAddrWidth;
  localparam int unsigned SeqWidth  = sn40l_pkg::SeqWidth;

  sn40l_pkg::pmu_control_t        control;
  sn40l_pkg::packet_t             packet;
  logic [AddrWidth-1:0]           seq_stride, offset;
  logic                           expects, go, last, finish, unused_first, unused_unit_first, unused_valid;
  logic [sn40l_pkg::VecWidth-1:0] data_q;
  logic                           poison_q;
  logic [23:0]                    unused_credits;
  logic [SeqWidth-1:0]            unused_seq;

  assign packet = rx_packet_i[control.plane];
  assign go     = taken_i[control.plane] && mine_o[control.plane];
  assign offset = AddrWidth'(packet.seq) * seq_stride;

  for (genvar p = 0; p < Planes; p++) begin : gen_plane
    assign mine_o[p] = expects && 32'(control.plane) == p && packet.flow == control.flow;
  end

  sn40l_pmu_context #(.Banks(Banks), .Depth(Depth)) i_context (
    .clk_i,
    .rst_ni,
    .start_i,
    .cfg_valid_i,
    .cfg_addr_i,
    .cfg_data_i,
    .control_o   (control),
    .credits_o   (unused_credits),
    .seq_stride_o(seq_stride),
    .bank_bit_i,
    .expects_o   (expects),
    .ready_o,
    .unit_first_o(unused_unit_first),
    .go_i        (go),
    .offset_i    (offset),
    .valid_o     (unused_valid),
    .first_o     (unused_first),
    .seq_o       (unused_seq),
    .last_o      (last),
    .pending_o,
    .bank_o,
    .row_o,
    .granted_i,
    .finish_o    (finish),
    .idle_o
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      data_q   <= '0;
      poison_q <= 1'b0;
    end else if (go) begin
      data_q   <= packet.data;
      poison_q <= packet.poison;
    end
  end

  assign data_o         = data_q;
  assign poison_o       = poison_q;
  assign unit_written_o = finish && last;

  logic unused_bits;
  assign unused_bits = ^{control, packet};

endmodule
