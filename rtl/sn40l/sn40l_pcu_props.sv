// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Assertions of the PCU: vectors are issued with their operands and room, sets of accumulators are not mixed,
// packets stay until they are taken.

module sn40l_pcu_props (
  input logic                                                     clk_i,
  input logic                                                     rst_ni,
  input logic [sn40l_pcu_pkg::Queues-1:0]                         queue_valid,
  input logic [sn40l_pcu_pkg::Queues-1:0]                         pop,
  input logic                                                     gemm,
  input logic                                                     active,
  input logic                                                     row_valid,
  input logic                                                     gemm_works,
  input logic                                                     fire,
  input logic [sn40l_pkg::Planes-1:0]                             tx_valid_o,
  input logic [sn40l_pkg::Planes-1:0]                             tx_ready_i,
  input logic [sn40l_pkg::Planes-1:0][sn40l_pkg::PacketWidth-1:0] tx_packet_o
);

  operand_there : assert property (@(posedge clk_i) disable iff (!rst_ni) (pop & ~queue_valid) == '0);
  one_body      : assert property (@(posedge clk_i) disable iff (!rst_ni) !(active && (row_valid || gemm_works)));
  right_body    : assert property (@(posedge clk_i) disable iff (!rst_ni) gemm || !(row_valid || gemm_works));
  fires_for     : assert property (@(posedge clk_i) disable iff (!rst_ni) fire |-> active || row_valid);

  for (genvar p = 0; p < sn40l_pkg::Planes; p++) begin : gen_plane
    packet_stays : assert property (@(posedge clk_i) disable iff (!rst_ni)
      tx_valid_o[p] && !tx_ready_i[p] |=> tx_valid_o[p] && $stable(tx_packet_o[p]));
  end

endmodule

bind sn40l_pcu sn40l_pcu_props i_props (.*);
