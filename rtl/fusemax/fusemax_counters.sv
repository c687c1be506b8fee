// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Cycles of a run: busy, standing still for keys, with an operation begun in the array, in the lanes.
//
// clear_i at its start; the counts stay after its end. They do not saturate.

module fusemax_counters (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        clear_i,
  input  logic        busy_i,
  input  logic        stall_i,
  input  logic        array_i,
  input  logic        row_i,
  output logic [63:0] cycles_o,
  output logic [63:0] stall_cycles_o,
  output logic [63:0] busy_2d_o,
  output logic [63:0] busy_1d_o
);

  logic [63:0] cycles_q, stall_q, array_q, row_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      cycles_q <= '0;
      stall_q  <= '0;
      array_q  <= '0;
      row_q    <= '0;
    end else if (clear_i) begin
      cycles_q <= '0;
      stall_q  <= '0;
      array_q  <= '0;
      row_q    <= '0;
    end else begin
      if (busy_i)  cycles_q <= cycles_q + 64'd1;
      if (stall_i) stall_q  <= stall_q + 64'd1;
      if (array_i) array_q  <= array_q + 64'd1;
      if (row_i)   row_q    <= row_q + 64'd1;
    end
  end

  assign cycles_o       = cycles_q;
  assign stall_cycles_o = stall_q;
  assign busy_2d_o      = array_q;
  assign busy_1d_o      = row_q;

endmodule
