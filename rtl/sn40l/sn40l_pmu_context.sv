// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Registers, addresses and the access under way of one reader or writer of a PMU (SN40L, MICRO 2024, section
// IV-B).
//
// go_i, only with ready_o, begins the next vector access: from the next cycle on its lanes ask for their banks
// until each is granted. An access follows the one before without a gap. finish_o: the last lane is granted
// now. Units are counted from start_i; when all have begun and finished, idle_o.

module sn40l_pmu_context #(
  parameter  int unsigned Banks     = 8,
  parameter  int unsigned Depth     = 4096,
  localparam int unsigned Lanes     = sn40l_pkg::Lanes,
  localparam int unsigned SeqWidth  = sn40l_pkg::SeqWidth,
  localparam int unsigned AddrWidth = sn40l_pkg::PmuAddrWidth,
  localparam int unsigned BankWidth = $clog2(Banks),
  localparam int unsigned RowWidth  = $clog2(Depth)
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  input  logic                            start_i,
  // Registers of this context
  input  logic                            cfg_valid_i,
  input  logic [4:0]                      cfg_addr_i,
  input  logic [31:0]                     cfg_data_i,
  output sn40l_pkg::pmu_control_t         control_o,
  output logic [23:0]                     credits_o,
  output logic [AddrWidth-1:0]            seq_stride_o,
  input  logic [BankWidth-1:0][4:0]       bank_bit_i,
  // The next access
  output logic                            expects_o,     // there are units to begin or to go on with
  output logic                            ready_o,
  output logic                            unit_first_o,  // it begins a unit
  input  logic                            go_i,
  input  logic [AddrWidth-1:0]            offset_i,      // added to its address
  // The access under way
  output logic                            valid_o,
  output logic                            first_o,       // in its first cycle
  output logic [SeqWidth-1:0]             seq_o,         // number in its unit
  output logic                            last_o,        // the last one of its unit
  output logic [Lanes-1:0]                pending_o,
  output logic [Lanes-1:0][BankWidth-1:0] bank_o,
  output logic [Lanes-1:0][RowWidth-1:0]  row_o,
  input  logic [Lanes-1:0]                granted_i,
  output logic                            finish_o,
  output logic                            idle_o
);

  localparam int unsigned Dims = sn40l_pkg::PmuAguDims;

  // Registers.
  sn40l_pkg::pmu_control_t        control_q;
  logic [AddrWidth-1:0]           base_q, lane_stride_q, low_q, high_q, seq_stride_q;
  logic [15:0]                    units_q;
  logic [23:0]                    credits_q;
  logic [4:0]                     skew_q;
  logic [Dims-1:0][15:0]          extent_q;
  logic [Dims-1:0][AddrWidth-1:0] stride_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      control_q     <= '0;
      base_q        <= '0;
      lane_stride_q <= '0;
      low_q         <= '0;
      high_q        <= '0;
      units_q       <= '0;
      seq_stride_q  <= '0;
      credits_q     <= '0;
      skew_q        <= '0;
      extent_q      <= {Dims{16'd1}};
      stride_q      <= '0;
    end else if (cfg_valid_i) begin
      unique case (cfg_addr_i)
        sn40l_pkg::PmuControl:    control_q     <= cfg_data_i[13:0];
        sn40l_pkg::PmuBase:       base_q        <= cfg_data_i[AddrWidth-1:0];
        sn40l_pkg::PmuLaneStride: lane_stride_q <= cfg_data_i[AddrWidth-1:0];
        sn40l_pkg::PmuLow:        low_q         <= cfg_data_i[AddrWidth-1:0];
        sn40l_pkg::PmuHigh:       high_q        <= cfg_data_i[AddrWidth-1:0];
        sn40l_pkg::PmuUnits:      units_q       <= cfg_data_i[15:0];
        sn40l_pkg::PmuSeqStride:  seq_stride_q  <= cfg_data_i[AddrWidth-1:0];
        sn40l_pkg::PmuCredits:    credits_q     <= cfg_data_i[23:0];
        sn40l_pkg::PmuSkew:       skew_q        <= cfg_data_i[4:0];
        default: begin
          for (int unsigned d = 0; d < Dims; d++) begin
            if (32'(cfg_addr_i) == 32'(sn40l_pkg::PmuExtent) + d) extent_q[d] <= cfg_data_i[15:0];
            if (32'(cfg_addr_i) == 32'(sn40l_pkg::PmuStride) + d) stride_q[d] <= cfg_data_i[AddrWidth-1:0];
          end
        end
      endcase
    end
  end

  // Addresses of the next access.
  logic [AddrWidth-1:0]            addr;
  logic                            unit_last;
  logic [Lanes-1:0]                active;
  logic [Lanes-1:0][BankWidth-1:0] bank;
  logic [Lanes-1:0][RowWidth-1:0]  row;

  sn40l_agu #(.Dims(Dims), .AddrWidth(AddrWidth), .CntWidth(16)) i_agu (
    .clk_i,
    .rst_ni,
    .load_i     (start_i),
    .step_i     (go_i),
    .base_i     (base_q),
    .extent_i   (extent_q),
    .stride_i   (stride_q),
    .dims_i     (control_q.dims),
    .addr_o     (addr),
    .unit_last_o(unit_last)
  );

  sn40l_pmu_lanes #(.Banks(Banks), .Depth(Depth)) i_lanes (
    .enable_i     (go_i),
    .addr_i       (addr + offset_i),
    .lane_stride_i(lane_stride_q),
    .low_i        (low_q),
    .high_i       (high_q),
    .skew_i       (skew_q),
    .bank_bit_i,
    .active_o     (active),
    .bank_o       (bank),
    .row_o        (row)
  );

  // The access under way, units to come.
  logic [15:0]                     units_left_q;
  logic [SeqWidth-1:0]             next_seq_q, seq_q;
  logic                            begins_q;  // the next access is a unit's first; its number may wrap
  logic                            valid_q, first_q, last_q;
  logic [Lanes-1:0]                pending_q;
  logic [Lanes-1:0][BankWidth-1:0] bank_q;
  logic [Lanes-1:0][RowWidth-1:0]  row_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      units_left_q <= '0;
      next_seq_q   <= '0;
      begins_q     <= 1'b1;
      valid_q      <= 1'b0;
      first_q      <= 1'b0;
      last_q       <= 1'b0;
      seq_q        <= '0;
      pending_q    <= '0;
      bank_q       <= '0;
      row_q        <= '0;
    end else if (start_i) begin
      units_left_q <= control_q.enable ? units_q : '0;
      next_seq_q   <= '0;
      begins_q     <= 1'b1;
      valid_q      <= 1'b0;
      pending_q    <= '0;
    end else if (go_i) begin
      if (unit_last) units_left_q <= units_left_q - 16'd1;
      next_seq_q <= unit_last ? '0 : next_seq_q + SeqWidth'(1);
      begins_q   <= unit_last;
      valid_q    <= 1'b1;
      first_q    <= 1'b1;
      last_q     <= unit_last;
      seq_q      <= next_seq_q;
      pending_q  <= active;
      bank_q     <= bank;
      row_q      <= row;
    end else if (valid_q) begin
      valid_q   <= !finish_o;
      first_q   <= 1'b0;
      pending_q <= pending_q & ~granted_i;
    end
  end

  assign expects_o    = units_left_q != '0;
  assign finish_o     = valid_q && (pending_q & ~granted_i) == '0;
  assign ready_o      = expects_o && (!valid_q || finish_o);
  assign unit_first_o = begins_q;
  assign idle_o       = !expects_o && !valid_q;
  assign valid_o      = valid_q;
  assign first_o      = first_q;
  assign last_o       = last_q;
  assign seq_o        = seq_q;
  assign pending_o    = pending_q;
  assign bank_o       = bank_q;
  assign row_o        = row_q;
  assign control_o    = control_q;
  assign credits_o    = credits_q;
  assign seq_stride_o = seq_stride_q;

  logic unused_cfg_data;
  assign unused_cfg_data = ^cfg_data_i[31:24];

endmodule
