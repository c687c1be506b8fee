// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Least recently used of some slots, exactly: an age matrix, one bit for each ordered pair.
//
// touch_i makes slot_i the most recently used from the next cycle on. oldest_o has one bit, that of the
// candidate that was touched longest ago; it is zero without candidates. After a reset slot 0 is the oldest.

module sn40l_lru #(
  parameter  int unsigned Slots     = 41,  // at most 64: the matrix grows with the square
  localparam int unsigned SlotWidth = (Slots > 1) ? $clog2(Slots) : 1
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 touch_i,
  input  logic [SlotWidth-1:0] slot_i,
  input  logic [Slots-1:0]     candidates_i,
  output logic [Slots-1:0]     oldest_o
);

  logic [Slots-1:0] newer_q [Slots];  // newer_q[i][j]: i was touched after j
  logic [Slots-1:0] touched;

  assign touched = touch_i ? Slots'(1) << slot_i : '0;

  for (genvar i = 0; i < Slots; i++) begin : gen_row
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni)         newer_q[i] <= Slots'((65'd1 << i) - 65'd1);
      else if (touched[i]) newer_q[i] <= ~(Slots'(1) << i);
      else                 newer_q[i] <= newer_q[i] & ~touched;
    end

    assign oldest_o[i] = candidates_i[i] & ~|(newer_q[i] & candidates_i);
  end

  if (Slots < 1 || Slots > 64) begin : gen_bad_slots
    $error("sn40l_lru: Slots must be 1..64");
  end

endmodule
