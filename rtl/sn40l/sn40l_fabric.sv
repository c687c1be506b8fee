// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The fabric: a mesh of PCUs, PMUs and AGCUs on two planes of the vector network, the control network, the
// decoding of configuration and counters (SN40L, MICRO 2024, section IV).
//
// Node n = y * Cols + x. Columns in AgcuCols hold AGCUs; in the others PCUs and PMUs alternate like the squares
// of a chessboard, beginning with a PCU, those in BitmodCols with a BitMoD array for a body. AGCU a = y *
// (columns of AGCUs) + those of its row before it; each has an AXI4 master. Registers are in sn40l_pkg,
// sn40l_pcu_pkg and sn40l_mem_pkg. start_i starts every unit; those without a configuration stay done.
//
// Counters, answered in the next cycle: stat_unit_i = node, stat_word_i = word of its stat_o, 8 + k of an AGCU
// its perf_o k; stat_unit_i = 64 + node, stat_word_i = {plane, 0 stalls | 1 strays}: its switches'.

module sn40l_fabric #(
  parameter  int unsigned Rows           = 4,
  parameter  int unsigned Cols           = 12,
  parameter  logic [63:0] AgcuCols       = 64'h891,  // columns 0, 4, 7 and 11
  parameter  logic [63:0] BitmodCols     = 64'h0,
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
  localparam int unsigned Links       = sn40l_pkg::SwitchPorts - 1;
  localparam int unsigned Tokens      = sn40l_pkg::Tokens;
  localparam int unsigned PacketWidth = sn40l_pkg::PacketWidth;
  localparam int unsigned North       = sn40l_pkg::PortNorth - 1;
  localparam int unsigned East        = sn40l_pkg::PortEast - 1;
  localparam int unsigned South       = sn40l_pkg::PortSouth - 1;
  localparam int unsigned West        = sn40l_pkg::PortWest - 1;

  logic [Nodes-1:0][Tokens-1:0] source, sink;
  logic [Nodes-1:0]             done;
  logic [Nodes-1:0][31:0]       stat;

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
      localparam int unsigned Kind   = AgcuCols[x] ? 2 : (y + x - Before) % 2 == 1 ? 1 : BitmodCols[x] ? 3 : 0;

      logic [Planes-1:0][Links-1:0]                  in_valid, in_credit, out_valid, out_credit;
      logic [Planes-1:0][Links-1:0][PacketWidth-1:0] in_packet, out_packet;
      logic [Planes-1:0]                             cfg_switch;

      for (genvar p = 0; p < Planes; p++) begin : gen_plane
        assign cfg_switch[p] = cfg_valid_i && 32'(cfg_unit_i) == sn40l_pkg::CfgSwitch + Node &&
                               32'(cfg_addr_i[sn40l_pkg::CfgAddrWidth-1:9]) == p;

        // Links to the neighbours. Beyond the edge nothing comes, and no credit comes back.
        if (y > 0) begin : gen_north
          assign in_valid[p][North]   = gen_row[y-1].gen_node[x].out_valid[p][South];
          assign in_packet[p][North]  = gen_row[y-1].gen_node[x].out_packet[p][South];
          assign out_credit[p][North] = gen_row[y-1].gen_node[x].in_credit[p][South];
        end else begin : gen_no_north
          assign in_valid[p][North]   = 1'b0;
          assign in_packet[p][North]  = '0;
          assign out_credit[p][North] = 1'b0;
        end
        if (x < Cols - 1) begin : gen_east
          assign in_valid[p][East]   = gen_row[y].gen_node[x+1].out_valid[p][West];
          assign in_packet[p][East]  = gen_row[y].gen_node[x+1].out_packet[p][West];
          assign out_credit[p][East] = gen_row[y].gen_node[x+1].in_credit[p][West];
        end else begin : gen_no_east
          assign in_valid[p][East]   = 1'b0;
          assign in_packet[p][East]  = '0;
          assign out_credit[p][East] = 1'b0;
        end
        if (y < Rows - 1) begin : gen_south
          assign in_valid[p][South]   = gen_row[y+1].gen_node[x].out_valid[p][North];
          assign in_packet[p][South]  = gen_row[y+1].gen_node[x].out_packet[p][North];
          assign out_credit[p][South] = gen_row[y+1].gen_node[x].in_credit[p][North];
        end else begin : gen_no_south
          assign in_valid[p][South]   = 1'b0;
          assign in_packet[p][South]  = '0;
          assign out_credit[p][South] = 1'b0;
        end
        if (x > 0) begin : gen_west
          assign in_valid[p][West]   = gen_row[y].gen_node[x-1].out_valid[p][East];
          assign in_packet[p][West]  = gen_row[y].gen_node[x-1].out_packet[p][East];
          assign out_credit[p][West] = gen_row[y].gen_node[x-1].in_credit[p][East];
        end else begin : gen_no_west
          assign in_valid[p][West]   = 1'b0;
          assign in_packet[p][West]  = '0;
          assign out_credit[p][West] = 1'b0;
        end
      end

      // The AXI4 and completion ports of an AGCU; other nodes have none.
      localparam int unsigned Agcu = (Kind == 2) ? y * RowAgcus + Before : 0;

      logic completion_valid;
      logic [Completion-1:0] completion;
      logic irq;
      logic error;
      logic [Completion-1:0] error_completion;
      logic axi_ar_valid;
      logic [sn40l_mem_pkg::IdWidth-1:0] axi_ar_id;
      logic [sn40l_mem_pkg::AddrWidth-1:0] axi_ar_addr;
      logic [7:0] axi_ar_len;
      logic axi_r_ready;
      logic axi_aw_valid;
      logic [sn40l_mem_pkg::IdWidth-1:0] axi_aw_id;
      logic [sn40l_mem_pkg::AddrWidth-1:0] axi_aw_addr;
      logic [7:0] axi_aw_len;
      logic axi_w_valid;
      logic [sn40l_mem_pkg::DataWidth-1:0] axi_w_data;
      logic [sn40l_mem_pkg::StrbWidth-1:0] axi_w_strb;
      logic axi_w_last;
      logic axi_b_ready;

      sn40l_node #(
        .Kind         (Kind),
        .PmuBanks     (PmuBanks),
        .PmuDepth     (PmuDepth),
        .PmuSinglePort(PmuSinglePort),
        .HopDepth     (HopDepth)
      ) i_node (
        .clk_i,
        .rst_ni,
        .start_i,
        .done_o            (done[Node]),
        .cfg_unit_i        (cfg_valid_i && 32'(cfg_unit_i) == Node),
        .cfg_switch_i      (cfg_switch),
        .cfg_addr_i,
        .cfg_data_i,
        .stat_switch_i     (stat_unit_i[6]),
        .stat_word_i,
        .stat_data_o       (stat[Node]),
        .token_i           (sink[Node]),
        .token_o           (source[Node]),
        .in_valid_i        (in_valid),
        .in_packet_i       (in_packet),
        .in_credit_o       (in_credit),
        .out_valid_o       (out_valid),
        .out_packet_o      (out_packet),
        .out_credit_i      (out_credit),
        .abort_i,
        .completion_valid_o(completion_valid),
        .completion_o      (completion),
        .irq_o             (irq),
        .error_o           (error),
        .error_completion_o(error_completion),
        .axi_ar_valid_o    (axi_ar_valid),
        .axi_ar_id_o       (axi_ar_id),
        .axi_ar_addr_o     (axi_ar_addr),
        .axi_ar_len_o      (axi_ar_len),
        .axi_r_ready_o     (axi_r_ready),
        .axi_aw_valid_o    (axi_aw_valid),
        .axi_aw_id_o       (axi_aw_id),
        .axi_aw_addr_o     (axi_aw_addr),
        .axi_aw_len_o      (axi_aw_len),
        .axi_w_valid_o     (axi_w_valid),
        .axi_w_data_o      (axi_w_data),
        .axi_w_strb_o      (axi_w_strb),
        .axi_w_last_o      (axi_w_last),
        .axi_b_ready_o     (axi_b_ready),
        .axi_ar_ready_i    ((Kind == 2) ? axi_ar_ready_i[Agcu] : '0),
        .axi_r_valid_i     ((Kind == 2) ? axi_r_valid_i[Agcu] : '0),
        .axi_r_id_i        ((Kind == 2) ? axi_r_id_i[Agcu] : '0),
        .axi_r_data_i      ((Kind == 2) ? axi_r_data_i[Agcu] : '0),
        .axi_r_resp_i      ((Kind == 2) ? axi_r_resp_i[Agcu] : '0),
        .axi_aw_ready_i    ((Kind == 2) ? axi_aw_ready_i[Agcu] : '0),
        .axi_w_ready_i     ((Kind == 2) ? axi_w_ready_i[Agcu] : '0),
        .axi_b_valid_i     ((Kind == 2) ? axi_b_valid_i[Agcu] : '0),
        .axi_b_id_i        ((Kind == 2) ? axi_b_id_i[Agcu] : '0),
        .axi_b_resp_i      ((Kind == 2) ? axi_b_resp_i[Agcu] : '0)
      );

      if (Kind == 2) begin : gen_agcu
        assign completion_valid_o[Agcu] = completion_valid;
        assign completion_o[Agcu] = completion;
        assign irq_o[Agcu] = irq;
        assign error_o[Agcu] = error;
        assign error_completion_o[Agcu] = error_completion;
        assign axi_ar_valid_o[Agcu] = axi_ar_valid;
        assign axi_ar_id_o[Agcu] = axi_ar_id;
        assign axi_ar_addr_o[Agcu] = axi_ar_addr;
        assign axi_ar_len_o[Agcu] = axi_ar_len;
        assign axi_r_ready_o[Agcu] = axi_r_ready;
        assign axi_aw_valid_o[Agcu] = axi_aw_valid;
        assign axi_aw_id_o[Agcu] = axi_aw_id;
        assign axi_aw_addr_o[Agcu] = axi_aw_addr;
        assign axi_aw_len_o[Agcu] = axi_aw_len;
        assign axi_w_valid_o[Agcu] = axi_w_valid;
        assign axi_w_data_o[Agcu] = axi_w_data;
        assign axi_w_strb_o[Agcu] = axi_w_strb;
        assign axi_w_last_o[Agcu] = axi_w_last;
        assign axi_b_ready_o[Agcu] = axi_b_ready;
      end else begin : gen_no_agcu
        logic unused_agcu;
        assign unused_agcu = ^{completion_valid, completion, irq, error, error_completion, axi_ar_valid, axi_ar_id, axi_ar_addr, axi_ar_len, axi_r_ready, axi_aw_valid, axi_aw_id, axi_aw_addr, axi_aw_len, axi_w_valid, axi_w_data, axi_w_strb, axi_w_last, axi_b_ready};
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
  logic [31:0] stat_data_q;
  logic        unknown;

  assign unknown = stat_unit_i[7] || 32'(stat_unit_i[5:0]) >= Nodes;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)      stat_data_q <= '0;
    else if (unknown) stat_data_q <= '0;
    else              stat_data_q <= stat[stat_unit_i[NodeWidth-1:0]];
  end

  assign stat_data_o = stat_data_q;

  if (Nodes < 2 || Nodes > sn40l_pkg::MaxNodes) begin : gen_bad_size
    $error("sn40l_fabric: Rows * Cols must be 2..64");
  end
  if (RowAgcus < 1) begin : gen_bad_agcus
    $error("sn40l_fabric: AgcuCols must name a column");
  end

endmodule
