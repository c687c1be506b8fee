// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Reader of a PMU: vectors out of the banks, as packets (SN40L, MICRO 2024, sections IV-B and IV-C).
//
// A unit begins when one of each awaited writer is there; every vector takes a credit of each destination queue
// and a place in the queue at the output. A word granted in one cycle comes from its bank in the next; words
// outside the predicate are +0. The packet is poisoned where one of its words is.

module sn40l_pmu_reader #(
  parameter  int unsigned Banks      = 8,
  parameter  int unsigned Depth      = 4096,
  parameter  int unsigned QueueDepth = 8,
  localparam int unsigned Lanes      = sn40l_pkg::Lanes,
  localparam int unsigned Word       = sn40l_pkg::WordWidth + 1,  // with its poison, the highest bit
  localparam int unsigned BankWidth  = $clog2(Banks),
  localparam int unsigned RowWidth   = $clog2(Depth)
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  input  logic                               start_i,
  output logic                               idle_o,
  input  logic                               cfg_valid_i,
  input  logic [4:0]                         cfg_addr_i,
  input  logic [31:0]                        cfg_data_i,
  input  logic [BankWidth-1:0][4:0]          bank_bit_i,
  // Tokens
  input  logic [sn40l_pkg::Destinations-1:0] credit_i,
  input  logic [2:0]                         unit_i,      // a unit of {elsewhere, writer 1, writer 0}
  output logic                               unit_read_o,
  // Banks
  output logic [Lanes-1:0]                   pending_o,
  output logic [Lanes-1:0][BankWidth-1:0]    bank_o,
  output logic [Lanes-1:0][RowWidth-1:0]     row_o,
  input  logic [Lanes-1:0]                   granted_i,
  input  logic [Banks-1:0][Word-1:0]         rdata_i,
  // Packets
  output logic                               plane_o,
  output logic                               valid_o,
  input  logic                               ready_i,
  output logic [sn40l_pkg::PacketWidth-1:0]  packet_o
);

  localparam int unsigned CreditWidth  = sn40l_pkg::CreditWidth;
  localparam int unsigned Destinations = sn40l_pkg::Destinations;

  // The next access begins when its unit is there, and room for its packet.
  sn40l_pkg::pmu_control_t    control;
  logic [23:0]                credits;
  logic                       ready, unit_first, go, room, there, queue_pop;
  logic                       valid, first, last, finish, access_idle, room_idle;
  logic [sn40l_pkg::SeqWidth-1:0]     seq;
  logic [sn40l_pkg::PmuAddrWidth-1:0] unused_seq_stride;
  logic                       unused_expects, unused_units_idle, unused_queue_ready;

  assign go = ready && room && (!unit_first || there);

  sn40l_pmu_context #(.Banks(Banks), .Depth(Depth)) i_context (
    .clk_i,
    .rst_ni,
    .start_i,
    .cfg_valid_i,
    .cfg_addr_i,
    .cfg_data_i,
    .control_o   (control),
    .credits_o   (credits),
    .seq_stride_o(unused_seq_stride),
    .bank_bit_i,
    .expects_o   (unused_expects),
    .ready_o     (ready),
    .unit_first_o(unit_first),
    .go_i        (go),
    .offset_i    ('0),
    .valid_o     (valid),
    .first_o     (first),
    .seq_o       (seq),
    .last_o      (last),
    .pending_o,
    .bank_o,
    .row_o,
    .granted_i,
    .finish_o    (finish),
    .idle_o      (access_idle)
  );

  credit_buf #(.Counters(Destinations + 1), .Width(CreditWidth)) i_room (
    .clk_i,
    .rst_ni,
    .load_i  (start_i),
    .use_i   ({1'b1, credits[23:16] != '0, credits[15:8] != '0, credits[7:0] != '0}),
    .init_i  ({CreditWidth'(QueueDepth), credits}),
    .spend_i (go),
    .return_i({queue_pop, credit_i}),
    .ready_o (room),
    .idle_o  (room_idle)
  );

  credit_buf #(.Counters(3), .Width(CreditWidth)) i_units (
    .clk_i,
    .rst_ni,
    .load_i  (start_i),
    .use_i   (control.awaits),
    .init_i  ('0),
    .spend_i (go && unit_first),
    .return_i(unit_i),
    .ready_o (there),
    .idle_o  (unused_units_idle)
  );

  // What was granted in the last cycle comes now.
  logic                            under_way_q, fresh_q, finish_q, last_q, poison_q, poison;
  logic [sn40l_pkg::SeqWidth-1:0]  seq_q;
  logic [Lanes-1:0]                granted_q;
  logic [Lanes-1:0][BankWidth-1:0] bank_q;
  logic [sn40l_pkg::VecWidth-1:0]  vec_q, vec;

  always_comb begin
    vec    = vec_q;
    poison = poison_q;
    if (under_way_q) begin
      if (fresh_q) begin
        vec    = '0;
        poison = 1'b0;
      end
      for (int unsigned l = 0; l < Lanes; l++) begin
        if (granted_q[l]) begin
          vec[l*32 +: 32] = rdata_i[bank_q[l]][31:0];
          poison          = poison | rdata_i[bank_q[l]][32];
        end
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      under_way_q <= 1'b0;
      fresh_q     <= 1'b0;
      finish_q    <= 1'b0;
      last_q      <= 1'b0;
      seq_q       <= '0;
      granted_q   <= '0;
      bank_q      <= '0;
      vec_q       <= '0;
      poison_q    <= 1'b0;
    end else begin
      under_way_q <= valid;
      finish_q    <= finish;
      if (valid) begin
        fresh_q   <= first;
        last_q    <= last;
        seq_q     <= seq;
        granted_q <= granted_i;
        bank_q    <= bank_o;
      end
      if (under_way_q) begin
        vec_q    <= vec;
        poison_q <= poison;
      end
    end
  end

  // Packets wait here for the network.
  sn40l_pkg::packet_t packet;

  assign packet.flow   = control.flow;
  assign packet.seq    = seq_q;
  assign packet.last   = last_q;
  assign packet.poison = poison;
  assign packet.data   = vec;

  stream_fifo #(.Width(sn40l_pkg::PacketWidth), .Depth(QueueDepth)) i_queue (
    .clk_i,
    .rst_ni,
    .valid_i(finish_q),
    .ready_o(unused_queue_ready),
    .data_i (packet),
    .valid_o,
    .ready_i,
    .data_o (packet_o)
  );

  // Packets on their way, up to the queues of their destinations.
  logic busy_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) busy_q <= 1'b0;
    else         busy_q <= go || (busy_q && !room_idle);
  end

  assign queue_pop   = valid_o && ready_i;
  assign plane_o     = control.plane;
  assign unit_read_o = finish && last;
  assign idle_o      = access_idle && !busy_q;

  logic unused_control;
  assign unused_control = ^control;

endmodule
