// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Registers of the PCU: sn40l_pcu_pkg says what they mean.

module sn40l_pcu_registers #(
  localparam int unsigned Queues    = sn40l_pcu_pkg::Queues,
  localparam int unsigned Counters  = sn40l_pcu_pkg::Counters,
  localparam int unsigned FlowWidth = sn40l_pkg::FlowWidth,
  localparam int unsigned PcWidth   = sn40l_pcu_pkg::PcWidth
) (
  input  logic                                      clk_i,
  input  logic                                      rst_ni,
  input  logic                                      cfg_valid_i,
  input  logic [sn40l_pkg::CfgAddrWidth-1:0]        cfg_addr_i,
  input  logic [31:0]                               cfg_data_i,
  output logic [1:0]                                mode_o,
  output logic                                      bias_o,
  output logic [1:0]                                weights_o,
  output logic [31:0]                               specials_o,
  output logic [31:0]                               units_o,
  output logic [15:0]                               trips_o,
  output logic [15:0]                               depth_o,
  output logic [3:0]                                tiles_o,
  output logic [7:0]                                rows_o,
  output logic [PcWidth-1:0]                        body_o,
  output logic [PcWidth-1:0]                        last_o,
  output logic [3:0]                                lanes_o,
  output logic [FlowWidth-1:0]                      out_flow_o,
  output logic                                      out_plane_o,
  output logic [15:0]                               out_seq_o,
  output logic [16:0]                               packets_o,
  output logic [Counters-1:0]                       per_packet_o,
  output logic [Counters-1:0]                       per_unit_o,
  output logic [Counters-1:0][7:0]                  credits_o,
  output logic [Queues-1:0]                         queue_used_o,
  output logic [Queues-1:0]                         queue_plane_o,
  output logic [Queues-1:0][FlowWidth-1:0]          queue_flow_o,
  output logic [sn40l_pcu_pkg::Constants-1:0][31:0] constants_o,
  input  logic [PcWidth-1:0]                        pc_i,
  output logic [63:0]                               instruction_o
);

  logic       write;
  logic [6:0] addr;

  assign write = cfg_valid_i && cfg_addr_i[sn40l_pkg::CfgAddrWidth-1:7] == '0;
  assign addr  = cfg_addr_i[6:0];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      mode_o      <= '0;
      bias_o      <= 1'b0;
      weights_o   <= '0;
      specials_o  <= '0;
      units_o     <= '0;
      trips_o     <= '0;
      depth_o     <= '0;
      tiles_o     <= '0;
      rows_o      <= '0;
      body_o      <= '0;
      last_o      <= '0;
      lanes_o     <= '0;
      out_flow_o  <= '0;
      out_plane_o <= 1'b0;
      out_seq_o   <= '0;
      packets_o   <= '0;
    end else if (write) begin
      case (addr)
        sn40l_pcu_pkg::RegMode: begin
          mode_o    <= cfg_data_i[1:0];
          bias_o    <= cfg_data_i[2];
          weights_o <= cfg_data_i[5:4];
        end
        sn40l_pcu_pkg::RegUnits: units_o <= cfg_data_i;
        sn40l_pcu_pkg::RegTrips: trips_o <= cfg_data_i[15:0];
        sn40l_pcu_pkg::RegGemm: begin
          depth_o <= cfg_data_i[15:0];
          tiles_o <= cfg_data_i[19:16];
          rows_o  <= cfg_data_i[31:24];
        end
        sn40l_pcu_pkg::RegProgram: begin
          body_o <= cfg_data_i[4:0];
          last_o <= cfg_data_i[12:8];
        end
        sn40l_pcu_pkg::RegLanes: lanes_o <= cfg_data_i[3:0];
        sn40l_pcu_pkg::RegOutput: begin
          out_flow_o  <= cfg_data_i[FlowWidth-1:0];
          out_plane_o <= cfg_data_i[8];
          out_seq_o   <= cfg_data_i[31:16];
        end
        sn40l_pcu_pkg::RegPackets: packets_o <= cfg_data_i[16:0];
        sn40l_pcu_pkg::RegSpecials: specials_o <= cfg_data_i;
        default: ;
      endcase
    end
  end

  for (genvar c = 0; c < Counters; c++) begin : gen_credit
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        per_packet_o[c] <= 1'b0;
        per_unit_o[c]   <= 1'b0;
        credits_o[c]    <= '0;
      end else if (write && addr == sn40l_pcu_pkg::RegCredit + 7'(c)) begin
        per_packet_o[c] <= cfg_data_i[1:0] == 2'd1;
        per_unit_o[c]   <= cfg_data_i[1:0] == 2'd2;
        credits_o[c]    <= cfg_data_i[15:8];
      end
    end
  end

  for (genvar q = 0; q < Queues; q++) begin : gen_queue
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        queue_flow_o[q]  <= '0;
        queue_plane_o[q] <= 1'b0;
        queue_used_o[q]  <= 1'b0;
      end else if (write && addr == sn40l_pcu_pkg::RegQueue + 7'(q)) begin
        queue_flow_o[q]  <= cfg_data_i[FlowWidth-1:0];
        queue_plane_o[q] <= cfg_data_i[8];
        queue_used_o[q]  <= cfg_data_i[15];
      end
    end
  end

  for (genvar i = 0; i < sn40l_pcu_pkg::Constants; i++) begin : gen_constant
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) constants_o[i] <= '0;
      else if (write && addr == sn40l_pcu_pkg::RegConstant + 7'(i)) constants_o[i] <= cfg_data_i;
    end
  end

  // The program, halves apart.
  logic [31:0] low [sn40l_pcu_pkg::Instructions];
  logic [31:0] high [sn40l_pcu_pkg::Instructions];

  always_ff @(posedge clk_i) begin
    if (write && addr[6] && !addr[0]) low[addr[5:1]]  <= cfg_data_i;
    if (write && addr[6] && addr[0])  high[addr[5:1]] <= cfg_data_i;
  end

  assign instruction_o = {high[pc_i], low[pc_i]};

  logic unused_data;
  assign unused_data = ^cfg_data_i;

endmodule
