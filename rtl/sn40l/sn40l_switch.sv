// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Switch of one plane of the vector network: static flows (SN40L, MICRO 2024, section IV-C).
//
// A packet's flow, looked up in the table of the port it came in by, gives the ports it leaves by and what the
// flow is called there. It leaves by each as soon as that one is free: copies need not go together. Inputs
// take turns at an output. Links between switches have credits: one per place in the queue behind them; the
// node's unit has valid and ready, and what is offered to it stays offered. A packet of an unknown flow is
// dropped and counted. Nothing is routed by address: a route that leads nowhere is the compiler's fault.

module sn40l_switch #(
  parameter  int unsigned HopDepth    = 4,  // places behind each link
  localparam int unsigned Ports       = sn40l_pkg::SwitchPorts,
  localparam int unsigned PacketWidth = sn40l_pkg::PacketWidth,
  localparam int unsigned FlowWidth   = sn40l_pkg::FlowWidth
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // Table: {input port, flow}, route_t
  input  logic                   cfg_valid_i,
  input  logic [FlowWidth+2:0]   cfg_addr_i,
  input  logic [31:0]            cfg_data_i,
  // In. The unit waits for in_ready_o; a link sends only with a credit.
  input  logic [Ports-1:0]       in_valid_i,
  input  logic [PacketWidth-1:0] in_local_i,
  input  logic [PacketWidth-1:0] in_north_i,
  input  logic [PacketWidth-1:0] in_east_i,
  input  logic [PacketWidth-1:0] in_south_i,
  input  logic [PacketWidth-1:0] in_west_i,
  output logic                   in_ready_o,
  output logic [Ports-1:0]       in_credit_o,   // a place is free again
  // Out
  output logic [Ports-1:0]       out_valid_o,
  output logic [PacketWidth-1:0] out_local_o,
  output logic [PacketWidth-1:0] out_north_o,
  output logic [PacketWidth-1:0] out_east_o,
  output logic [PacketWidth-1:0] out_south_o,
  output logic [PacketWidth-1:0] out_west_o,
  input  logic                   out_ready_i,   // of the unit
  input  logic [Ports-1:0]       out_credit_i,
  // Counters
  output logic [31:0]            stalls_o,      // cycles that a packet waited for a free output
  output logic [31:0]            strays_o
);

  localparam int unsigned Local       = sn40l_pkg::PortLocal;
  localparam int unsigned North       = sn40l_pkg::PortNorth;
  localparam int unsigned East        = sn40l_pkg::PortEast;
  localparam int unsigned South       = sn40l_pkg::PortSouth;
  localparam int unsigned West        = sn40l_pkg::PortWest;
  localparam int unsigned Flows       = 2 ** FlowWidth;
  localparam int unsigned CreditWidth = $clog2(HopDepth + 1);

  // Packets that came in, and where they go.
  logic [Ports-1:0]                head_valid, head_pop, head_stray;
  logic [Ports-1:0][Ports-1:0]     left, granted;  // of input, to output
  logic [Ports-1:0]                ready;          // of the queues; links have credits instead

  for (genvar i = 0; i < Ports; i++) begin : gen_in
    logic [Ports-1:0]       sent_q;
    logic [Flows-1:0]       known_q;
    logic [10:0]            table_q [Flows];
    sn40l_pkg::route_t      route;
    logic                   cfg_here, known;
    logic [PacketWidth-1:0] packet, head;
    logic [FlowWidth-1:0]   flow;

    if (i == Local) begin : gen_local
      assign packet = in_local_i;
    end else if (i == North) begin : gen_north
      assign packet = in_north_i;
    end else if (i == East) begin : gen_east
      assign packet = in_east_i;
    end else if (i == South) begin : gen_south
      assign packet = in_south_i;
    end else begin : gen_west
      assign packet = in_west_i;
    end

    stream_fifo #(.Width(PacketWidth), .Depth(HopDepth)) i_queue (
      .clk_i,
      .rst_ni,
      .valid_i(in_valid_i[i]),
      .ready_o(ready[i]),
      .data_i (packet),
      .valid_o(head_valid[i]),
      .ready_i(head_pop[i]),
      .data_o (head)
    );

    assign cfg_here = cfg_valid_i && 32'(cfg_addr_i[FlowWidth +: 3]) == i;

    always_ff @(posedge clk_i) begin
      if (cfg_here) table_q[cfg_addr_i[FlowWidth-1:0]] <= cfg_data_i[10:0];
    end

    assign flow    = head[PacketWidth-1 -: FlowWidth];
    assign route   = table_q[flow];
    assign known   = known_q[flow];
    assign left[i] = (head_valid[i] && known) ? route.mask & ~sent_q : '0;

    assign head_stray[i]  = head_valid[i] && (!known || route.mask == '0);
    assign head_pop[i]    = head_valid[i] && (left[i] & ~granted[i]) == '0;
    assign in_credit_o[i] = head_pop[i];

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        sent_q  <= '0;
        known_q <= '0;
      end else begin
        if (head_valid[i]) sent_q <= head_pop[i] ? '0 : sent_q | granted[i];
        if (cfg_here)      known_q[cfg_addr_i[FlowWidth-1:0]] <= 1'b1;
      end
    end
  end

  assign in_ready_o = ready[Local];

  // Outputs.
  logic [Ports-1:0]      free, wanted;
  logic [Ports-1:0][2:0] turn_q, chosen;

  for (genvar o = 0; o < Ports; o++) begin : gen_out
    if (o == Local) begin : gen_unit
      assign free[o]        = out_ready_i;
      assign out_valid_o[o] = wanted[o];
    end else begin : gen_link
      logic unused_idle;

      credit_buf #(.Counters(1), .Width(CreditWidth)) i_credits (
        .clk_i,
        .rst_ni,
        .load_i  (!loaded_q),
        .use_i   (1'b1),
        .init_i  (CreditWidth'(HopDepth)),
        .spend_i (out_valid_o[o]),
        .return_i(out_credit_i[o]),
        .ready_o (free[o]),
        .idle_o  (unused_idle)
      );
      assign out_valid_o[o] = wanted[o] && free[o];
    end

    // Where an output is not free, its choice stays.
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni)        turn_q[o] <= '0;
      else if (wanted[o]) turn_q[o] <= !free[o] ? chosen[o] : (chosen[o] == 3'(Ports - 1)) ? '0 : chosen[o] + 3'd1;
    end
  end

  always_comb begin
    wanted = '0;
    chosen = '0;
    if (left != '0) begin
      for (int unsigned o = 0; o < Ports; o++) begin
        // Inputs before the one whose turn it is come last.
        for (int unsigned i = 0; i < Ports; i++) begin
          if (!wanted[o] && left[i][o] && 3'(i) >= turn_q[o]) begin
            wanted[o] = 1'b1;
            chosen[o] = 3'(i);
          end
        end
        for (int unsigned i = 0; i < Ports; i++) begin
          if (!wanted[o] && left[i][o]) begin
            wanted[o] = 1'b1;
            chosen[o] = 3'(i);
          end
        end
      end
    end
  end

  always_comb begin
    granted = '0;
    for (int unsigned o = 0; o < Ports; o++) begin
      if (wanted[o] && free[o]) granted[chosen[o]][o] = 1'b1;
    end
  end

  for (genvar o = 0; o < Ports; o++) begin : gen_packet
    logic [PacketWidth-1:0] packet;

    always_comb begin
      packet = '0;
      if (wanted[o]) begin
        unique case (chosen[o])
          3'(Local): packet = {gen_in[Local].route.flow, gen_in[Local].head[PacketWidth-FlowWidth-1:0]};
          3'(North): packet = {gen_in[North].route.flow, gen_in[North].head[PacketWidth-FlowWidth-1:0]};
          3'(East):  packet = {gen_in[East].route.flow, gen_in[East].head[PacketWidth-FlowWidth-1:0]};
          3'(South): packet = {gen_in[South].route.flow, gen_in[South].head[PacketWidth-FlowWidth-1:0]};
          default:   packet = {gen_in[West].route.flow, gen_in[West].head[PacketWidth-FlowWidth-1:0]};
        endcase
      end
    end
  end

  assign out_local_o = gen_packet[Local].packet;
  assign out_north_o = gen_packet[North].packet;
  assign out_east_o  = gen_packet[East].packet;
  assign out_south_o = gen_packet[South].packet;
  assign out_west_o  = gen_packet[West].packet;

  // The first cycle after reset fills the credits.
  logic loaded_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) loaded_q <= 1'b0;
    else         loaded_q <= 1'b1;
  end

  // Counters.
  logic [31:0] stalls_q, strays_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      stalls_q <= '0;
      strays_q <= '0;
    end else begin
      if ((wanted & ~free) != '0) stalls_q <= stalls_q + 32'd1;
      if (head_stray != '0)       strays_q <= strays_q + 32'($countones(head_stray));
    end
  end

  assign stalls_o = stalls_q;
  assign strays_o = strays_q;

  logic unused_bits;
  assign unused_bits = ^{cfg_data_i[31:11], out_credit_i[Local], ready};

  if (HopDepth < 2) begin : gen_bad_depth
    $error("sn40l_switch: HopDepth must be at least 2 for a packet a cycle");
  end

endmodule
