// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Order of a SIMD program's vectors: the prologue once, then the body trips * units times
// (sn40l_pcu_pkg).
//
// While active_o the next vector is number index_o of the instruction at pc_o; it goes with fire_i. Outside
// runs pc_o is 0. Whether operands and room are there is not its business.

module sn40l_pcu_sequencer #(
  localparam int unsigned PcWidth = sn40l_pcu_pkg::PcWidth
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               start_i,
  input  logic [PcWidth-1:0] body_i,
  input  logic [PcWidth-1:0] end_i,
  input  logic [15:0]        trips_i,
  input  logic [31:0]        units_i,
  output logic               active_o,
  output logic [PcWidth-1:0] pc_o,
  input  logic [7:0]         count_i,  // of the instruction at pc_o: vectors less one
  input  logic               fire_i,
  output logic [7:0]         index_o,
  output logic               first_o,
  output logic               last_o
);

  logic               active_q;
  logic [PcWidth-1:0] pc_q;
  logic [7:0]         index_q;
  logic [15:0]        trip_q;
  logic [31:0]        unit_q;
  logic               trip_last, unit_last;

  assign active_o  = active_q;
  assign pc_o      = pc_q;
  assign index_o   = index_q;
  assign first_o   = index_q == '0;
  assign last_o    = index_q == count_i;
  assign trip_last = trip_q == trips_i - 16'd1;
  assign unit_last = unit_q == units_i - 32'd1;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      pc_q     <= '0;
      index_q  <= '0;
      trip_q   <= '0;
      unit_q   <= '0;
    end else if (start_i) begin
      active_q <= 1'b1;
    end else if (fire_i) begin
      index_q <= last_o ? '0 : index_q + 8'd1;
      if (last_o) pc_q <= (pc_q == end_i) ? body_i : pc_q + PcWidth'(1);
      if (last_o && pc_q == end_i) begin
        trip_q <= trip_last ? '0 : trip_q + 16'd1;
        if (trip_last) unit_q <= unit_last ? '0 : unit_q + 32'd1;
        if (trip_last && unit_last) begin
          active_q <= 1'b0;
          pc_q     <= '0;
        end
      end
    end
  end

endmodule
