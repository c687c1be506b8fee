// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Registers of bitmod_accel: see bitmod_accel_pkg for their addresses, docs/verilog.md for their bits.
//
// start_o and abort_o are pulses; a start is dropped while busy or while an error has not been cleared.
// STATUS keeps done, error and nonfinite until they are written with 1, or (done, nonfinite) until
// the next start. Unknown addresses, writes to read-only registers, writes with fewer than four bytes, and
// writes of the base or the count while busy are answered with an error and change nothing.

module bitmod_accel_regs #(
  parameter int unsigned Rows      = 8,
  parameter int unsigned Cols      = 8,
  parameter int unsigned RowTiles  = 1,
  parameter int unsigned ColTiles  = 1,
  parameter int unsigned Lanes     = bitmod_pkg::Lanes,
  parameter int unsigned MaxTokens = 128,
  parameter int unsigned MaxGroups = 3
) (
  input  logic                                    clk_i,
  input  logic                                    rst_ni,
  // Bus
  input  logic                                    write_i,
  input  logic [7:0]                              write_addr_i,
  input  logic [31:0]                             write_data_i,
  input  logic [3:0]                              write_strb_i,
  output logic                                    write_bad_o,
  input  logic [7:0]                              read_addr_i,
  output logic [31:0]                             read_data_o,
  output logic                                    read_bad_o,
  output logic                                    irq_o,
  // Control
  output logic                                    start_o,
  output logic                                    abort_o,
  output logic [63:0]                             base_o,
  output logic [15:0]                             count_o,
  input  logic                                    busy_i,
  input  logic                                    done_i,
  input  logic                                    error_i,
  input  logic [bitmod_accel_pkg::ErrorWidth-1:0] error_code_i,
  input  logic [15:0]                             error_index_i,
  input  logic [15:0]                             progress_i,
  input  logic                                    nonfinite_i,
  input  logic                                    core_busy_i
);

  logic [63:0] base_q, cycles_q, core_cycles_q;
  logic [15:0] count_q;
  logic [1:0]  irq_enable_q;
  logic        done_q, error_q, nonfinite_q;
  logic        write, control, status;

  always_comb begin
    unique case (write_addr_i)
      bitmod_accel_pkg::RegControl,
      bitmod_accel_pkg::RegStatus,
      bitmod_accel_pkg::RegIrqEnable: write_bad_o = write_strb_i != '1;
      bitmod_accel_pkg::RegBaseLow,
      bitmod_accel_pkg::RegBaseHigh,
      bitmod_accel_pkg::RegCount:     write_bad_o = write_strb_i != '1 || busy_i;
      default:                        write_bad_o = 1'b1;
    endcase
  end

  assign write   = write_i && !write_bad_o;
  assign control = write && write_addr_i == bitmod_accel_pkg::RegControl;
  assign status  = write && write_addr_i == bitmod_accel_pkg::RegStatus;
  assign start_o = control && write_data_i[0] && !busy_i && !error_q && !error_i;
  assign abort_o = control && write_data_i[1] && busy_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      base_q        <= '0;
      count_q       <= '0;
      irq_enable_q  <= '0;
      done_q        <= 1'b0;
      error_q       <= 1'b0;
      nonfinite_q   <= 1'b0;
      cycles_q      <= '0;
      core_cycles_q <= '0;
    end else begin
      if (write && write_addr_i == bitmod_accel_pkg::RegBaseLow)   base_q[31:0]  <= write_data_i;
      if (write && write_addr_i == bitmod_accel_pkg::RegBaseHigh)  base_q[63:32] <= write_data_i;
      if (write && write_addr_i == bitmod_accel_pkg::RegCount)     count_q       <= write_data_i[15:0];
      if (write && write_addr_i == bitmod_accel_pkg::RegIrqEnable) irq_enable_q  <= write_data_i[1:0];

      // What happens wins over what is cleared.
      if (start_o || (status && write_data_i[1])) done_q      <= 1'b0;
      if (status && write_data_i[2])              error_q     <= 1'b0;
      if (start_o || (status && write_data_i[3])) nonfinite_q <= 1'b0;
      if (done_i)      done_q      <= 1'b1;
      if (error_i)     error_q     <= 1'b1;
      if (nonfinite_i) nonfinite_q <= 1'b1;

      if (start_o) begin
        cycles_q      <= '0;
        core_cycles_q <= '0;
      end else begin
        if (busy_i)      cycles_q      <= cycles_q + 64'd1;
        if (core_busy_i) core_cycles_q <= core_cycles_q + 64'd1;
      end
    end
  end

  always_comb begin
    read_bad_o  = 1'b0;
    read_data_o = '0;
    unique case (read_addr_i)
      bitmod_accel_pkg::RegId:             read_data_o = bitmod_accel_pkg::Id;
      bitmod_accel_pkg::RegVersion:        read_data_o = bitmod_accel_pkg::Version;
      bitmod_accel_pkg::RegArray:          read_data_o = {16'(Cols), 16'(Rows)};
      bitmod_accel_pkg::RegBuffers:        read_data_o = {16'(MaxGroups), 16'(MaxTokens)};
      bitmod_accel_pkg::RegControl:        read_data_o = '0;
      bitmod_accel_pkg::RegStatus:         read_data_o = {28'd0, nonfinite_q, error_q, done_q, busy_i};
      bitmod_accel_pkg::RegError:          read_data_o = {error_index_i, 13'd0, error_code_i};
      bitmod_accel_pkg::RegIrqEnable:      read_data_o = {30'd0, irq_enable_q};
      bitmod_accel_pkg::RegBaseLow:        read_data_o = base_q[31:0];
      bitmod_accel_pkg::RegBaseHigh:       read_data_o = base_q[63:32];
      bitmod_accel_pkg::RegCount:          read_data_o = {16'd0, count_q};
      bitmod_accel_pkg::RegProgress:       read_data_o = {16'd0, progress_i};
      bitmod_accel_pkg::RegCyclesLow:      read_data_o = cycles_q[31:0];
      bitmod_accel_pkg::RegCyclesHigh:     read_data_o = cycles_q[63:32];
      bitmod_accel_pkg::RegCoreCyclesLow:  read_data_o = core_cycles_q[31:0];
      bitmod_accel_pkg::RegCoreCyclesHigh: read_data_o = core_cycles_q[63:32];
      bitmod_accel_pkg::RegTiles:          read_data_o = {16'(ColTiles), 16'(RowTiles)};
      bitmod_accel_pkg::RegLanes:          read_data_o = 32'(Lanes);
      default:                             read_bad_o  = 1'b1;
    endcase
  end

  assign base_o  = base_q;
  assign count_o = count_q;
  assign irq_o   = (done_q && irq_enable_q[0]) || (error_q && irq_enable_q[1]);

endmodule
