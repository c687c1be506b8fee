// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A node of the fabric's mesh: a unit and its switch on each plane of the vector network (SN40L, MICRO 2024,
// section IV).
//
// All that leaves for a neighbour depends on registers alone, so that nodes can be simulated one by one. Links
// are numbered as the switch's ports less one: north, east, south, west. A PCU or PMU holds the AXI4 and
// completion ports at 0.

module sn40l_node #(
  parameter  int unsigned Kind          = 0,  // 0: PCU, 1: PMU, 2: AGCU, 3: PCU with a BitMoD array
  parameter  int unsigned PmuBanks      = 8,
  parameter  int unsigned PmuDepth      = 4096,
  parameter  bit          PmuSinglePort = 1'b0,
  parameter  int unsigned HopDepth      = 4,
  localparam int unsigned Planes        = sn40l_pkg::Planes,
  localparam int unsigned Links         = sn40l_pkg::SwitchPorts - 1,
  localparam int unsigned PacketWidth   = sn40l_pkg::PacketWidth,
  localparam int unsigned Tokens        = sn40l_pkg::Tokens,
  localparam int unsigned AddrWidth     = sn40l_mem_pkg::AddrWidth,
  localparam int unsigned DataWidth     = sn40l_mem_pkg::DataWidth,
  localparam int unsigned StrbWidth     = sn40l_mem_pkg::StrbWidth,
  localparam int unsigned IdWidth       = sn40l_mem_pkg::IdWidth,
  localparam int unsigned Completion    = $bits(sn40l_mem_pkg::completion_t)
) (
  input  logic                                           clk_i,
  input  logic                                           rst_ni,
  input  logic                                           start_i,
  output logic                                           done_o,
  // Registers of the unit, tables of the switches
  input  logic                                           cfg_unit_i,
  input  logic [Planes-1:0]                              cfg_switch_i,
  input  logic [sn40l_pkg::CfgAddrWidth-1:0]             cfg_addr_i,
  input  logic [31:0]                                    cfg_data_i,
  // Counters: of the switches {plane, 0 stalls | 1 strays}, else of the unit
  input  logic                                           stat_switch_i,
  input  logic [3:0]                                     stat_word_i,
  output logic [31:0]                                    stat_data_o,
  input  logic [Tokens-1:0]                              token_i,
  output logic [Tokens-1:0]                              token_o,
  // Links to the neighbours
  input  logic [Planes-1:0][Links-1:0]                   in_valid_i,
  input  logic [Planes-1:0][Links-1:0][PacketWidth-1:0]  in_packet_i,
  output logic [Planes-1:0][Links-1:0]                   in_credit_o,
  output logic [Planes-1:0][Links-1:0]                   out_valid_o,
  output logic [Planes-1:0][Links-1:0][PacketWidth-1:0]  out_packet_o,
  input  logic [Planes-1:0][Links-1:0]                   out_credit_i,
  // AGCU
  input  logic                                           abort_i,
  output logic                                           completion_valid_o,
  output logic [Completion-1:0]                          completion_o,
  output logic                                           irq_o,
  output logic                                           error_o,
  output logic [Completion-1:0]                          error_completion_o,
  output logic                                           axi_ar_valid_o,
  input  logic                                           axi_ar_ready_i,
  output logic [IdWidth-1:0]                             axi_ar_id_o,
  output logic [AddrWidth-1:0]                           axi_ar_addr_o,
  output logic [7:0]                                     axi_ar_len_o,
  input  logic                                           axi_r_valid_i,
  output logic                                           axi_r_ready_o,
  input  logic [IdWidth-1:0]                             axi_r_id_i,
  input  logic [DataWidth-1:0]                           axi_r_data_i,
  input  logic [1:0]                                     axi_r_resp_i,
  output logic                                           axi_aw_valid_o,
  input  logic                                           axi_aw_ready_i,
  output logic [IdWidth-1:0]                             axi_aw_id_o,
  output logic [AddrWidth-1:0]                           axi_aw_addr_o,
  output logic [7:0]                                     axi_aw_len_o,
  output logic                                           axi_w_valid_o,
  input  logic                                           axi_w_ready_i,
  output logic [DataWidth-1:0]                           axi_w_data_o,
  output logic [StrbWidth-1:0]                           axi_w_strb_o,
  output logic                                           axi_w_last_o,
  input  logic                                           axi_b_valid_i,
  output logic                                           axi_b_ready_o,
  input  logic [IdWidth-1:0]                             axi_b_id_i,
  input  logic [1:0]                                     axi_b_resp_i
);

  localparam int unsigned StatWords = sn40l_pkg::StatWords;
  localparam int unsigned Local     = sn40l_pkg::PortLocal;
  localparam int unsigned North     = sn40l_pkg::PortNorth;
  localparam int unsigned East      = sn40l_pkg::PortEast;
  localparam int unsigned South     = sn40l_pkg::PortSouth;
  localparam int unsigned West      = sn40l_pkg::PortWest;

  logic [Planes-1:0]                  rx_valid, rx_ready, tx_valid, tx_ready;
  logic [Planes-1:0][PacketWidth-1:0] rx_packet, tx_packet;
  logic [StatWords-1:0][31:0]         unit_stat;
  logic [Planes-1:0][1:0][31:0]       switch_stat;
  logic [31:0]                        perf;

  for (genvar p = 0; p < Planes; p++) begin : gen_plane
    logic [Links:0] in_valid, in_credit, out_valid, out_credit;

    assign in_valid       = {in_valid_i[p], tx_valid[p]};
    assign out_credit     = {out_credit_i[p], 1'b0};
    assign in_credit_o[p] = in_credit[Links:1];
    assign out_valid_o[p] = out_valid[Links:1];
    assign rx_valid[p]    = out_valid[Local];

    sn40l_switch #(.HopDepth(HopDepth)) i_switch (
      .clk_i,
      .rst_ni,
      .cfg_valid_i (cfg_switch_i[p]),
      .cfg_addr_i  (cfg_addr_i[8:0]),
      .cfg_data_i,
      .in_valid_i  (in_valid),
      .in_local_i  (tx_packet[p]),
      .in_north_i  (in_packet_i[p][North-1]),
      .in_east_i   (in_packet_i[p][East-1]),
      .in_south_i  (in_packet_i[p][South-1]),
      .in_west_i   (in_packet_i[p][West-1]),
      .in_ready_o  (tx_ready[p]),
      .in_credit_o (in_credit),
      .out_valid_o (out_valid),
      .out_local_o (rx_packet[p]),
      .out_north_o (out_packet_o[p][North-1]),
      .out_east_o  (out_packet_o[p][East-1]),
      .out_south_o (out_packet_o[p][South-1]),
      .out_west_o  (out_packet_o[p][West-1]),
      .out_ready_i (rx_ready[p]),
      .out_credit_i(out_credit),
      .stalls_o    (switch_stat[p][0]),
      .strays_o    (switch_stat[p][1])
    );

    logic unused_credit;
    assign unused_credit = in_credit[Local];
  end

  if (Kind == 2) begin : gen_agcu
    sn40l_agcu i_agcu (
      .clk_i,
      .rst_ni,
      .start_i,
      .done_o,
      .abort_i,
      .cfg_valid_i  (cfg_unit_i),
      .cfg_addr_i,
      .cfg_data_i,
      .token_i,
      .token_o,
      .rx_valid_i   (rx_valid),
      .rx_ready_o   (rx_ready),
      .rx_packet_i  (rx_packet),
      .tx_valid_o   (tx_valid),
      .tx_ready_i   (tx_ready),
      .tx_packet_o  (tx_packet),
      .stat_o       (unit_stat),
      .completion_valid_o,
      .completion_o,
      .irq_o,
      .error_o,
      .error_completion_o,
      .perf_select_i(stat_word_i[2:0]),
      .perf_o       (perf),
      .axi_ar_valid_o,
      .axi_ar_ready_i,
      .axi_ar_id_o,
      .axi_ar_addr_o,
      .axi_ar_len_o,
      .axi_r_valid_i,
      .axi_r_ready_o,
      .axi_r_id_i,
      .axi_r_data_i,
      .axi_r_resp_i,
      .axi_aw_valid_o,
      .axi_aw_ready_i,
      .axi_aw_id_o,
      .axi_aw_addr_o,
      .axi_aw_len_o,
      .axi_w_valid_o,
      .axi_w_ready_i,
      .axi_w_data_o,
      .axi_w_strb_o,
      .axi_w_last_o,
      .axi_b_valid_i,
      .axi_b_ready_o,
      .axi_b_id_i,
      .axi_b_resp_i
    );
  end else begin : gen_no_agcu
    assign perf               = '0;
    assign completion_valid_o = 1'b0;
    assign completion_o       = '0;
    assign irq_o              = 1'b0;
    assign error_o            = 1'b0;
    assign error_completion_o = '0;
    assign axi_ar_valid_o     = 1'b0;
    assign axi_ar_id_o        = '0;
    assign axi_ar_addr_o      = '0;
    assign axi_ar_len_o       = '0;
    assign axi_r_ready_o      = 1'b0;
    assign axi_aw_valid_o     = 1'b0;
    assign axi_aw_id_o        = '0;
    assign axi_aw_addr_o      = '0;
    assign axi_aw_len_o       = '0;
    assign axi_w_valid_o      = 1'b0;
    assign axi_w_data_o       = '0;
    assign axi_w_strb_o       = '0;
    assign axi_w_last_o       = 1'b0;
    assign axi_b_ready_o      = 1'b0;

    logic unused_axi;
    assign unused_axi = ^{stat_word_i[2], abort_i, axi_ar_ready_i, axi_r_valid_i, axi_r_id_i, axi_r_data_i, axi_r_resp_i,
                          axi_aw_ready_i, axi_w_ready_i, axi_b_valid_i, axi_b_id_i, axi_b_resp_i};
  end

  if (Kind == 0 || Kind == 3) begin : gen_pcu
    sn40l_pcu #(.Bitmod(Kind == 3)) i_pcu (
      .clk_i,
      .rst_ni,
      .start_i,
      .done_o,
      .cfg_valid_i(cfg_unit_i),
      .cfg_addr_i,
      .cfg_data_i,
      .token_i,
      .token_o,
      .rx_valid_i (rx_valid),
      .rx_ready_o (rx_ready),
      .rx_packet_i(rx_packet),
      .tx_valid_o (tx_valid),
      .tx_ready_i (tx_ready),
      .tx_packet_o(tx_packet),
      .stat_o     (unit_stat)
    );
  end else if (Kind == 1) begin : gen_pmu
    sn40l_pmu #(.Banks(PmuBanks), .Depth(PmuDepth), .SinglePort(PmuSinglePort)) i_pmu (
      .clk_i,
      .rst_ni,
      .start_i,
      .done_o,
      .cfg_valid_i(cfg_unit_i),
      .cfg_addr_i,
      .cfg_data_i,
      .token_i,
      .token_o,
      .rx_valid_i (rx_valid),
      .rx_ready_o (rx_ready),
      .rx_packet_i(rx_packet),
      .tx_valid_o (tx_valid),
      .tx_ready_i (tx_ready),
      .tx_packet_o(tx_packet),
      .stat_o     (unit_stat)
    );
  end

  assign stat_data_o = stat_switch_i  ? switch_stat[stat_word_i[1]][stat_word_i[0]]
                     : stat_word_i[3] ? perf
                     :                  unit_stat[stat_word_i[1:0]];

  if (Kind > 3) begin : gen_bad_kind
    $error("sn40l_node: Kind must be 0..3");
  end

endmodule
