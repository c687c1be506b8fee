// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The fabric: a mesh of PCUs, PMUs and AGCUs on two planes of the vector network, the control network, the
// decoding of configuration and counters (SN40L, MICRO 2024, section IV).
//
// Node n = y * Cols + x. Columns in AgcuCols hold AGCUs; in the others PCUs and PMUs alternate like the squares
// of a chessboard, beginning with a PCU. AGCU a = y * (columns of AGCUs) + those of its row before it; each has
// an AXI4 master. Registers are in sn40l_pkg, sn40l_pcu_pkg and sn40l_mem_pkg. start_i starts every unit;
// those without a configuration stay done.
//
// Counters, answered in the next cycle: stat_unit_i = node, stat_word_i = word of its stat_o, 8 + k of an AGCU
// its perf_o k; stat_unit_i = 64 + node, stat_word_i = {plane, 0 stalls | 1 strays}: its switches'.

module sn40l_fabric #(
  parameter  int unsigned Rows           = 4,
  parameter  int unsigned Cols           = 12,
  parameter  logic [63:0] AgcuCols       = 64'h891,  // columns 0, 4, 7 and 11
  parameter  int unsigned PmuBanks       = 8,
  parameter  int unsigned PmuDepth       = 4096,
  parameter  bit          PmuSinglePort  = 1'b0,
  parameter  int unsigned HopDepth       = 4,
  parameter  int unsigned ControlLatency = 2,
  localparam int unsigned Nodes          = Rows * Cols,
  localparam int unsigned RowAgcus       = $countones(AgcuCols & ((64'd1 << Cols) - 64'd1)),
  localparam int unsigned Agcus          = Rows * RowAgcus,
  localparam int unsigned Completion     = $bits(sn40l_mem_pkg::completion_t)
) (
  input  logic                                           clk_i,
  input  logic                                           rst_ni,
  input  logic                                           start_i,
  output logic                                           done_o,
  input  logic                                           cfg_valid_i,
  input  logic [sn40l_pkg::CfgUnitWidth-1:0]             cfg_unit_i,
  input  logic [sn40l_pkg::CfgAddrWidth-1:0]             cfg_addr_i,
  input  logic [31:0]                                    cfg_data_i,
  input  logic [sn40l_pkg::CfgUnitWidth-1:0]             stat_unit_i,
  input  logic [3:0]                                     stat_word_i,
  output logic [31:0]                                    stat_data_o,
  // AGCUs
  input  logic                                           abort_i,
  output logic [Agcus-1:0]                               completion_valid_o,
  output logic [Agcus-1:0][Completion-1:0]               completion_o,
  output logic [Agcus-1:0]                               irq_o,
  output logic [Agcus-1:0]                               error_o,
  output logic [Agcus-1:0][Completion-1:0]               error_completion_o,
  output logic [Agcus-1:0]                               axi_ar_valid_o,
  input  logic [Agcus-1:0]                               axi_ar_ready_i,
  output logic [Agcus-1:0][sn40l_mem_pkg::IdWidth-1:0]   axi_ar_id_o,
  output logic [Agcus-1:0][sn40l_mem_pkg::AddrWidth-1:0] axi_ar_addr_o,
  output logic [Agcus-1:0][7:0]                          axi_ar_len_o,
  input  logic [Agcus-1:0]                               axi_r_valid_i,
  output logic [Agcus-1:0]                               axi_r_ready_o,
  input  logic [Agcus-1:0][sn40l_mem_pkg::IdWidth-1:0]   axi_r_id_i,
  input  logic [Agcus-1:0][sn40l_mem_pkg::DataWidth-1:0] axi_r_data_i,
  input  logic [Agcus-1:0][1:0]                          axi_r_resp_i,
  output logic [Agcus-1:0]                               axi_aw_valid_o,
  input  logic [Agcus-1:0]                               axi_aw_ready_i,
  output logic [Agcus-1:0][sn40l_mem_pkg::IdWidth-1:0]   axi_aw_id_o,
  output logic [Agcus-1:0][sn40l_mem_pkg::AddrWidth-1:0] axi_aw_addr_o,
  output logic [Agcus-1:0][7:0]                          axi_aw_len_o,
  output logic [Agcus-1:0]                               axi_w_valid_o,
  input  logic [Agcus-1:0]                               axi_w_ready_i,
  output logic [Agcus-1:0][sn40l_mem_pkg::DataWidth-1:0] axi_w_data_o,
  output logic [Agcus-1:0][sn40l_mem_pkg::StrbWidth-1:0] axi_w_strb_o,
  output logic [Agcus-1:0]                               axi_w_last_o,
  input  logic [Agcus-1:0]                               axi_b_valid_i,
  output logic [Agcus-1:0]                               axi_b_ready_o,
  input  logic [Agcus-1:0][sn40l_mem_pkg::IdWidth-1:0]   axi_b_id_i,
  input  logic [Agcus-1:0][1:0]                          axi_b_resp_i
);

  localparam int unsigned NodeWidth   = $clog2(Nodes);
  localparam int unsigned Planes      = sn40l_pkg::Planes;
  localparam int unsigned Ports       = sn40l_pkg::SwitchPorts;
  localparam int unsigned Tokens      = sn40l_pkg::Tokens;
  localparam int unsigned StatWords   = sn40l_pkg::StatWords;
  localparam int unsigned PacketWidth = sn40l_pkg::PacketWidth;
  localparam int unsigned Local       = sn40l_pkg::PortLocal;
  localparam int unsigned North       = sn40l_pkg::PortNorth;
  localparam int unsigned East        = sn40l_pkg::PortEast;
  localparam int unsigned South       = sn40l_pkg::PortSouth;
  localparam int unsigned West        = sn40l_pkg::PortWest;

  logic [Nodes-1:0][Tokens-1:0]              source, sink;
  logic [Nodes-1:0]                          done;
  logic [Nodes-1:0][StatWords-1:0][31:0]     unit_stat;
  logic [Nodes-1:0][Planes-1:0][1:0][31:0]   switch_stat;
  logic [Nodes-1:0][31:0]                    perf;

  sn40l_control #(.Wires(Nodes * Tokens), .Latency(ControlLatency)) i_control (
    .clk_i,
    .rst_ni,
    .cfg_valid_i(cfg_valid_i && 32'(cfg_unit_i) == sn40l_pkg::CfgControl),
    .cfg_addr_i,
    .cfg_data_i,
    .source_i   (source),
    .sink_o     (sink)
  );

  for (genvar y = 0; y < Rows; y++) begin : gen_row
    for (genvar x = 0; x < Cols; x++) begin : gen_node
      localparam int unsigned Node = y * Cols + x;
      // AGCUs of the row before this node.
      localparam int unsigned Before = $countones(AgcuCols & ((64'd1 << x) - 64'd1));

      logic                                cfg_unit;
      logic [Planes-1:0]                   rx_valid, rx_ready, tx_valid, tx_ready;
      logic [Planes-1:0][PacketWidth-1:0]  rx_packet, tx_packet;

      assign cfg_unit = cfg_valid_i && 32'(cfg_unit_i) == Node;

      for (genvar p = 0; p < Planes; p++) begin : gen_plane
        logic [Ports-1:0]                  in_valid, in_credit, out_valid, out_credit;
        logic [Ports-1:0][PacketWidth-1:0] in_packet, out_packet;
        logic                              cfg_switch;

        assign cfg_switch = cfg_valid_i && 32'(cfg_unit_i) == sn40l_pkg::CfgSwitch + Node &&
                            32'(cfg_addr_i[sn40l_pkg::CfgAddrWidth-1:9]) == p;

        sn40l_switch #(.HopDepth(HopDepth)) i_switch (
          .clk_i,
          .rst_ni,
          .cfg_valid_i (cfg_switch),
          .cfg_addr_i  (cfg_addr_i[8:0]),
          .cfg_data_i,
          .in_valid_i  (in_valid),
          .in_packet_i (in_packet),
          .in_ready_o  (tx_ready[p]),
          .in_credit_o (in_credit),
          .out_valid_o (out_valid),
          .out_packet_o(out_packet),
          .out_ready_i (rx_ready[p]),
          .out_credit_i(out_credit),
          .stalls_o    (switch_stat[Node][p][0]),
          .strays_o    (switch_stat[Node][p][1])
        );

        assign in_valid[Local]   = tx_valid[p];
        assign in_packet[Local]  = tx_packet[p];
        assign rx_valid[p]       = out_valid[Local];
        assign rx_packet[p]      = out_packet[Local];
        assign out_credit[Local] = 1'b0;

        // Links to the neighbours. Beyond the edge nothing comes, and no credit comes back.
        if (y > 0) begin : gen_north
          assign in_valid[North]   = gen_row[y-1].gen_node[x].gen_plane[p].out_valid[South];
          assign in_packet[North]  = gen_row[y-1].gen_node[x].gen_plane[p].out_packet[South];
          assign out_credit[North] = gen_row[y-1].gen_node[x].gen_plane[p].in_credit[South];
        end else begin : gen_no_north
          assign in_valid[North]   = 1'b0;
          assign in_packet[North]  = '0;
          assign out_credit[North] = 1'b0;
        end
        if (x < Cols - 1) begin : gen_east
          assign in_valid[East]   = gen_row[y].gen_node[x+1].gen_plane[p].out_valid[West];
          assign in_packet[East]  = gen_row[y].gen_node[x+1].gen_plane[p].out_packet[West];
          assign out_credit[East] = gen_row[y].gen_node[x+1].gen_plane[p].in_credit[West];
        end else begin : gen_no_east
          assign in_valid[East]   = 1'b0;
          assign in_packet[East]  = '0;
          assign out_credit[East] = 1'b0;
        end
        if (y < Rows - 1) begin : gen_south
          assign in_valid[South]   = gen_row[y+1].gen_node[x].gen_plane[p].out_valid[North];
          assign in_packet[South]  = gen_row[y+1].gen_node[x].gen_plane[p].out_packet[North];
          assign out_credit[South] = gen_row[y+1].gen_node[x].gen_plane[p].in_credit[North];
        end else begin : gen_no_south
          assign in_valid[South]   = 1'b0;
          assign in_packet[South]  = '0;
          assign out_credit[South] = 1'b0;
        end
        if (x > 0) begin : gen_west
          assign in_valid[West]   = gen_row[y].gen_node[x-1].gen_plane[p].out_valid[East];
          assign in_packet[West]  = gen_row[y].gen_node[x-1].gen_plane[p].out_packet[East];
          assign out_credit[West] = gen_row[y].gen_node[x-1].gen_plane[p].in_credit[East];
        end else begin : gen_no_west
          assign in_valid[West]   = 1'b0;
          assign in_packet[West]  = '0;
          assign out_credit[West] = 1'b0;
        end
      end

      if (AgcuCols[x]) begin : gen_agcu
        localparam int unsigned Agcu = y * RowAgcus + Before;

        sn40l_agcu i_agcu (
          .clk_i,
          .rst_ni,
          .start_i,
          .done_o            (done[Node]),
          .abort_i,
          .cfg_valid_i       (cfg_unit),
          .cfg_addr_i,
          .cfg_data_i,
          .token_i           (sink[Node]),
          .token_o           (source[Node]),
          .rx_valid_i        (rx_valid),
          .rx_ready_o        (rx_ready),
          .rx_packet_i       (rx_packet),
          .tx_valid_o        (tx_valid),
          .tx_ready_i        (tx_ready),
          .tx_packet_o       (tx_packet),
          .stat_o            (unit_stat[Node]),
          .completion_valid_o(completion_valid_o[Agcu]),
          .completion_o      (completion_o[Agcu]),
          .irq_o             (irq_o[Agcu]),
          .error_o           (error_o[Agcu]),
          .error_completion_o(error_completion_o[Agcu]),
          .perf_select_i     (stat_word_i[2:0]),
          .perf_o            (perf[Node]),
          .axi_ar_valid_o    (axi_ar_valid_o[Agcu]),
          .axi_ar_ready_i    (axi_ar_ready_i[Agcu]),
          .axi_ar_id_o       (axi_ar_id_o[Agcu]),
          .axi_ar_addr_o     (axi_ar_addr_o[Agcu]),
          .axi_ar_len_o      (axi_ar_len_o[Agcu]),
          .axi_r_valid_i     (axi_r_valid_i[Agcu]),
          .axi_r_ready_o     (axi_r_ready_o[Agcu]),
          .axi_r_id_i        (axi_r_id_i[Agcu]),
          .axi_r_data_i      (axi_r_data_i[Agcu]),
          .axi_r_resp_i      (axi_r_resp_i[Agcu]),
          .axi_aw_valid_o    (axi_aw_valid_o[Agcu]),
          .axi_aw_ready_i    (axi_aw_ready_i[Agcu]),
          .axi_aw_id_o       (axi_aw_id_o[Agcu]),
          .axi_aw_addr_o     (axi_aw_addr_o[Agcu]),
          .axi_aw_len_o      (axi_aw_len_o[Agcu]),
          .axi_w_valid_o     (axi_w_valid_o[Agcu]),
          .axi_w_ready_i     (axi_w_ready_i[Agcu]),
          .axi_w_data_o      (axi_w_data_o[Agcu]),
          .axi_w_strb_o      (axi_w_strb_o[Agcu]),
          .axi_w_last_o      (axi_w_last_o[Agcu]),
          .axi_b_valid_i     (axi_b_valid_i[Agcu]),
          .axi_b_ready_o     (axi_b_ready_o[Agcu]),
          .axi_b_id_i        (axi_b_id_i[Agcu]),
          .axi_b_resp_i      (axi_b_resp_i[Agcu])
        );
      end else if ((y + x - Before) % 2 == 0) begin : gen_pcu
        assign perf[Node] = '0;

        sn40l_pcu i_pcu (
          .clk_i,
          .rst_ni,
          .start_i,
          .done_o     (done[Node]),
          .cfg_valid_i(cfg_unit),
          .cfg_addr_i,
          .cfg_data_i,
          .token_i    (sink[Node]),
          .token_o    (source[Node]),
          .rx_valid_i (rx_valid),
          .rx_ready_o (rx_ready),
          .rx_packet_i(rx_packet),
          .tx_valid_o (tx_valid),
          .tx_ready_i (tx_ready),
          .tx_packet_o(tx_packet),
          .stat_o     (unit_stat[Node])
        );
      end else begin : gen_pmu
        assign perf[Node] = '0;

        sn40l_pmu #(.Banks(PmuBanks), .Depth(PmuDepth), .SinglePort(PmuSinglePort)) i_pmu (
          .clk_i,
          .rst_ni,
          .start_i,
          .done_o     (done[Node]),
          .cfg_valid_i(cfg_unit),
          .cfg_addr_i,
          .cfg_data_i,
          .token_i    (sink[Node]),
          .token_o    (source[Node]),
          .rx_valid_i (rx_valid),
          .rx_ready_o (rx_ready),
          .rx_packet_i(rx_packet),
          .tx_valid_o (tx_valid),
          .tx_ready_i (tx_ready),
          .tx_packet_o(tx_packet),
          .stat_o     (unit_stat[Node])
        );
      end
    end
  end

  // One register behind the units: done_o falls with the first of them after start_i.
  logic done_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) done_q <= 1'b1;
    else         done_q <= &done && !start_i;
  end

  assign done_o = done_q;

  // Counters.
  logic [31:0]          stat_data_q;
  logic [NodeWidth-1:0] stat_node;
  logic                 of_switch, unknown;

  assign stat_node = stat_unit_i[NodeWidth-1:0];
  assign of_switch = stat_unit_i[6];
  assign unknown   = stat_unit_i[7] || 32'(stat_unit_i[5:0]) >= Nodes;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)             stat_data_q <= '0;
    else if (unknown)        stat_data_q <= '0;
    else if (of_switch)      stat_data_q <= switch_stat[stat_node][stat_word_i[1]][stat_word_i[0]];
    else if (stat_word_i[3]) stat_data_q <= perf[stat_node];
    else                     stat_data_q <= unit_stat[stat_node][stat_word_i[1:0]];
  end

  assign stat_data_o = stat_data_q;

  if (Nodes < 2 || Nodes > sn40l_pkg::MaxNodes) begin : gen_bad_size
    $error("sn40l_fabric: Rows * Cols must be 2..64");
  end
  if (RowAgcus < 1) begin : gen_bad_agcus
    $error("sn40l_fabric: AgcuCols must name a column");
  end

endmodule
