// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A word, Depth cycles later.

module delay_line #(
  parameter int unsigned Width = 16,
  parameter int unsigned Depth = 1
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);

  logic [Depth-1:0][Width-1:0] line_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) line_q <= '0;
    else         line_q <= (Depth * Width)'({line_q, data_i});
  end

  assign data_o = line_q[Depth-1];

  if (Depth < 1) begin : gen_bad_depth
    $error("delay_line: Depth must be at least 1");
  end

endmodule
