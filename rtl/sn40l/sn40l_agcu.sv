// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Address generator and coalescing unit: between memory and the fabric (SN40L, MICRO 2024, section IV-D).
//
// A list of descriptors (registers: sn40l_mem_pkg), run so many times after start_i by a DMA of its own:
// what it loads leaves as packets of the load flow, packets of the store flow are what it stores, COPY and
// FILL need neither. Descriptors run one after the other, so a unit that loads and stores does so in turn.
// Packets of other flows are dropped and counted. done_o rises when the list has run, and what was loaded
// has left. A failed descriptor does not end the list; error_o stays high, and error_completion_o has the
// first since start_i. stat_o: cycles in which a loaded word waits for credits or the network; descriptors
// failed; packets of other flows; packets stored poisoned. perf_select_i: 0 cycles a descriptor is under
// way, 1 awaits a token, 2 awaits the one before, 3 loaded words waiting, 4 beats read, 5 beats written, 6
// bursts read, 7 bursts written.

module sn40l_agcu #(
  parameter  int unsigned Descriptors     = 16,
  parameter  int unsigned Segments        = 8,
  parameter  int unsigned Slots           = 16,
  parameter  int unsigned StoreDepth      = sn40l_mem_pkg::AgcuStoreDepth,
  localparam int unsigned Planes          = sn40l_pkg::Planes,
  localparam int unsigned PacketWidth     = sn40l_pkg::PacketWidth,
  localparam int unsigned Tokens          = sn40l_pkg::Tokens,
  localparam int unsigned StatWords       = sn40l_pkg::StatWords,
  localparam int unsigned AddrWidth       = sn40l_mem_pkg::AddrWidth,
  localparam int unsigned DataWidth       = sn40l_mem_pkg::DataWidth,
  localparam int unsigned StrbWidth       = sn40l_mem_pkg::StrbWidth,
  localparam int unsigned IdWidth         = sn40l_mem_pkg::IdWidth,
  localparam int unsigned DescriptorWidth = sn40l_mem_pkg::DescriptorBits,
  localparam int unsigned SegmentBits     = sn40l_mem_pkg::SegmentBits,
  localparam int unsigned CompletionWidth = sn40l_mem_pkg::CompletionBits
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  input  logic                                start_i,
  output logic                                done_o,
  input  logic                                abort_i,  // see sn40l_dma; the rest of the list is answered too
  input  logic                                cfg_valid_i,
  input  logic [sn40l_pkg::CfgAddrWidth-1:0]  cfg_addr_i,
  input  logic [31:0]                         cfg_data_i,
  input  logic [Tokens-1:0]                   token_i,
  output logic [Tokens-1:0]                   token_o,
  input  logic [Planes-1:0]                   rx_valid_i,
  output logic [Planes-1:0]                   rx_ready_o,
  input  logic [Planes-1:0][PacketWidth-1:0]  rx_packet_i,
  output logic [Planes-1:0]                   tx_valid_o,
  input  logic [Planes-1:0]                   tx_ready_i,
  output logic [Planes-1:0][PacketWidth-1:0]  tx_packet_o,
  output logic [StatWords-1:0][31:0]          stat_o,
  // Completions
  output logic                                completion_valid_o,
  output logic [CompletionWidth-1:0]          completion_o,
  output logic                                irq_o,
  output logic                                error_o,
  output logic [CompletionWidth-1:0]          error_completion_o,
  input  logic [2:0]                          perf_select_i,
  output logic [31:0]                         perf_o,
  // AXI4
  output logic                                axi_ar_valid_o,
  input  logic                                axi_ar_ready_i,
  output logic [IdWidth-1:0]                  axi_ar_id_o,
  output logic [AddrWidth-1:0]                axi_ar_addr_o,
  output logic [7:0]                          axi_ar_len_o,
  input  logic                                axi_r_valid_i,
  output logic                                axi_r_ready_o,
  input  logic [IdWidth-1:0]                  axi_r_id_i,
  input  logic [DataWidth-1:0]                axi_r_data_i,
  input  logic [1:0]                          axi_r_resp_i,
  output logic                                axi_aw_valid_o,
  input  logic                                axi_aw_ready_i,
  output logic [IdWidth-1:0]                  axi_aw_id_o,
  output logic [AddrWidth-1:0]                axi_aw_addr_o,
  output logic [7:0]                          axi_aw_len_o,
  output logic                                axi_w_valid_o,
  input  logic                                axi_w_ready_i,
  output logic [DataWidth-1:0]                axi_w_data_o,
  output logic [StrbWidth-1:0]                axi_w_strb_o,
  output logic                                axi_w_last_o,
  input  logic                                axi_b_valid_i,
  output logic                                axi_b_ready_o,
  input  logic [IdWidth-1:0]                  axi_b_id_i,
  input  logic [1:0]                          axi_b_resp_i
);

  // Registers and the list.
  sn40l_mem_pkg::agcu_control_t         control;
  logic                                 descriptor_valid, descriptor_ready, program_idle, dma_idle;
  logic [DescriptorWidth-1:0]           descriptor;
  logic [15:0]                          unit;
  logic [23:0]                          credits;
  logic [31:0]                          buffers;
  logic [Segments-1:0][SegmentBits-1:0] segments;

  sn40l_agcu_program #(
    .Descriptors(Descriptors),
    .Segments   (Segments)
  ) i_program (
    .clk_i,
    .rst_ni,
    .cfg_valid_i,
    .cfg_addr_i,
    .cfg_data_i,
    .start_i,
    .idle_o      (program_idle),
    .control_o   (control),
    .unit_o      (unit),
    .credits_o   (credits),
    .buffers_o   (buffers),
    .segments_o  (segments),
    .valid_o     (descriptor_valid),
    .ready_i     (descriptor_ready),
    .descriptor_o(descriptor)
  );

  logic                   ld_valid, ld_ready, ld_poison, unused_ld_last;
  logic [DataWidth-1:0]   ld_data;
  logic                   st_valid, st_ready;
  sn40l_pkg::packet_t     stored;
  logic                   queue_full, waiting, busy;
  logic                   axi_ar_fire, axi_aw_fire;

  sn40l_dma #(
    .QueueDepth(2),
    .Segments  (Segments),
    .Slots     (Slots)
  ) i_dma (
    .clk_i,
    .rst_ni,
    .abort_i,
    .segments_i        (segments),
    .descriptor_valid_i(descriptor_valid),
    .descriptor_ready_o(descriptor_ready),
    .descriptor_i      (descriptor),
    .idle_o            (dma_idle),
    .completion_valid_o,
    .completion_o,
    .irq_o,
    .token_i           (token_i[sn40l_mem_pkg::AgcuTokenWait +: sn40l_mem_pkg::DmaTokens]),
    .token_o           (token_o[sn40l_mem_pkg::AgcuTokenPost +: sn40l_mem_pkg::DmaTokens]),
    .ld_valid_o        (ld_valid),
    .ld_ready_i        (ld_ready),
    .ld_data_o         (ld_data),
    .ld_last_o         (unused_ld_last),
    .ld_poison_o       (ld_poison),
    .st_valid_i        (st_valid),
    .st_ready_o        (st_ready),
    .st_data_i         (stored.data),
    .st_poison_i       (stored.poison),
    .queue_full_o      (queue_full),
    .waiting_o         (waiting),
    .busy_o            (busy),
    .ar_valid_o        (axi_ar_valid_o),
    .ar_ready_i        (axi_ar_ready_i),
    .ar_id_o           (axi_ar_id_o),
    .ar_addr_o         (axi_ar_addr_o),
    .ar_len_o          (axi_ar_len_o),
    .r_valid_i         (axi_r_valid_i),
    .r_ready_o         (axi_r_ready_o),
    .r_id_i            (axi_r_id_i),
    .r_data_i          (axi_r_data_i),
    .r_resp_i          (axi_r_resp_i),
    .aw_valid_o        (axi_aw_valid_o),
    .aw_ready_i        (axi_aw_ready_i),
    .aw_id_o           (axi_aw_id_o),
    .aw_addr_o         (axi_aw_addr_o),
    .aw_len_o          (axi_aw_len_o),
    .w_valid_o         (axi_w_valid_o),
    .w_ready_i         (axi_w_ready_i),
    .w_data_o          (axi_w_data_o),
    .w_strb_o          (axi_w_strb_o),
    .w_last_o          (axi_w_last_o),
    .b_valid_i         (axi_b_valid_i),
    .b_ready_o         (axi_b_ready_o),
    .b_id_i            (axi_b_id_i),
    .b_resp_i          (axi_b_resp_i)
  );

  // Loads: without a load flow they are dropped, so that a list always ends.
  logic                   sender_idle, sender_ready, unit_sent, stall, tx_valid, tx_ready;
  logic [PacketWidth-1:0] tx_packet;

  sn40l_agcu_sender i_sender (
    .clk_i,
    .rst_ni,
    .start_i,
    .idle_o     (sender_idle),
    .flow_i     (control.load_flow),
    .unit_i     (unit),
    .credits_i  (credits),
    .buffers_i  (buffers),
    .credit_i   (token_i[sn40l_pkg::Destinations-1:0]),
    .unit_read_i(token_i[sn40l_mem_pkg::AgcuTokenRead +: 2]),
    .unit_sent_o(unit_sent),
    .stall_o    (stall),
    .valid_i    (ld_valid && control.load_enable),
    .ready_o    (sender_ready),
    .data_i     (ld_data),
    .poison_i   (ld_poison),
    .valid_o    (tx_valid),
    .ready_i    (tx_ready),
    .packet_o   (tx_packet)
  );

  assign ld_ready = sender_ready || !control.load_enable;
  assign tx_ready = tx_ready_i[control.load_plane];

  // Stores: packets of the flow wait here.
  logic [Planes-1:0]  mine, stray;
  logic               store_valid, store_ready;
  sn40l_pkg::packet_t arriving;

  for (genvar p = 0; p < Planes; p++) begin : gen_plane
    assign mine[p]        = control.store_enable && control.store_plane == 1'(p) &&
                            rx_packet_i[p][PacketWidth-1 -: sn40l_pkg::FlowWidth] == control.store_flow;
    assign stray[p]       = rx_valid_i[p] && !mine[p];
    assign rx_ready_o[p]  = !mine[p] || store_ready;
    assign tx_valid_o[p]  = tx_valid && control.load_plane == 1'(p);
    assign tx_packet_o[p] = tx_packet;
  end

  assign arriving    = rx_packet_i[control.store_plane];
  assign store_valid = |(rx_valid_i & mine);

  stream_fifo #(
    .Width(PacketWidth),
    .Depth(StoreDepth)
  ) i_store_queue (
    .clk_i,
    .rst_ni,
    .valid_i(store_valid),
    .ready_o(store_ready),
    .data_i (arriving),
    .valid_o(st_valid),
    .ready_i(st_ready),
    .data_o (stored)
  );

  logic popped;
  assign popped = st_valid && st_ready;

  assign token_o[sn40l_mem_pkg::AgcuTokenPopped] = popped;
  assign token_o[sn40l_mem_pkg::AgcuTokenLoaded] = unit_sent;
  assign token_o[sn40l_mem_pkg::AgcuTokenStored] = popped && stored.last;
  assign token_o[4:3]                            = '0;

  // The end, and what went wrong.
  sn40l_mem_pkg::completion_t completion;
  logic                       failed, started_q, error_q;
  logic [CompletionWidth-1:0] first_q;

  assign completion = completion_o;
  assign failed     = completion_valid_o && completion.code != sn40l_mem_pkg::CodeOkay;
  assign done_o     = !started_q && program_idle && dma_idle && sender_idle && !st_valid;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      started_q <= 1'b0;
      error_q   <= 1'b0;
      first_q   <= '0;
    end else begin
      started_q <= start_i;
      if (start_i) begin
        error_q <= 1'b0;
        first_q <= '0;
      end else if (failed && !error_q) begin
        error_q <= 1'b1;
        first_q <= completion_o;
      end
    end
  end

  assign error_o            = error_q;
  assign error_completion_o = first_q;

  logic [3:0] counted;
  assign counted = {popped && stored.poison, |stray, failed, stall};

  for (genvar i = 0; i < 4; i++) begin : gen_stat
    logic [31:0] count_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) count_q <= '0;
      else         count_q <= count_q + 32'(counted[i]);
    end
    assign stat_o[i] = count_q;
  end

  assign axi_ar_fire = axi_ar_valid_o && axi_ar_ready_i;
  assign axi_aw_fire = axi_aw_valid_o && axi_aw_ready_i;

  sn40l_perf #(
    .Events(8)
  ) i_perf (
    .clk_i,
    .rst_ni,
    .clear_i (start_i),
    .event_i ({axi_aw_fire, axi_ar_fire, axi_w_valid_o && axi_w_ready_i, axi_r_valid_i, stall, queue_full,
               waiting, busy}),
    .select_i(perf_select_i),
    .count_o (perf_o)
  );

  logic unused;
  assign unused = ^completion ^ (^stored) ^ (^arriving);

endmodule
