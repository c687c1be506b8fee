// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The memory with a bus model at port 0 and DMAs at the others. What a DMA loads is taken at once, what it
// stores is the number of the word in all lanes. cycle_o counts from the reset.

module sn40l_memory_harness #(
  parameter int unsigned Dmas            = 3,
  parameter int unsigned HbmChannels     = 4,
  parameter int unsigned HbmBeats        = 8192,
  parameter int unsigned HbmNum          = 9,
  parameter int unsigned HbmDen          = 16,
  parameter int unsigned HbmLatency      = 64,
  parameter int unsigned DdrBeats        = 16384,
  parameter int unsigned DdrNum          = 1,
  parameter int unsigned DdrDen          = 4,
  parameter int unsigned DdrLatency      = 96,
  parameter int unsigned RowMiss         = 0,
  parameter int unsigned RefreshInterval = 0,
  parameter int unsigned RefreshCycles   = 0,
  parameter int unsigned Slots           = 16,
  parameter int unsigned Segments        = 4,
  localparam int unsigned Ports          = Dmas + 1,
  localparam int unsigned SelectWidth    = $clog2(6 * (HbmChannels + 1))
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  output logic [31:0]                     cycle_o,
  input  logic [Segments-1:0][90:0]       segments_i,
  input  logic [Dmas-1:0]                 descriptor_valid_i,
  output logic [Dmas-1:0]                 descriptor_ready_o,
  input  logic [Dmas-1:0][329:0]          descriptor_i,
  output logic [Dmas-1:0]                 completion_valid_o,
  output logic [Dmas-1:0][72:0]           completion_o,
  output logic                            completed_o,
  input  logic                            fault_valid_i,
  input  logic                            fault_clear_i,
  input  logic [118:0]                    fault_i,
  input  logic                            perf_clear_i,
  input  logic [SelectWidth-1:0]          perf_select_i,
  output logic [31:0]                     perf_o,
  output logic [1:0]                      ecc_seen_o,
  output logic [1:0][39:0]                ecc_address_o,
  input  logic                            s_axi_arvalid,
  output logic                            s_axi_arready,
  input  logic [3:0]                      s_axi_arid,
  input  logic [39:0]                     s_axi_araddr,
  input  logic [7:0]                      s_axi_arlen,
  input  logic [2:0]                      s_axi_arsize,
  input  logic [1:0]                      s_axi_arburst,
  output logic                            s_axi_rvalid,
  input  logic                            s_axi_rready,
  output logic [3:0]                      s_axi_rid,
  output logic [255:0]                    s_axi_rdata,
  output logic [1:0]                      s_axi_rresp,
  output logic                            s_axi_rlast,
  input  logic                            s_axi_awvalid,
  output logic                            s_axi_awready,
  input  logic [3:0]                      s_axi_awid,
  input  logic [39:0]                     s_axi_awaddr,
  input  logic [7:0]                      s_axi_awlen,
  input  logic [2:0]                      s_axi_awsize,
  input  logic [1:0]                      s_axi_awburst,
  input  logic                            s_axi_wvalid,
  output logic                            s_axi_wready,
  input  logic [255:0]                    s_axi_wdata,
  input  logic [31:0]                     s_axi_wstrb,
  input  logic                            s_axi_wlast,
  output logic                            s_axi_bvalid,
  input  logic                            s_axi_bready,
  output logic [3:0]                      s_axi_bid,
  output logic [1:0]                      s_axi_bresp
);

  // Inputs are random until the test drives them: the clock's edge at time 0 must find the reset.
  logic awake = 1'b0, rst_n;

  always @(negedge clk_i) awake <= 1'b1;

  assign rst_n = rst_ni & awake;

  logic [Ports-1:0]        ar_valid, ar_ready, r_valid, r_ready, r_last;
  logic [Ports-1:0]        aw_valid, aw_ready, w_valid, w_ready, b_valid, b_ready;
  logic [Ports-1:0][3:0]   ar_id, r_id, aw_id, b_id;
  logic [Ports-1:0][39:0]  ar_addr, aw_addr;
  logic [Ports-1:0][7:0]   ar_len, aw_len;
  logic [Ports-1:0][255:0] r_data, w_data;
  logic [Ports-1:0][31:0]  w_strb;
  logic [Ports-1:0][1:0]   r_resp, b_resp;
  logic [Dmas-1:0]         w_last, unused_dma;

  sn40l_memory #(
    .Ports          (Ports),
    .HbmChannels    (HbmChannels),
    .HbmBeats       (HbmBeats),
    .HbmNum         (HbmNum),
    .HbmDen         (HbmDen),
    .HbmLatency     (HbmLatency),
    .DdrBeats       (DdrBeats),
    .DdrNum         (DdrNum),
    .DdrDen         (DdrDen),
    .DdrLatency     (DdrLatency),
    .RowMiss        (RowMiss),
    .RefreshInterval(RefreshInterval),
    .RefreshCycles  (RefreshCycles)
  ) i_memory (
    .clk_i,
    .rst_ni       (rst_n),
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
    .perf_clear_i,
    .perf_select_i,
    .perf_o,
    .ecc_seen_o,
    .ecc_address_o
  );

  assign ar_valid[0]   = s_axi_arvalid;
  assign s_axi_arready = ar_ready[0];
  assign ar_id[0]      = s_axi_arid;
  assign ar_addr[0]    = s_axi_araddr;
  assign ar_len[0]     = s_axi_arlen;
  assign s_axi_rvalid  = r_valid[0];
  assign r_ready[0]    = s_axi_rready;
  assign s_axi_rid     = r_id[0];
  assign s_axi_rdata   = r_data[0];
  assign s_axi_rresp   = r_resp[0];
  assign s_axi_rlast   = r_last[0];
  assign aw_valid[0]   = s_axi_awvalid;
  assign s_axi_awready = aw_ready[0];
  assign aw_id[0]      = s_axi_awid;
  assign aw_addr[0]    = s_axi_awaddr;
  assign aw_len[0]     = s_axi_awlen;
  assign w_valid[0]    = s_axi_wvalid;
  assign s_axi_wready  = w_ready[0];
  assign w_data[0]     = s_axi_wdata;
  assign w_strb[0]     = s_axi_wstrb;
  assign s_axi_bvalid  = b_valid[0];
  assign b_ready[0]    = s_axi_bready;
  assign s_axi_bid     = b_id[0];
  assign s_axi_bresp   = b_resp[0];

  for (genvar d = 0; d < Dmas; d++) begin : gen_dma
    logic        idle, irq, ld_valid, ld_last, ld_poison, st_ready, queue_full, waiting, busy;
    logic [2:0]  token;
    logic [255:0] ld_data;
    logic [31:0] number_q;

    sn40l_dma #(
      .Segments(Segments),
      .Slots   (Slots)
    ) i_dma (
      .clk_i,
      .rst_ni            (rst_n),
      .abort_i           (1'b0),
      .segments_i,
      .descriptor_valid_i(descriptor_valid_i[d]),
      .descriptor_ready_o(descriptor_ready_o[d]),
      .descriptor_i      (descriptor_i[d]),
      .idle_o            (idle),
      .completion_valid_o(completion_valid_o[d]),
      .completion_o      (completion_o[d]),
      .irq_o             (irq),
      .token_i           ('0),
      .token_o           (token),
      .ld_valid_o        (ld_valid),
      .ld_ready_i        (1'b1),
      .ld_data_o         (ld_data),
      .ld_last_o         (ld_last),
      .ld_poison_o       (ld_poison),
      .st_valid_i        (1'b1),
      .st_ready_o        (st_ready),
      .st_data_i         ({8{number_q}}),
      .st_poison_i       (1'b0),
      .queue_full_o      (queue_full),
      .waiting_o         (waiting),
      .busy_o            (busy),
      .ar_valid_o        (ar_valid[d+1]),
      .ar_ready_i        (ar_ready[d+1]),
      .ar_id_o           (ar_id[d+1]),
      .ar_addr_o         (ar_addr[d+1]),
      .ar_len_o          (ar_len[d+1]),
      .r_valid_i         (r_valid[d+1]),
      .r_ready_o         (r_ready[d+1]),
      .r_id_i            (r_id[d+1]),
      .r_data_i          (r_data[d+1]),
      .r_resp_i          (r_resp[d+1]),
      .aw_valid_o        (aw_valid[d+1]),
      .aw_ready_i        (aw_ready[d+1]),
      .aw_id_o           (aw_id[d+1]),
      .aw_addr_o         (aw_addr[d+1]),
      .aw_len_o          (aw_len[d+1]),
      .w_valid_o         (w_valid[d+1]),
      .w_ready_i         (w_ready[d+1]),
      .w_data_o          (w_data[d+1]),
      .w_strb_o          (w_strb[d+1]),
      .w_last_o          (w_last[d]),
      .b_valid_i         (b_valid[d+1]),
      .b_ready_o         (b_ready[d+1]),
      .b_id_i            (b_id[d+1]),
      .b_resp_i          (b_resp[d+1])
    );

    always_ff @(posedge clk_i or negedge rst_n) begin
      if (!rst_n)        number_q <= '0;
      else if (st_ready) number_q <= number_q + 32'd1;
    end

    assign unused_dma[d] = idle ^ irq ^ ld_valid ^ ld_last ^ ld_poison ^ queue_full ^ waiting ^ busy ^ (^token) ^
                           (^ld_data) ^ w_last[d] ^ r_last[d+1];
  end

  assign completed_o = |completion_valid_o;

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) cycle_o <= '0;
    else        cycle_o <= cycle_o + 32'd1;
  end

  // Beats are counted; bursts are of whole beats.
  logic unused;
  assign unused = s_axi_wlast ^ (^s_axi_arsize) ^ (^s_axi_arburst) ^ (^s_axi_awsize) ^ (^s_axi_awburst) ^
                  (^unused_dma);

endmodule
