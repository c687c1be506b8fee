// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The rows of a descriptor as AXI4 bursts: n2 x n1 rows of len bytes at signed strides.
//
// A burst stays within an aligned piece of BurstBeats beats (512 B) and within its row, so it crosses
// neither 4 KiB nor a channel of the memory. One burst a cycle, rows without a gap. start_i only when
// idle_o; sizes are at least 1 and checked elsewhere. stop_i ends the descriptor: at once, or when a burst
// that is offered (offered_i) has been taken, since an address that is offered stays.

module sn40l_dma_bursts #(
  localparam int unsigned AddrWidth   = sn40l_mem_pkg::AddrWidth,
  localparam int unsigned LenWidth    = sn40l_mem_pkg::LenWidth,
  localparam int unsigned CountWidth  = sn40l_mem_pkg::CountWidth,
  localparam int unsigned StrideWidth = sn40l_mem_pkg::StrideWidth
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   start_i,
  input  logic                   stop_i,
  input  logic [AddrWidth-1:0]   addr_i,
  input  logic [LenWidth-1:0]    len_i,
  input  logic [CountWidth-1:0]  n1_i,
  input  logic [CountWidth-1:0]  n2_i,
  input  logic [StrideWidth-1:0] stride1_i,
  input  logic [StrideWidth-1:0] stride2_i,
  output logic                   idle_o,
  // Bursts
  output logic                   valid_o,
  input  logic                   ready_i,
  input  logic                   offered_i,
  output logic [AddrWidth-1:0]   addr_o,   // of the first beat
  output logic [4:0]             beats_o,
  output logic                   first_o,  // of its row
  output logic                   last_o,
  output logic                   end_o,    // of the descriptor
  output logic [4:0]             head_o,   // of the row's first byte in its beat
  output logic [4:0]             tail_o    // of the row's last byte in its beat
);

  localparam int unsigned BeatsWidth = LenWidth - 5 + 2;

  logic                   active_q, first_q;
  logic [AddrWidth-1:0]   row_q, outer_q, beat_q;   // this row, first row of this i2, next burst
  logic [BeatsWidth-1:0]  left_q;                   // beats of the row
  logic [CountWidth-1:0]  n1_q, rows_q, outers_q;   // rows left in this i2 after this one; i2 left after this
  logic [LenWidth-1:0]    len_q;
  logic [StrideWidth-1:0] stride1_q, stride2_q;

  logic                   take, row_ends;
  logic [AddrWidth-1:0]   row, outer;               // the row after this, or the first of a descriptor
  logic [LenWidth-1:0]    len;
  logic [LenWidth:0]      reach;                    // last byte of that row, from its first beat
  logic                   unused;
  logic [4:0]             piece;                    // beats up to the piece's end

  assign piece    = 5'd16 - {1'b0, beat_q[8:5]};
  assign beats_o  = (left_q > BeatsWidth'(piece)) ? piece : 5'(left_q);
  assign last_o   = left_q == BeatsWidth'(beats_o);
  assign end_o    = last_o && rows_q == '0 && outers_q == '0;
  assign first_o  = first_q;
  assign addr_o   = beat_q;
  assign head_o   = row_q[4:0];
  assign tail_o   = 5'(row_q[4:0] + len_q[4:0] - 5'd1);
  assign valid_o  = active_q;
  assign idle_o   = !active_q;
  assign take     = valid_o && ready_i;
  assign row_ends = take && last_o;

  always_comb begin
    outer = outer_q;
    if (start_i) outer = addr_i;
    else if (rows_q == '0) outer = outer_q + AddrWidth'($signed(stride2_q));
    row = (start_i || rows_q == '0) ? outer : row_q + AddrWidth'($signed(stride1_q));
    len = start_i ? len_i : len_q;
  end

  assign reach = (LenWidth + 1)'(len) + (LenWidth + 1)'(row[4:0]) - (LenWidth + 1)'(1);

  assign unused = ^reach[4:0];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      active_q  <= 1'b0;
      first_q   <= 1'b0;
      row_q     <= '0;
      outer_q   <= '0;
      beat_q    <= '0;
      left_q    <= '0;
      n1_q      <= '0;
      rows_q    <= '0;
      outers_q  <= '0;
      len_q     <= '0;
      stride1_q <= '0;
      stride2_q <= '0;
    end else if (start_i || (row_ends && !end_o && !stop_i)) begin
      active_q <= 1'b1;
      first_q  <= 1'b1;
      row_q    <= row;
      outer_q  <= outer;
      beat_q   <= {row[AddrWidth-1:5], 5'd0};
      left_q   <= BeatsWidth'(reach[LenWidth:5]) + BeatsWidth'(1);
      if (start_i) begin
        n1_q      <= n1_i;
        rows_q    <= n1_i - CountWidth'(1);
        outers_q  <= n2_i - CountWidth'(1);
        len_q     <= len_i;
        stride1_q <= stride1_i;
        stride2_q <= stride2_i;
      end else if (rows_q == '0) begin
        rows_q   <= n1_q - CountWidth'(1);
        outers_q <= outers_q - CountWidth'(1);
      end else begin
        rows_q <= rows_q - CountWidth'(1);
      end
    end else if (take) begin
      active_q <= !last_o && !stop_i;
      first_q  <= 1'b0;
      beat_q   <= beat_q + {{(AddrWidth - 10){1'b0}}, beats_o, 5'd0};
      left_q   <= left_q - BeatsWidth'(beats_o);
    end else if (stop_i && !offered_i) begin
      active_q <= 1'b0;
    end
  end

endmodule
