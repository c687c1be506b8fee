// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of sn40l_pmu: packets stay offered, unchanged; banks do one thing at a time, for one lane.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module sn40l_pmu_props #(
  parameter int unsigned Banks      = 8,
  parameter bit          SinglePort = 1'b0
) (
  input logic                                                     clk_i,
  input logic                                                     rst_ni,
  input logic                                                     start_i,
  input logic                                                     cfg_valid_i,
  input logic                                                     done_o,
  input logic [sn40l_pkg::Planes-1:0]                             tx_valid_o,
  input logic [sn40l_pkg::Planes-1:0]                             tx_ready_i,
  input logic [sn40l_pkg::Planes-1:0][sn40l_pkg::PacketWidth-1:0] tx_packet_o,
  input logic [Banks-1:0]                                         read,
  input logic [Banks-1:0]                                         write
);

  for (genvar p = 0; p < sn40l_pkg::Planes; p++) begin : gen_plane
    a_offer_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (tx_valid_o[p] && !tx_ready_i[p]) |=> (tx_valid_o[p] && $stable(tx_packet_o[p])));
  end

  // The user's part: registers change and runs begin only when all is done.
  a_start: assert property (@(posedge clk_i) disable iff (!rst_ni) start_i |-> done_o);
  a_config: assert property (@(posedge clk_i) disable iff (!rst_ni) cfg_valid_i |-> done_o);

  a_one_port: assert property (@(posedge clk_i) disable iff (!rst_ni) !SinglePort || (read & write) == '0);

endmodule

bind sn40l_pmu sn40l_pmu_props #(.Banks(Banks), .SinglePort(SinglePort)) i_props (.*);
