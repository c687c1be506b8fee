// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of sn40l_switch: a link never sends without a place behind it, what the unit is offered stays.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module sn40l_switch_props #(
  parameter int unsigned HopDepth = 4
) (
  input logic                              clk_i,
  input logic                              rst_ni,
  input logic [sn40l_pkg::SwitchPorts-1:0] in_valid_i,
  input logic [sn40l_pkg::SwitchPorts-1:0] ready,
  input logic [sn40l_pkg::SwitchPorts-1:0] out_valid_o,
  input logic [sn40l_pkg::SwitchPorts-1:0] out_credit_i,
  input logic                              out_ready_i,
  input logic [sn40l_pkg::PacketWidth-1:0] out_local_o
);

  localparam int unsigned Ports = sn40l_pkg::SwitchPorts;
  localparam int unsigned Local = sn40l_pkg::PortLocal;

  a_offer_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (out_valid_o[Local] && !out_ready_i) |=> (out_valid_o[Local] && $stable(out_local_o)));

  for (genvar i = 1; i < Ports; i++) begin : gen_link
    a_place: assert property (@(posedge clk_i) disable iff (!rst_ni) in_valid_i[i] |-> ready[i]);

    // Credits out, counted apart.
    logic [31:0] out_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) out_q <= '0;
      else         out_q <= out_q + 32'(out_valid_o[i]) - 32'(out_credit_i[i]);
    end
    a_credits: assert property (@(posedge clk_i) disable iff (!rst_ni) out_q <= HopDepth);
  end

  logic unused_local;
  assign unused_local = ^{in_valid_i[Local], ready[Local], out_credit_i[Local]};

endmodule

bind sn40l_switch sn40l_switch_props #(.HopDepth(HopDepth)) i_props (.*);
