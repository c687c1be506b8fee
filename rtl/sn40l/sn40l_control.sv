// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Control network: tokens from units to units, circuit switched (SN40L, MICRO 2024, section IV-C).
//
// Each sink listens to one source, or to none; many may listen to one. A pulse arrives Latency cycles later,
// whatever the distance. A token on no sink's source is lost without notice.

module sn40l_control #(
  parameter  int unsigned Wires      = 384,  // of all units: node * Tokens + bit
  parameter  int unsigned Latency    = 2,
  localparam int unsigned IndexWidth = sn40l_pkg::CfgControlEnable
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  input  logic                               cfg_valid_i,
  input  logic [sn40l_pkg::CfgAddrWidth-1:0] cfg_addr_i,  // sink
  input  logic [31:0]                        cfg_data_i,  // {enable, source}
  input  logic [Wires-1:0]                   source_i,
  output logic [Wires-1:0]                   sink_o
);

  localparam int unsigned SourceWidth = $clog2(Wires);

  logic [Wires-1:0]       enable_q;
  logic [SourceWidth-1:0] select_q [Wires];
  logic [Wires-1:0]       source, sink;
  logic                   cfg_here;

  assign cfg_here = cfg_valid_i && 32'(cfg_addr_i) < Wires;

  always_ff @(posedge clk_i) begin
    if (cfg_here) select_q[cfg_addr_i[SourceWidth-1:0]] <= cfg_data_i[SourceWidth-1:0];
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)       enable_q <= '0;
    else if (cfg_here) enable_q[cfg_addr_i[SourceWidth-1:0]] <= cfg_data_i[IndexWidth];
  end

  // All but the last register are in front of the switch.
  delay_line #(.Width(Wires), .Depth(Latency - 1)) i_delay (
    .clk_i,
    .rst_ni,
    .data_i(source_i),
    .data_o(source)
  );

  always_comb begin
    sink = '0;
    if (source != '0) begin
      for (int unsigned s = 0; s < Wires; s++) sink[s] = enable_q[s] & source[select_q[s]];
    end
  end

  logic [Wires-1:0] sink_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) sink_q <= '0;
    else         sink_q <= sink;
  end

  assign sink_o = sink_q;

  logic unused_cfg_data;
  assign unused_cfg_data = ^cfg_data_i;

  if (Wires < 2) begin : gen_bad_wires
    $error("sn40l_control: Wires must be at least 2");
  end
  if (Latency < 2) begin : gen_bad_latency
    $error("sn40l_control: Latency must be at least 2");
  end

endmodule
