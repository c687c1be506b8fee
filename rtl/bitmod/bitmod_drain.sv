// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Control of what happens to a group after its last step: scaling, bit by bit, then one row per cycle
// through the column accumulators.
//
// load_i comes with the accumulators holding a finished group (cycle t):
//   t            scale_load_o
//   t+1..t+7     scale_step_o with bit_o = 6..0
//   t+8+r        shift_o: row r is in front of its column, which takes it, and the next one follows
//   t+9+r        total_valid_o, total_row_o = r
//   t+10+r       product_valid_o: the row is in the column's multiplier
//   t+11+r       bias_valid_o, bias_row_o = r: the row is in the column's last stage
//   t+12+r       result_valid_o, result_row_o = r: the column shows the row's result
// The next load_i may come Rows + 8 cycles later at the earliest.

module bitmod_drain #(
  parameter  int unsigned Rows     = 8,
  localparam int unsigned RowWidth = (Rows > 1) ? $clog2(Rows) : 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                load_i,
  output logic                scale_load_o,
  output logic                scale_step_o,
  output logic [2:0]          bit_o,
  output logic                shift_o,
  output logic                total_valid_o,
  output logic [RowWidth-1:0] total_row_o,
  output logic                product_valid_o,
  output logic                bias_valid_o,
  output logic [RowWidth-1:0] bias_row_o,
  output logic                result_valid_o,
  output logic [RowWidth-1:0] result_row_o
);

  localparam int unsigned Stages = 4;
  localparam logic [2:0]  TopBit = 3'(bitmod_pkg::ScaleWidth - 1);

  logic                            scaling_q, rowing_q;
  logic [2:0]                      bit_q;
  logic [RowWidth-1:0]             row_q;
  logic [Stages-1:0]               valid_q;
  logic [Stages-1:0][RowWidth-1:0] rows_q;

  assign scale_load_o    = load_i;
  assign scale_step_o    = scaling_q;
  assign bit_o           = bit_q;
  assign shift_o         = rowing_q;
  assign total_valid_o   = valid_q[0];
  assign total_row_o     = rows_q[0];
  assign product_valid_o = valid_q[1];
  assign bias_valid_o    = valid_q[2];
  assign bias_row_o      = rows_q[2];
  assign result_valid_o  = valid_q[3];
  assign result_row_o    = rows_q[3];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      scaling_q <= 1'b0;
      rowing_q  <= 1'b0;
      bit_q     <= '0;
      row_q     <= '0;
      valid_q   <= '0;
      rows_q    <= '0;
    end else begin
      valid_q <= {valid_q[Stages-2:0], rowing_q};
      rows_q  <= {rows_q[Stages-2:0], row_q};
      if (load_i) begin
        scaling_q <= 1'b1;
        bit_q     <= TopBit;
      end else if (scaling_q) begin
        bit_q     <= bit_q - 3'd1;
        scaling_q <= bit_q != 3'd0;
        rowing_q  <= bit_q == 3'd0;
        row_q     <= '0;
      end else if (rowing_q) begin
        row_q    <= row_q + RowWidth'(1);
        rowing_q <= row_q != RowWidth'(Rows - 1);
      end
    end
  end

endmodule
