// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of axi_read_mux: an address stays offered, unchanged; one reader at a time, each in its turn;
// known identifiers.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module axi_read_mux_props #(
  parameter  int unsigned Readers   = 3,
  parameter  int unsigned AddrWidth = 64,
  localparam int unsigned IdWidth   = (Readers > 1) ? $clog2(Readers) : 1
) (
  input logic                 clk_i,
  input logic                 rst_ni,
  input logic [Readers-1:0]   ar_valid_i,
  input logic [Readers-1:0]   ar_ready_o,
  input logic                 ar_valid_o,
  input logic                 ar_ready_i,
  input logic [IdWidth-1:0]   ar_id_o,
  input logic [AddrWidth-1:0] ar_addr_o,
  input logic [7:0]           ar_len_o,
  input logic                 r_valid_i,
  input logic [IdWidth-1:0]   r_id_i
);

  a_ar_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (ar_valid_o && !ar_ready_i) |=> ar_valid_o);
  a_ar_stable: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (ar_valid_o && !ar_ready_i) |=> ($stable(ar_id_o) && $stable(ar_addr_o) && $stable(ar_len_o)));
  a_one: assert property (@(posedge clk_i) disable iff (!rst_ni)
    $onehot0(ar_ready_o) && (ar_ready_o & ~ar_valid_i) == '0);
  a_known: assert property (@(posedge clk_i) disable iff (!rst_ni)
    r_valid_i |-> 32'(r_id_i) < Readers);

  // A reader that waits is passed over at most once by each other one.
  for (genvar i = 0; i < Readers; i++) begin : gen_turn
    logic [31:0] passed_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni)                               passed_q <= '0;
      else if (!ar_valid_i[i] || ar_ready_o[i])  passed_q <= '0;
      else if (|ar_ready_o)                      passed_q <= passed_q + 32'd1;
    end
    a_turn: assert property (@(posedge clk_i) disable iff (!rst_ni) passed_q < Readers);
  end

endmodule

bind axi_read_mux axi_read_mux_props #(
  .Readers  (Readers),
  .AddrWidth(AddrWidth)
) i_props (.*);
