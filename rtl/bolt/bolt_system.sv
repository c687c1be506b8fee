// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// BOLT with its HBM, for simulation: bolt_top and a behavioural memory behind each of its two ports.
//
// Ports are those of bolt_top without HBM's. hbm_seed_i changes the memories' latencies; hbm_slow_i, where
// it is not 0, is the number of the request that misses its deadline, at the position map's port, or with
// hbm_slow_frame_i at the frames'.

module bolt_system #(
  parameter  int unsigned Bins        = 512,
  parameter  int unsigned HbmBins     = 102,
  parameter  int unsigned Frames      = 2304,
  parameter  int unsigned Buckets     = 2048,
  parameter  int unsigned ValueBytes  = 16,
  parameter  int unsigned InFlight    = 4,
  parameter  int unsigned HbmDeadline = 128,
  parameter  int unsigned QueueDepth  = 64,   // commands waiting
  parameter  int unsigned HostTimeout = 1048576,  // cycles that the host's memory may be silent
  parameter  bit          FillNop     = 1'b0,
  parameter  int unsigned AesUnits    = 5,    // of each AES core
  parameter  int unsigned Digit       = 64,   // bits of a GHASH step
  parameter  int unsigned LanePairs   = 1,    // 1: pages are opened when those before are sealed; 2: meanwhile
  localparam int unsigned ValueBits   = 8 * ValueBytes,
  localparam int unsigned Counts      = 6
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  output logic                              init_done_o,
  input  logic                              start_i,
  input  logic [127:0]                      session_key_i,
  input  logic [127:0]                      page_key_i,
  input  logic [127:0]                      hash_key_i,
  input  logic [127:0]                      drbg_key_i,
  input  logic [bolt_pkg::AxiAddrWidth-1:0] host_base_i,  // a multiple of the page's bytes
  output logic                              idle_o,       // nothing is in flight
  input  logic                              boot_valid_i,
  output logic                              boot_ready_o,
  input  logic [bolt_pkg::BinWidth-1:0]     boot_bin_i,
  input  logic                              boot_frame_i,
  output logic                              fault_o,
  output bolt_pkg::fault_e                  fault_code_o,
  output logic [Counts-1:0][31:0]           count_o,
  // Packets
  input  logic                              cmd_valid_i,
  output logic                              cmd_ready_o,
  input  logic [bolt_pkg::AxiDataWidth-1:0] cmd_data_i,
  output logic                              rsp_valid_o,
  input  logic                              rsp_ready_i,
  output logic [bolt_pkg::AxiDataWidth-1:0] rsp_data_o,
  // Random words of a test
  input  logic                              tape_en_i,
  input  logic [3:0][63:0]                  tape_i,
  output logic                              tape_take_o,
  // Host memory: AXI4, INCR, size 6, one identifier
  output logic                              ar_valid_o,
  input  logic                              ar_ready_i,
  output logic [bolt_pkg::AxiAddrWidth-1:0] ar_addr_o,
  output logic [7:0]                        ar_len_o,
  input  logic                              r_valid_i,
  output logic                              r_ready_o,
  input  logic [bolt_pkg::AxiDataWidth-1:0] r_data_i,
  input  logic [1:0]                        r_resp_i,
  input  logic                              r_last_i,
  output logic                              aw_valid_o,
  input  logic                              aw_ready_i,
  output logic [bolt_pkg::AxiAddrWidth-1:0] aw_addr_o,
  output logic [7:0]                        aw_len_o,
  output logic                              w_valid_o,
  input  logic                              w_ready_i,
  output logic [bolt_pkg::AxiDataWidth-1:0] w_data_o,
  output logic [bolt_pkg::AxiStrbWidth-1:0] w_strb_o,
  output logic                              w_last_o,
  input  logic                              b_valid_i,
  output logic                              b_ready_o,
  input  logic [1:0]                        b_resp_i,
  input  logic [31:0]                       hbm_seed_i,
  input  logic [31:0]                       hbm_slow_i,
  input  logic                              hbm_slow_frame_i
);

  localparam int unsigned PmAddr    = $clog2(Buckets);
  localparam int unsigned FrameAddr = $clog2(Frames + 1);

  logic                            pm_req_valid, pm_req_ready, pm_req_we, pm_rsp_valid;
  logic [bolt_pkg::BucketWidth-1:0] pm_req_addr;
  logic [bolt_pkg::BucketBits-1:0] pm_req_wdata, pm_rsp_rdata;
  logic                            frame_req_valid, frame_req_ready, frame_req_we, frame_rsp_valid;
  logic [bolt_pkg::FrameWidth-1:0] frame_req_addr;
  logic [ValueBits-1:0]            frame_req_wdata, frame_rsp_rdata;

  bolt_top #(
    .Bins       (Bins),
    .HbmBins    (HbmBins),
    .Frames     (Frames),
    .Buckets    (Buckets),
    .ValueBytes (ValueBytes),
    .InFlight   (InFlight),
    .HbmDeadline(HbmDeadline),
    .QueueDepth (QueueDepth),
    .HostTimeout(HostTimeout),
    .FillNop    (FillNop),
    .AesUnits   (AesUnits),
    .Digit      (Digit),
    .LanePairs  (LanePairs)
  ) i_top (
    .clk_i,
    .rst_ni,
    .init_done_o,
    .start_i,
    .session_key_i,
    .page_key_i,
    .hash_key_i,
    .drbg_key_i,
    .host_base_i,
    .idle_o,
    .boot_valid_i,
    .boot_ready_o,
    .boot_bin_i,
    .boot_frame_i,
    .fault_o,
    .fault_code_o,
    .count_o,
    .cmd_valid_i,
    .cmd_ready_o,
    .cmd_data_i,
    .rsp_valid_o,
    .rsp_ready_i,
    .rsp_data_o,
    .tape_en_i,
    .tape_i,
    .tape_take_o,
    .ar_valid_o,
    .ar_ready_i,
    .ar_addr_o,
    .ar_len_o,
    .r_valid_i,
    .r_ready_o,
    .r_data_i,
    .r_resp_i,
    .r_last_i,
    .aw_valid_o,
    .aw_ready_i,
    .aw_addr_o,
    .aw_len_o,
    .w_valid_o,
    .w_ready_i,
    .w_data_o,
    .w_strb_o,
    .w_last_o,
    .b_valid_i,
    .b_ready_o,
    .b_resp_i,
    .pm_req_valid_o   (pm_req_valid),
    .pm_req_ready_i   (pm_req_ready),
    .pm_req_we_o      (pm_req_we),
    .pm_req_addr_o    (pm_req_addr),
    .pm_req_wdata_o   (pm_req_wdata),
    .pm_rsp_valid_i   (pm_rsp_valid),
    .pm_rsp_rdata_i   (pm_rsp_rdata),
    .frame_req_valid_o(frame_req_valid),
    .frame_req_ready_i(frame_req_ready),
    .frame_req_we_o   (frame_req_we),
    .frame_req_addr_o (frame_req_addr),
    .frame_req_wdata_o(frame_req_wdata),
    .frame_rsp_valid_i(frame_rsp_valid),
    .frame_rsp_rdata_i(frame_rsp_rdata)
  );

  bolt_hbm #(
    .Width(bolt_pkg::BucketBits),
    .Depth(Buckets)
  ) i_pm (
    .clk_i,
    .rst_ni,
    .seed_i     (hbm_seed_i),
    .slow_i     (hbm_slow_frame_i ? 32'd0 : hbm_slow_i),
    .req_valid_i(pm_req_valid),
    .req_ready_o(pm_req_ready),
    .req_we_i   (pm_req_we),
    .req_addr_i (pm_req_addr[PmAddr-1:0]),
    .req_wdata_i(pm_req_wdata),
    .rsp_valid_o(pm_rsp_valid),
    .rsp_rdata_o(pm_rsp_rdata)
  );

  bolt_hbm #(
    .Width(ValueBits),
    .Depth(Frames + 1)
  ) i_frames (
    .clk_i,
    .rst_ni,
    .seed_i     (~hbm_seed_i),
    .slow_i     (hbm_slow_frame_i ? hbm_slow_i : 32'd0),
    .req_valid_i(frame_req_valid),
    .req_ready_o(frame_req_ready),
    .req_we_i   (frame_req_we),
    .req_addr_i (frame_req_addr[FrameAddr-1:0]),
    .req_wdata_i(frame_req_wdata),
    .rsp_valid_o(frame_rsp_valid),
    .rsp_rdata_o(frame_rsp_rdata)
  );

  // Upper bits of numbers: the package's widths are for the largest.
  logic unused;
  assign unused = (^pm_req_addr) ^ (^frame_req_addr);

endmodule
