// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Performance counters: how many cycles each event was high. They stop at their largest value.

module sn40l_perf #(
  parameter  int unsigned Events      = 8,
  localparam int unsigned SelectWidth = (Events > 1) ? $clog2(Events) : 1
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   clear_i,
  input  logic [Events-1:0]      event_i,
  input  logic [SelectWidth-1:0] select_i,
  output logic [31:0]            count_o
);

  logic [Events-1:0][31:0] count_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) count_q <= '0;
    else begin
      for (int unsigned i = 0; i < Events; i++) begin
        if (clear_i) count_q[i] <= '0;
        else if (event_i[i] && count_q[i] != '1) count_q[i] <= count_q[i] + 32'd1;
      end
    end
  end

  assign count_o = (32'(select_i) < Events) ? count_q[select_i] : '0;

endmodule
