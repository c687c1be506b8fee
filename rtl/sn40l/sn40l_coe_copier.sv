// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The manager of experts' own DMA: copies of experts between their region of DDR and the slots in HBM (SN40L, MICRO
// 2024, section V).
//
// Segment 0 is the experts' region, segment 1 that of the slots: a copy cannot reach anything else. A copy's error
// completion, of the bus or of a poisoned word, is the manager's. Source and destination are offsets in them.

module sn40l_coe_copier #(
  localparam int unsigned AddrWidth   = sn40l_mem_pkg::AddrWidth,
  localparam int unsigned ExpertWidth = sn40l_mem_pkg::ExpertWidth,
  localparam int unsigned IdWidth     = sn40l_mem_pkg::IdWidth,
  localparam int unsigned DataWidth   = sn40l_mem_pkg::DataWidth,
  localparam int unsigned StrbWidth   = sn40l_mem_pkg::StrbWidth,
  localparam int unsigned Completion  = $bits(sn40l_mem_pkg::completion_t)
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic [AddrWidth-3:0]   far_base_i,    // in DDR
  input  logic [AddrWidth-3:0]   far_bytes_i,
  input  logic [AddrWidth-3:0]   near_base_i,   // in HBM
  input  logic [AddrWidth-3:0]   near_bytes_i,
  // Copies, see sn40l_expert_mgr
  input  logic                   copy_valid_i,
  output logic                   copy_ready_o,
  input  logic                   copy_back_i,
  input  logic [AddrWidth-1:0]   copy_src_i,
  input  logic [AddrWidth-1:0]   copy_dst_i,
  input  logic [31:0]            copy_bytes_i,
  input  logic [ExpertWidth-1:0] copy_expert_i,
  output logic                   copied_o,
  output logic [Completion-1:0]  completion_o,
  // AXI4
  output logic                   ar_valid_o,
  input  logic                   ar_ready_i,
  output logic [IdWidth-1:0]     ar_id_o,
  output logic [AddrWidth-1:0]   ar_addr_o,
  output logic [7:0]             ar_len_o,
  input  logic                   r_valid_i,
  output logic                   r_ready_o,
  input  logic [IdWidth-1:0]     r_id_i,
  input  logic [DataWidth-1:0]   r_data_i,
  input  logic [1:0]             r_resp_i,
  output logic                   aw_valid_o,
  input  logic                   aw_ready_i,
  output logic [IdWidth-1:0]     aw_id_o,
  output logic [AddrWidth-1:0]   aw_addr_o,
  output logic [7:0]             aw_len_o,
  output logic                   w_valid_o,
  input  logic                   w_ready_i,
  output logic [DataWidth-1:0]   w_data_o,
  output logic [StrbWidth-1:0]   w_strb_o,
  output logic                   w_last_o,
  input  logic                   b_valid_i,
  output logic                   b_ready_o,
  input  logic [IdWidth-1:0]     b_id_i,
  input  logic [1:0]             b_resp_i
);

  localparam int unsigned OffsetWidth  = sn40l_mem_pkg::OffsetWidth;
  localparam int unsigned SegmentWidth = $bits(sn40l_mem_pkg::segment_t);

  sn40l_mem_pkg::descriptor_t    descriptor;
  sn40l_mem_pkg::segment_t [1:0] segments;

  always_comb begin
    segments           = '0;
    segments[0].tier   = 1'b1;
    segments[0].base   = far_base_i;
    segments[0].limit  = far_bytes_i;
    segments[1].base   = near_base_i;
    segments[1].limit  = near_bytes_i;
    for (int unsigned i = 0; i < 2; i++) begin
      segments[i].read   = 1'b1;
      segments[i].write  = 1'b1;
      segments[i].expert = sn40l_mem_pkg::ExpertAny;
    end

    descriptor             = '0;
    descriptor.op          = sn40l_mem_pkg::OpCopy;
    descriptor.expert      = copy_expert_i;
    descriptor.src_segment = copy_back_i ? 4'd1 : 4'd0;
    descriptor.dst_segment = copy_back_i ? 4'd0 : 4'd1;
    descriptor.src_offset  = copy_src_i[OffsetWidth-1:0];
    descriptor.dst_offset  = copy_dst_i[OffsetWidth-1:0];
    descriptor.len0        = copy_bytes_i;
    descriptor.n1          = 16'd1;
    descriptor.n2          = 16'd1;
  end

  // What only a unit with streams and tokens needs.
  logic                 idle, irq, queue_full, waits, busy, ld_valid, ld_last, ld_poison, st_ready;
  logic [2:0]           token;
  logic [DataWidth-1:0] ld_data;

  sn40l_dma #(
    .QueueDepth(1),
    .Segments  (2)
  ) i_dma (
    .clk_i,
    .rst_ni,
    .abort_i           (1'b0),
    .segments_i        ({SegmentWidth'(segments[1]), SegmentWidth'(segments[0])}),
    .descriptor_valid_i(copy_valid_i),
    .descriptor_ready_o(copy_ready_o),
    .descriptor_i      (descriptor),
    .idle_o            (idle),
    .completion_valid_o(copied_o),
    .completion_o,
    .irq_o             (irq),
    .token_i           ('0),
    .token_o           (token),
    .ld_valid_o        (ld_valid),
    .ld_ready_i        (1'b0),
    .ld_data_o         (ld_data),
    .ld_last_o         (ld_last),
    .ld_poison_o       (ld_poison),
    .st_valid_i        (1'b0),
    .st_ready_o        (st_ready),
    .st_data_i         ('0),
    .st_poison_i       (1'b0),
    .queue_full_o      (queue_full),
    .waiting_o         (waits),
    .busy_o            (busy),
    .ar_valid_o,
    .ar_ready_i,
    .ar_id_o,
    .ar_addr_o,
    .ar_len_o,
    .r_valid_i,
    .r_ready_o,
    .r_id_i,
    .r_data_i,
    .r_resp_i,
    .aw_valid_o,
    .aw_ready_i,
    .aw_id_o,
    .aw_addr_o,
    .aw_len_o,
    .w_valid_o,
    .w_ready_i,
    .w_data_o,
    .w_strb_o,
    .w_last_o,
    .b_valid_i,
    .b_ready_o,
    .b_id_i,
    .b_resp_i
  );

  logic unused;
  assign unused = ^{copy_src_i[AddrWidth-1:OffsetWidth], copy_dst_i[AddrWidth-1:OffsetWidth], idle, irq, token,
                    ld_valid, ld_data, ld_last, ld_poison, st_ready, queue_full, waits, busy};

endmodule
