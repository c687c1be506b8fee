// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Credits: counters that must all be above zero before something begins (US11709664; SN40L, MICRO 2024,
// section IV-C).
//
// A stage buffer's writer has one counter per reader, from the buffer's depth in units, and the write counter,
// from how many writes may be under way; a packet's sender one per destination queue, from the queue's depth;
// a reader one per writer, from 0. spend_i takes one of each counter in use, and may come only with ready_o;
// return_i[n] gives counter n one back. It does not check that what is given back was taken: see its
// properties. load_i sets every counter to its initial value and wins over both.

module credit_buf #(
  parameter int unsigned Counters = 3,
  parameter int unsigned Width    = 8
) (
  input  logic                           clk_i,
  input  logic                           rst_ni,
  input  logic                           load_i,
  input  logic [Counters-1:0]            use_i,    // counters that count; stable between loads
  input  logic [Counters-1:0][Width-1:0] init_i,   // initial values; stable between loads
  input  logic                           spend_i,
  input  logic [Counters-1:0]            return_i,
  output logic                           ready_o,  // all in use are above zero
  output logic                           idle_o    // all in use are at their initial values
);

  logic [Counters-1:0][Width-1:0] count_q;
  logic [Counters-1:0]            some, whole;

  for (genvar i = 0; i < Counters; i++) begin : gen_counter
    assign some[i]  = !use_i[i] || count_q[i] != '0;
    assign whole[i] = !use_i[i] || count_q[i] == init_i[i];

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni)                                   count_q[i] <= '0;
      else if (load_i)                               count_q[i] <= init_i[i];
      else if (use_i[i] && spend_i && !return_i[i])  count_q[i] <= count_q[i] - Width'(1);
      else if (use_i[i] && !spend_i && return_i[i])  count_q[i] <= count_q[i] + Width'(1);
    end
  end

  assign ready_o = &some;
  assign idle_o  = &whole;

  if (Counters < 1 || Width < 1) begin : gen_bad_size
    $error("credit_buf: Counters and Width must be at least 1");
  end

endmodule
