// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A program word and the tiles in flight to what the array and the lanes do: addresses and copies of
// registers settled, operations of stages without a tile left out. Combinational.

module fusemax_decode #(
  parameter  int unsigned E          = 64,
  parameter  int unsigned F          = 64,
  parameter  int unsigned MaxP1      = 4,
  localparam int unsigned KvAddr     = $clog2(2 * (E + F)),
  localparam int unsigned QAddr      = $clog2(MaxP1 * E),
  localparam int unsigned StateAddr  = $clog2(MaxP1 * (F + 2))
) (
  input  logic                                                           valid_i,
  input  logic [fusemax_pkg::WordWidth-1:0]                              word_i,
  // Tiles, by stage
  input  logic [fusemax_pkg::MaxStages-1:0]                              tile_valid_i,
  input  logic [fusemax_pkg::MaxStages-1:0]                              odd_i,
  input  logic [fusemax_pkg::MaxStages-1:0]                              half_i,
  input  logic [fusemax_pkg::MaxStages-1:0]                              m1_first_i,
  input  logic [fusemax_pkg::MaxStages-1:0]                              m1_last_i,
  input  logic [fusemax_pkg::MaxStages-1:0][fusemax_pkg::ShapeWidth-1:0] p1_i,
  // Array
  output fusemax_pkg::pe_op_t                                            pe_op_o,
  output logic                                                           last_tile_o,
  output logic                                                           kv_read_o,
  output logic [KvAddr-1:0]                                              kv_addr_o,
  output logic [QAddr-1:0]                                               q_addr_o,
  output logic [fusemax_pkg::LaneAddr-1:0]                               up_lane_o,
  output fusemax_pkg::down_t                                             down_o,
  // Lanes
  output fusemax_pkg::lane_op_t                                          lane_op_o,
  output logic [StateAddr-1:0]                                           state_addr_o
);

  localparam int unsigned RfAddr   = fusemax_pkg::RfAddr;
  localparam int unsigned LaneAddr = fusemax_pkg::LaneAddr;

  fusemax_pkg::word_t  word;
  fusemax_pkg::uop2d_t array;
  fusemax_pkg::uop1d_t row;

  assign word  = word_i;
  assign array = word.array;
  assign row   = word.row;

  // 2D array
  logic array_valid, array_odd, leaves;

  assign array_valid = valid_i & tile_valid_i[array.stage];
  assign array_odd   = odd_i[array.stage];
  assign leaves      = array.op == fusemax_pkg::Op2Maxd || array.op == fusemax_pkg::Op2Sumd ||
                       array.op == fusemax_pkg::Op2Macd;

  assign pe_op_o.pass  = 1'b0;  // settled at the row's edge
  assign pe_op_o.first = array.first;
  assign pe_op_o.ra    = array.ra ^ RfAddr'(array.ra_rot & array_odd);
  assign pe_op_o.rd    = array.rd ^ RfAddr'(array.rd_rot & array_odd);
  assign pe_op_o.op    = array_valid ? array.op : fusemax_pkg::Op2Nop;
  assign up_lane_o     = array.lane ^ LaneAddr'(array.lane_rot & array_odd);
  assign down_o.valid  = array_valid & leaves;
  assign down_o.lane   = up_lane_o;

  assign last_tile_o = m1_last_i[array.stage];
  assign kv_read_o   = array_valid && (array.op == fusemax_pkg::Op2Mac || array.op == fusemax_pkg::Op2Macd);
  assign kv_addr_o   = (half_i[array.stage] ? KvAddr'(E + F) : '0) +
                       ((array.op == fusemax_pkg::Op2Macd) ? KvAddr'(E) : '0) + KvAddr'(array.idx);
  assign q_addr_o    = QAddr'(p1_i[array.stage]) * QAddr'(E) + QAddr'(array.idx);

  // Lanes
  logic row_valid, row_odd;

  assign row_valid = valid_i & tile_valid_i[row.stage];
  assign row_odd   = odd_i[row.stage];

  assign lane_op_o.init     = row.a_state & m1_first_i[row.stage];
  assign lane_op_o.init_inf = row.init_inf;
  assign lane_op_o.b_state  = row.b_state;
  assign lane_op_o.rd_state = row.rd_state;
  assign lane_op_o.a_state  = row.a_state;
  assign lane_op_o.b        = row.b ^ LaneAddr'(row.b_rot & row_odd);
  assign lane_op_o.a        = row.a ^ LaneAddr'(row.a_rot & row_odd);
  assign lane_op_o.rd       = row.rd ^ LaneAddr'(row.rd_rot & row_odd);
  assign lane_op_o.op       = row_valid ? row.op : fusemax_pkg::Op1Nop;
  assign state_addr_o       = StateAddr'(p1_i[row.stage]) * StateAddr'(F + 2) + StateAddr'(row.idx);

  logic unused_bits;
  assign unused_bits = ^{array.unused, row.unused, p1_i};

endmodule
