// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Arithmetic right shift that rounds to the nearest integer, ties to even.
//
// value_o = rne(value_i / 2^shift_i), for every shift_i, those beyond the width included.
// The result never needs more bits than the operand.
// Combinational. It does not saturate, does not shift left, and gives no inexact flag.

module shift_rne #(
  parameter int unsigned Width      = 16,
  parameter int unsigned ShiftWidth = 6
) (
  input  logic signed [Width-1:0]      value_i,
  input  logic        [ShiftWidth-1:0] shift_i,
  output logic signed [Width-1:0]      value_o
);

  // The operand with as many fraction bits as it is wide: what falls beyond only repeats the sign.
  logic signed [2*Width-1:0] shifted;
  logic        [Width-1:0]   floor;
  logic                      half, sticky, round_up;

  assign shifted  = $signed({value_i, {Width{1'b0}}}) >>> shift_i;
  assign floor    = shifted[2*Width-1:Width];
  assign half     = shifted[Width-1];
  assign sticky   = |shifted[Width-2:0];
  assign round_up = half & (sticky | floor[0]);
  assign value_o  = $signed(floor + Width'(round_up));

  if (Width < 2) begin : gen_bad_width
    $error("shift_rne: Width must be at least 2");
  end

endmodule
