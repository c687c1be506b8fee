// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Affine address generator: nested counters, each with an extent and a signed stride (SN40L, MICRO 2024,
// section IV-B).
//
// The address is base + sum of counter * stride. Dimension 0 is the innermost; after the last address it
// begins again. unit_last_o says that the address is the last one of the inner dims_i dimensions. There is no
// multiplier: each dimension keeps the address at which its present turn began.

module sn40l_agu #(
  parameter int unsigned Dims      = 5,
  parameter int unsigned AddrWidth = 20,
  parameter int unsigned CntWidth  = 16
) (
  input  logic                           clk_i,
  input  logic                           rst_ni,
  input  logic                           load_i,  // begin at base_i
  input  logic                           step_i,  // to the next address
  input  logic [AddrWidth-1:0]           base_i,
  input  logic [Dims-1:0][CntWidth-1:0]  extent_i,
  input  logic [Dims-1:0][AddrWidth-1:0] stride_i,
  input  logic [2:0]                     dims_i,
  output logic [AddrWidth-1:0]           addr_o,
  output logic                           unit_last_o
);

  logic [Dims-1:0][CntWidth-1:0]  count_q;
  logic [Dims-1:0][AddrWidth-1:0] begin_q;  // address with all counters further in at 0
  logic [Dims-1:0]                wraps;    // this counter and all further in are at their ends
  logic [AddrWidth-1:0]           next;
  logic                           unit_last;

  // The outermost counter that moves gives the next address to all further in.
  always_comb begin
    logic inner;
    inner     = 1'b1;
    next      = base_i;
    unit_last = 1'b1;
    for (int unsigned d = 0; d < Dims; d++) begin
      if (inner && count_q[d] != extent_i[d] - CntWidth'(1)) begin
        next  = begin_q[d] + stride_i[d];
        inner = 1'b0;
      end
      wraps[d] = inner;
      if (32'(dims_i) > d && !inner) unit_last = 1'b0;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      count_q <= '0;
      begin_q <= '0;
    end else if (load_i) begin
      count_q <= '0;
      begin_q <= {Dims{base_i}};
    end else if (step_i) begin
      for (int unsigned d = 0; d < Dims; d++) begin
        if (wraps[d]) begin
          count_q[d] <= '0;
          begin_q[d] <= next;
        end else if (d == 0 || wraps[(d == 0) ? 0 : d - 1]) begin
          count_q[d] <= count_q[d] + CntWidth'(1);
          begin_q[d] <= next;
        end
      end
    end
  end

  assign addr_o      = begin_q[0];
  assign unit_last_o = unit_last;

  if (Dims < 1 || Dims > 7) begin : gen_bad_dims
    $error("sn40l_agu: Dims must be 1..7");
  end

endmodule
