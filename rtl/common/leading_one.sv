// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Position of the most significant one.
//
// found_o is 0, and index_o is 0, where value_i is zero. Combinational.

module leading_one #(
  parameter  int unsigned Width      = 8,
  localparam int unsigned IndexWidth = (Width > 1) ? $clog2(Width) : 1
) (
  input  logic [Width-1:0]      value_i,
  output logic [IndexWidth-1:0] index_o,
  output logic                  found_o
);

  always_comb begin
    index_o = '0;
    for (int unsigned i = 0; i < Width; i++) begin
      if (value_i[i]) index_o = IndexWidth'(i);
    end
  end

  assign found_o = |value_i;

endmodule
