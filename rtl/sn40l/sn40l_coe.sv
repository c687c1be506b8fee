// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A Composition of Experts on a small fabric (SN40L, MICRO 2024, section V): all experts in DDR, some in the slots of
// HBM, the fabric runs one at a time.
//
// The manager of experts says who is near and has missing ones copied by a DMA engine of its own, while the fabric
// computes. The kernel sequencer loads programs and arguments, the address of a slot among them, and starts the
// fabric. Which expert a prompt wants is the host's business: it asks, is granted a slot, commands, and releases.
// Programs and schedules are written by the host beforehand.

module sn40l_coe #(
  parameter  int unsigned Slots       = 64,
  parameter  int unsigned HbmBeats    = 32768,    // of a channel
  parameter  int unsigned DdrBeats    = 524288,
  parameter  int unsigned HbmNum      = 9,
  parameter  int unsigned HbmDen      = 16,
  parameter  int unsigned DdrNum      = 1,
  parameter  int unsigned DdrDen      = 4,
  parameter  int unsigned Rows        = 2,        // of the mesh
  parameter  int unsigned Cols        = 3,
  parameter  logic [63:0] AgcuCols    = 64'h5,
  parameter  int unsigned PmuDepth    = 512,
  localparam int unsigned AddrWidth   = sn40l_mem_pkg::AddrWidth,
  localparam int unsigned ExpertWidth = sn40l_mem_pkg::ExpertWidth,
  localparam int unsigned SlotWidth   = (Slots > 1) ? $clog2(Slots) : 1,
  localparam int unsigned IdWidth     = 8,
  localparam int unsigned SchedWidth  = 6,
  localparam int unsigned ProgWidth   = 12,
  localparam int unsigned Completion  = $bits(sn40l_mem_pkg::completion_t)
) (
  input  logic                                 clk_i,
  input  logic                                 rst_ni,
  // Slots in use and where experts lie; not to be changed while any is near
  input  logic [SlotWidth:0]                   slots_i,           // 1..Slots
  input  logic [AddrWidth-3:0]                 far_base_i,        // in DDR
  input  logic [AddrWidth-3:0]                 far_bytes_i,
  input  logic [31:0]                          far_stride_i,
  input  logic [AddrWidth-3:0]                 near_base_i,       // in HBM
  input  logic [AddrWidth-3:0]                 near_bytes_i,
  input  logic [31:0]                          near_stride_i,
  input  logic [31:0]                          bytes_i,
  input  logic [31:0]                          writable_offset_i,
  input  logic [31:0]                          writable_bytes_i,
  // Experts, see sn40l_expert_mgr
  input  logic                                 req_valid_i,
  output logic                                 req_ready_o,
  input  logic [ExpertWidth-1:0]               req_expert_i,
  input  logic [IdWidth-1:0]                   req_id_i,
  input  logic                                 req_prefetch_i,
  output logic                                 grant_valid_o,
  input  logic                                 grant_ready_i,
  output logic [IdWidth-1:0]                   grant_id_o,
  output logic [SlotWidth-1:0]                 grant_slot_o,
  output logic                                 grant_hit_o,
  output logic                                 grant_error_o,
  input  logic                                 rel_valid_i,
  input  logic [SlotWidth-1:0]                 rel_slot_i,
  input  logic                                 rel_wrote_i,
  input  logic                                 pin_valid_i,
  input  logic [SlotWidth-1:0]                 pin_slot_i,
  input  logic                                 pin_set_i,
  // Kernels, see sn40l_kseq
  input  logic                                 prog_we_i,
  input  logic                                 sched_we_i,
  input  logic [ProgWidth-1:0]                 waddr_i,
  input  logic [51:0]                          wdata_i,           // a config_t, or a cmd_t in the low bits
  input  logic [15:0]                          so_latency_i,
  input  logic                                 cmd_valid_i,
  output logic                                 cmd_ready_o,
  input  logic [31:0]                          cmd_i,             // a cmd_t
  input  logic                                 ho_valid_i,
  output logic                                 ho_ready_o,
  input  logic [SchedWidth-1:0]                ho_base_i,
  input  logic [SchedWidth-1:0]                ho_count_i,
  output logic                                 idle_o,
  output logic                                 kernel_error_o,    // a command was skipped
  output logic                                 fabric_error_o,    // a load or store of a kernel failed
  // Copies: a pulse for each that ends, with its completion
  output logic                                 copied_o,
  output logic [Completion-1:0]                copied_completion_o,
  // Faults, see sn40l_memory
  input  logic                                 fault_valid_i,
  input  logic                                 fault_clear_i,
  input  logic [$bits(sn40l_mem_pkg::fault_t)-1:0] fault_i,
  // Counters: of experts 0 hits, 1 misses, 2 evictions, 3 bytes written back, 4 cycles a request waited,
  // 5 copies failed; of kernels 6 launches, 7 cycles running, 8 cycles between; 16 + k of the memory, its k
  input  logic [5:0]                           count_select_i,
  output logic [31:0]                          count_o
);

  localparam int unsigned Agcus    = Rows * $countones(AgcuCols & ((64'd1 << Cols) - 64'd1));
  localparam int unsigned Ports    = Agcus + 1;
  localparam int unsigned Mine     = Agcus;          // the copying engine's port
  localparam int unsigned MemIdW   = sn40l_mem_pkg::IdWidth;
  localparam int unsigned DataW    = sn40l_mem_pkg::DataWidth;
  localparam int unsigned StrbW    = sn40l_mem_pkg::StrbWidth;

  // AXI4, one port a unit.
  logic [Ports-1:0]                ar_valid, ar_ready, r_valid, r_ready, r_last, aw_valid, aw_ready;
  logic [Ports-1:0]                w_valid, w_ready, w_last, b_valid, b_ready;
  logic [Ports-1:0][MemIdW-1:0]    ar_id, r_id, aw_id, b_id;
  logic [Ports-1:0][AddrWidth-1:0] ar_addr, aw_addr;
  logic [Ports-1:0][7:0]           ar_len, aw_len;
  logic [Ports-1:0][DataW-1:0]     r_data, w_data;
  logic [Ports-1:0][StrbW-1:0]     w_strb;
  logic [Ports-1:0][1:0]           r_resp, b_resp;

  // Experts.
  logic [5:0][31:0]       expert_count;
  logic                   copy_valid, copy_ready, copy_back;
  logic [AddrWidth-1:0]   copy_src, copy_dst;
  logic [31:0]            copy_bytes;
  logic [ExpertWidth-1:0] copy_expert;
  logic                   copied;

  sn40l_mem_pkg::completion_t completion;

  sn40l_expert_mgr #(
    .Slots      (Slots),
    .ExpertWidth(ExpertWidth),
    .IdWidth    (IdWidth)
  ) i_experts (
    .clk_i,
    .rst_ni,
    .slots_i,
    .far_base_i  ('0),
    .far_stride_i,
    .near_base_i ('0),
    .near_stride_i,
    .bytes_i,
    .writable_offset_i,
    .writable_bytes_i,
    .req_valid_i,
    .req_ready_o,
    .req_expert_i,
    .req_id_i,
    .req_prefetch_i,
    .grant_valid_o,
    .grant_ready_i,
    .grant_id_o,
    .grant_slot_o,
    .grant_hit_o,
    .grant_error_o,
    .rel_valid_i,
    .rel_slot_i,
    .rel_wrote_i,
    .pin_valid_i,
    .pin_slot_i,
    .pin_set_i,
    .copy_valid_o (copy_valid),
    .copy_ready_i (copy_ready),
    .copy_back_o  (copy_back),
    .copy_src_o   (copy_src),
    .copy_dst_o   (copy_dst),
    .copy_bytes_o (copy_bytes),
    .copy_expert_o(copy_expert),
    .done_valid_i (copied),
    .done_error_i (completion.code != sn40l_mem_pkg::CodeOkay),
    .hits_o       (expert_count[0]),
    .misses_o     (expert_count[1]),
    .evictions_o  (expert_count[2]),
    .back_bytes_o (expert_count[3]),
    .wait_cycles_o(expert_count[4]),
    .errors_o     (expert_count[5])
  );

  sn40l_coe_copier i_copier (
    .clk_i,
    .rst_ni,
    .far_base_i,
    .far_bytes_i,
    .near_base_i,
    .near_bytes_i,
    .copy_valid_i (copy_valid),
    .copy_ready_o (copy_ready),
    .copy_back_i  (copy_back),
    .copy_src_i   (copy_src),
    .copy_dst_i   (copy_dst),
    .copy_bytes_i (copy_bytes),
    .copy_expert_i(copy_expert),
    .copied_o     (copied),
    .completion_o (completion),
    .ar_valid_o   (ar_valid[Mine]),
    .ar_ready_i   (ar_ready[Mine]),
    .ar_id_o      (ar_id[Mine]),
    .ar_addr_o    (ar_addr[Mine]),
    .ar_len_o     (ar_len[Mine]),
    .r_valid_i    (r_valid[Mine]),
    .r_ready_o    (r_ready[Mine]),
    .r_id_i       (r_id[Mine]),
    .r_data_i     (r_data[Mine]),
    .r_resp_i     (r_resp[Mine]),
    .aw_valid_o   (aw_valid[Mine]),
    .aw_ready_i   (aw_ready[Mine]),
    .aw_id_o      (aw_id[Mine]),
    .aw_addr_o    (aw_addr[Mine]),
    .aw_len_o     (aw_len[Mine]),
    .w_valid_o    (w_valid[Mine]),
    .w_ready_i    (w_ready[Mine]),
    .w_data_o     (w_data[Mine]),
    .w_strb_o     (w_strb[Mine]),
    .w_last_o     (w_last[Mine]),
    .b_valid_i    (b_valid[Mine]),
    .b_ready_o    (b_ready[Mine]),
    .b_id_i       (b_id[Mine]),
    .b_resp_i     (b_resp[Mine])
  );

  assign copied_o            = copied;
  assign copied_completion_o = completion;

  // Kernels.
  logic                    cfg_valid, start, done;
  logic [SchedWidth-1:0]   sched_addr;
  logic [14:0]             prog_addr;
  logic [31:0]             sched_word;
  logic [51:0]             prog_word;
  logic [2:0][31:0]        kernel_count;
  sn40l_kseq_pkg::config_t cfg;

  sram_1r1w #(.Width(32), .Depth(1 << SchedWidth)) i_schedule (
    .clk_i,
    .rst_ni,
    .we_i   (sched_we_i),
    .waddr_i(waddr_i[SchedWidth-1:0]),
    .wdata_i(wdata_i[31:0]),
    .re_i   (1'b1),
    .raddr_i(sched_addr),
    .rdata_o(sched_word)
  );

  sram_1r1w #(.Width(52), .Depth(1 << ProgWidth)) i_programs (
    .clk_i,
    .rst_ni,
    .we_i   (prog_we_i),
    .waddr_i(waddr_i),
    .wdata_i,
    .re_i   (1'b1),
    .raddr_i(prog_addr[ProgWidth-1:0]),
    .rdata_o(prog_word)
  );

  sn40l_kseq #(.SchedWidth(SchedWidth)) i_kernels (
    .clk_i,
    .rst_ni,
    .so_latency_i,
    .cmd_valid_i,
    .cmd_ready_o,
    .cmd_i,
    .ho_valid_i,
    .ho_ready_o,
    .ho_base_i,
    .ho_count_i,
    .sched_addr_o (sched_addr),
    .sched_cmd_i  (sched_word),
    .prog_addr_o  (prog_addr),
    .prog_word_i  (prog_word),
    .cfg_valid_o  (cfg_valid),
    .cfg_o        (cfg),
    .start_o      (start),
    .done_i       (done),
    .idle_o,
    .error_o      (kernel_error_o),
    .launches_o   (kernel_count[0]),
    .busy_cycles_o(kernel_count[1]),
    .gap_cycles_o (kernel_count[2])
  );

  logic [31:0]                      stat_data;
  logic [Agcus-1:0]                 ended, irq, failed;
  logic [Agcus-1:0][Completion-1:0] ended_with, failed_with;

  sn40l_fabric #(
    .Rows    (Rows),
    .Cols    (Cols),
    .AgcuCols(AgcuCols),
    .PmuDepth(PmuDepth)
  ) i_fabric (
    .clk_i,
    .rst_ni,
    .start_i           (start),
    .done_o            (done),
    .cfg_valid_i       (cfg_valid),
    .cfg_unit_i        (cfg.unit),
    .cfg_addr_i        (cfg.addr),
    .cfg_data_i        (cfg.data),
    .stat_unit_i       ('0),
    .stat_word_i       ('0),
    .stat_data_o       (stat_data),
    .abort_i           (1'b0),
    .completion_valid_o(ended),
    .completion_o      (ended_with),
    .irq_o             (irq),
    .error_o           (failed),
    .error_completion_o(failed_with),
    .axi_ar_valid_o    (ar_valid[Agcus-1:0]),
    .axi_ar_ready_i    (ar_ready[Agcus-1:0]),
    .axi_ar_id_o       (ar_id[Agcus-1:0]),
    .axi_ar_addr_o     (ar_addr[Agcus-1:0]),
    .axi_ar_len_o      (ar_len[Agcus-1:0]),
    .axi_r_valid_i     (r_valid[Agcus-1:0]),
    .axi_r_ready_o     (r_ready[Agcus-1:0]),
    .axi_r_id_i        (r_id[Agcus-1:0]),
    .axi_r_data_i      (r_data[Agcus-1:0]),
    .axi_r_resp_i      (r_resp[Agcus-1:0]),
    .axi_aw_valid_o    (aw_valid[Agcus-1:0]),
    .axi_aw_ready_i    (aw_ready[Agcus-1:0]),
    .axi_aw_id_o       (aw_id[Agcus-1:0]),
    .axi_aw_addr_o     (aw_addr[Agcus-1:0]),
    .axi_aw_len_o      (aw_len[Agcus-1:0]),
    .axi_w_valid_o     (w_valid[Agcus-1:0]),
    .axi_w_ready_i     (w_ready[Agcus-1:0]),
    .axi_w_data_o      (w_data[Agcus-1:0]),
    .axi_w_strb_o      (w_strb[Agcus-1:0]),
    .axi_w_last_o      (w_last[Agcus-1:0]),
    .axi_b_valid_i     (b_valid[Agcus-1:0]),
    .axi_b_ready_o     (b_ready[Agcus-1:0]),
    .axi_b_id_i        (b_id[Agcus-1:0]),
    .axi_b_resp_i      (b_resp[Agcus-1:0])
  );

  assign fabric_error_o = |failed;

  // Memory.
  localparam int unsigned PerfWidth = 5;  // six counters of each of five channels

  logic [31:0]                memory_count;
  logic [1:0]                 ecc_seen;
  logic [1:0][AddrWidth-1:0]  ecc_address;
  logic [5:0]                 memory_select;

  assign memory_select = count_select_i - 6'd16;

  sn40l_memory #(
    .Ports   (Ports),
    .HbmBeats(HbmBeats),
    .HbmNum  (HbmNum),
    .HbmDen  (HbmDen),
    .DdrBeats(DdrBeats),
    .DdrNum  (DdrNum),
    .DdrDen  (DdrDen)
  ) i_memory (
    .clk_i,
    .rst_ni,
    .ar_valid_i   (ar_valid),
    .ar_ready_o   (ar_ready),
    .ar_id_i      (ar_id),
    .ar_addr_i    (ar_addr),
    .ar_len_i     (ar_len),
    .r_valid_o    (r_valid),
    .r_ready_i    (r_ready),
    .r_id_o       (r_id),
    .r_data_o     (r_data),
    .r_resp_o     (r_resp),
    .r_last_o     (r_last),
    .aw_valid_i   (aw_valid),
    .aw_ready_o   (aw_ready),
    .aw_id_i      (aw_id),
    .aw_addr_i    (aw_addr),
    .aw_len_i     (aw_len),
    .w_valid_i    (w_valid),
    .w_ready_o    (w_ready),
    .w_data_i     (w_data),
    .w_strb_i     (w_strb),
    .b_valid_o    (b_valid),
    .b_ready_i    (b_ready),
    .b_id_o       (b_id),
    .b_resp_o     (b_resp),
    .fault_valid_i,
    .fault_clear_i,
    .fault_i,
    .perf_clear_i (1'b0),
    .perf_select_i(memory_select[PerfWidth-1:0]),
    .perf_o       (memory_count),
    .ecc_seen_o   (ecc_seen),
    .ecc_address_o(ecc_address)
  );

  always_comb begin
    count_o = memory_count;
    if (count_select_i < 6'd6)       count_o = expert_count[count_select_i[2:0]];
    else if (count_select_i < 6'd9)  count_o = kernel_count[2'(count_select_i - 6'd6)];
    else if (count_select_i < 6'd16) count_o = '0;
  end

  logic unused;
  assign unused = ^{prog_addr[14:ProgWidth], stat_data, ended, ended_with, irq, failed_with, r_last, w_last, ecc_seen,
                    ecc_address, memory_select[5]};

endmodule
