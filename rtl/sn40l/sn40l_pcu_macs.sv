// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Accumulators of the systolic body: Sets * Tiles of 8 rows x 8 columns, 64 multiply-accumulates a cycle
// (SN40L, MICRO 2024, section IV-A).
//
// With mac_i: acc[addr][r][l] = start + a[r] * b[l] where first_i, else acc[addr][r][l] + a[r] * b[l]; it is
// done in the second cycle after. start_i and its poison are taken a cycle after mac_i. With read_i: row
// read_row_i of tile read_addr_i is at the output in the next cycle. A tile's poison is its operands'.

module sn40l_pcu_macs #(
  parameter  int unsigned Tiles     = 8,
  localparam int unsigned AddrWidth = (Tiles > 1) ? $clog2(Tiles) : 1,
  localparam int unsigned VecWidth  = sn40l_pcu_pkg::VecWidth
) (
  input  logic                 clk_i,
  input  logic                 mac_i,
  input  logic                 first_i,
  input  logic [AddrWidth-1:0] addr_i,
  input  logic [VecWidth-1:0]  a_i,
  input  logic [VecWidth-1:0]  b_i,
  input  logic                 poison_i,
  input  logic [VecWidth-1:0]  start_i,
  input  logic                 start_poison_i,
  input  logic                 read_i,
  input  logic [AddrWidth-1:0] read_addr_i,
  input  logic [2:0]           read_row_i,
  output logic [VecWidth-1:0]  row_o,
  output logic                 poison_o
);

  localparam int unsigned Rows = sn40l_pcu_pkg::Lanes;

  logic                 add_q, first_q, product_poison_q;
  logic [AddrWidth-1:0] addr_q;

  always_ff @(posedge clk_i) begin
    add_q <= mac_i;
    if (mac_i) begin
      first_q          <= first_i;
      addr_q           <= addr_i;
      product_poison_q <= poison_i;
    end
  end

  logic [Rows-1:0][VecWidth-1:0] row_q;
  logic [2:0]                    read_row_q;

  logic [VecWidth-1:0] product [Rows];

  for (genvar r = 0; r < Rows; r++) begin : gen_row
    logic [VecWidth-1:0] acc [Tiles];

    always_ff @(posedge clk_i) begin
      if (mac_i) product[r] <= sn40l_pcu_pkg::multiply_lanes(sn40l_pcu_pkg::broadcast(a_i[r*32+:32]), b_i);
      if (add_q) acc[addr_q] <= sn40l_pcu_pkg::add_lanes(first_q ? start_i : acc[addr_q], product[r]);
      if (read_i && read_row_i == 3'(r)) row_q[r] <= acc[read_addr_i];
    end
  end

  logic [Tiles-1:0] poison_q;
  logic             read_poison_q;

  always_ff @(posedge clk_i) begin
    if (add_q) begin
      poison_q[addr_q] <= product_poison_q | (first_q ? start_poison_i : poison_q[addr_q]);
    end
    if (read_i) begin
      read_row_q    <= read_row_i;
      read_poison_q <= poison_q[read_addr_i];
    end
  end

  assign row_o    = row_q[read_row_q];
  assign poison_o = read_poison_q;

endmodule
