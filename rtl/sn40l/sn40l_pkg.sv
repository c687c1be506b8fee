// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Packets, planes, configuration addresses and registers of the SN40L-style fabric (SN40L, MICRO 2024,
// section IV).
//
// The fabric is a mesh of nodes. A node is a unit (PCU, PMU or AGCU) and a switch on each of two planes of
// the vector network. Every unit has these ports:
//
//   input  logic                                    clk_i, rst_ni
//   input  logic                                    start_i      one cycle: begin what is configured
//   output logic                                    done_o       all in use has finished, is empty
//   input  logic                                    cfg_valid_i  write data to register addr
//   input  logic [sn40l_pkg::CfgAddrWidth-1:0]      cfg_addr_i
//   input  logic [31:0]                             cfg_data_i
//   input  logic [sn40l_pkg::Tokens-1:0]            token_i      control network: pulses
//   output logic [sn40l_pkg::Tokens-1:0]            token_o
//   input  logic [Planes-1:0]                       rx_valid_i   vector network
//   output logic [Planes-1:0]                       rx_ready_o
//   input  logic [Planes-1:0][PacketWidth-1:0]      rx_packet_i  each a packet_t
//   output logic [Planes-1:0]                       tx_valid_o
//   input  logic [Planes-1:0]                       tx_ready_i
//   output logic [Planes-1:0][PacketWidth-1:0]      tx_packet_o
//   output logic [StatWords-1:0][31:0]              stat_o       counters of the unit's kind, zeroed by reset
//
// done_o is low from the cycle after start_i until the end, high before the first start_i.
//
// A unit takes every packet that arrives, sooner or later, without waiting for the vector network: packet
// credits and buffer credits make the room before a packet is sent.

/* verilator lint_off UNUSEDPARAM */  // a unit on its own uses some of them

package sn40l_pkg;

  // Vectors and packets.
  localparam int unsigned Lanes       = 8;    // words of a vector
  localparam int unsigned WordWidth   = 32;   // fp32
  localparam int unsigned VecWidth    = 256;  // Lanes * WordWidth; lane 0 in the lowest bits
  localparam int unsigned FlowWidth   = 6;
  localparam int unsigned SeqWidth    = 16;
  localparam int unsigned PacketWidth = 280;  // packet_t

  typedef struct packed {
    logic [FlowWidth-1:0] flow;    // [279:274] as known on this link
    logic [SeqWidth-1:0]  seq;     // [273:258] number of the vector in its unit
    logic                 last;    // [257]     the last vector of a unit (one tile of a tensor)
    logic                 poison;  // [256]     made from a word with an uncorrectable error
    logic [VecWidth-1:0]  data;    // [255:0]
  } packet_t;

  localparam int unsigned Planes = 2;  // copies of the mesh of the vector network

  // Control network: tokens of a unit, each way. Counters of a unit that can be read.
  localparam int unsigned Tokens    = 8;
  localparam int unsigned StatWords = 4;

  // Configuration bus: {unit, address}, 32-bit words. Unit n < 64 is node n = y * columns + x of the mesh,
  // 64 + n its switch, 128 the control network.
  localparam int unsigned CfgUnitWidth = 8;
  localparam int unsigned CfgAddrWidth = 12;
  localparam int unsigned MaxNodes     = 64;
  localparam int unsigned CfgSwitch    = 64;
  localparam int unsigned CfgControl   = 128;

  // Switch: ports in this order.
  localparam int unsigned SwitchPorts = 5;
  localparam int unsigned PortLocal   = 0;  // the node's unit
  localparam int unsigned PortNorth   = 1;  // y - 1
  localparam int unsigned PortEast    = 2;  // x + 1
  localparam int unsigned PortSouth   = 3;  // y + 1
  localparam int unsigned PortWest    = 4;  // x - 1

  // Address in a switch: {plane[9], input port[8:6], flow[5:0]}; data: route_t. An empty mask: no route,
  // such packets are dropped and reported.
  typedef struct packed {
    logic [SwitchPorts-1:0] mask;  // [10:6] outputs, bit PortX each
    logic [FlowWidth-1:0]   flow;  // [5:0]  what the flow is called on those outputs' links
  } route_t;

  // Control network: address = sink node * Tokens + bit of its token_i; data = {enable[15], source node *
  // Tokens + bit of its token_o}.
  localparam int unsigned CfgControlEnable = 15;

  // PMU: contexts 0, 1 read, 2, 3 write; registers of context c at c * 32. The bits of an address are
  // exchanged in turn: bit i = 0, 1, ... with the bit that register PmuBankBit + i names; then the lowest are
  // the bank, the others the row. A reader gets +0 for words outside its predicate, a writer drops them.
  localparam int unsigned PmuReaders   = 2;
  localparam int unsigned PmuWriters   = 2;
  localparam int unsigned PmuAguDims   = 5;
  localparam int unsigned PmuAddrWidth = 20;  // signed word address, more than any PMU holds

  localparam logic [4:0] PmuControl    = 5'd0;   // pmu_control_t
  localparam logic [4:0] PmuBase       = 5'd1;   // address of lane 0 of the first access
  localparam logic [4:0] PmuLaneStride = 5'd2;   // signed, from lane to lane
  localparam logic [4:0] PmuLow        = 5'd3;   // predicate: words at low <= address < high only
  localparam logic [4:0] PmuHigh       = 5'd4;
  localparam logic [4:0] PmuUnits      = 5'd5;   // how many units until done
  localparam logic [4:0] PmuSeqStride  = 5'd6;   // writers: signed, times a packet's seq added to its address
  localparam logic [4:0] PmuCredits    = 5'd7;   // readers: depth of queue d in [8*d+7:8*d]; 0: none
  localparam logic [4:0] PmuSkew       = 5'd8;   // {enable[4], shift[3:0]}, diagonal: bank += row >> shift
  localparam logic [4:0] PmuExtent     = 5'd16;  // + dimension, innermost first: how often, at least 1
  localparam logic [4:0] PmuStride     = 5'd24;  // + dimension, signed, in words
  localparam int unsigned PmuBankBit   = 128;    // + i: position of bit i of the bank in the address

  typedef struct packed {
    logic [2:0]           awaits;  // [13:11] readers: a unit each of {token_i[6 + c], writer 1, writer 0}
    logic [2:0]           dims;    // [10:8]  inner dimensions that make a unit, 0: one access
    logic [FlowWidth-1:0] flow;    // [7:2]
    logic                 plane;   // [1]
    logic                 enable;  // [0]
  } pmu_control_t;

  // Tokens of a PMU. In: packet credit of destination d of reader c at c * 3 + d; unit written elsewhere at
  // 6 + c.
  // Out: unit read by reader c at c; unit written by writer w at 2 + w.
  localparam int unsigned PmuTokenElsewhere = 6;
  localparam int unsigned PmuTokenRead      = 0;
  localparam int unsigned PmuTokenWritten   = 2;
  localparam int unsigned Destinations      = 3;  // queues that one flow may feed
  localparam int unsigned CreditWidth       = 8;

  // Counters of a PMU: cycles in which an access waited for a bank, packets of no writer's flow.
  localparam int unsigned PmuStatReadConflicts  = 0;
  localparam int unsigned PmuStatWriteConflicts = 1;
  localparam int unsigned PmuStatStrays         = 2;
  localparam int unsigned PmuStatPoisoned       = 3;  // packets written with poison

endpackage
