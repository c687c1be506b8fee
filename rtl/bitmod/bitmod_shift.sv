// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Arithmetic right shift of the datapath: to the nearest integer, ties to even, or with Truncate to the one
// below. Combinational, for every shift_i, those beyond the width included.

module bitmod_shift #(
  parameter int unsigned Width      = 16,
  parameter int unsigned ShiftWidth = 6,
  parameter bit          Truncate   = 1'b0
) (
  input  logic signed [Width-1:0]      value_i,
  input  logic        [ShiftWidth-1:0] shift_i,
  output logic signed [Width-1:0]      value_o
);

  if (Truncate) begin : gen_floor
    assign value_o = value_i >>> shift_i;
  end else begin : gen_nearest
    shift_rne #(
      .Width     (Width),
      .ShiftWidth(ShiftWidth)
    ) i_shift (
      .value_i,
      .shift_i,
      .value_o
    );
  end

endmodule
