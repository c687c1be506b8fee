// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// After the last tile of a block: AV[p1, f] = RNV[p1, f] / RD[p1] for all p1 and f, p1 slowest.
//
// While active_i it gives the lanes one operation a cycle: the divisor, then F divisions, for every p1; a
// division only where the queue behind the lanes has a place left for its result. last_o: everything will
// have been given with this cycle. empty_o: all results have left the queue.

module fusemax_quotients #(
  parameter  int unsigned F          = 64,
  parameter  int unsigned MaxP1      = 4,
  parameter  int unsigned QueueDepth = 32,
  localparam int unsigned StateAddr  = $clog2(MaxP1 * (F + 2))
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  input  logic                               active_i,
  input  logic [fusemax_pkg::ShapeWidth-1:0] p1_i,
  input  logic                               left_i,       // a result leaves the queue
  output fusemax_pkg::lane_op_t              op_o,
  output logic [StateAddr-1:0]               addr_o,
  output logic                               division_o,
  output logic                               last_o,
  output logic                               empty_o
);

  localparam int unsigned ShapeWidth = fusemax_pkg::ShapeWidth;
  localparam int unsigned CountWidth = $clog2(QueueDepth + 1);
  localparam int unsigned IdxWidth   = $clog2(F + 1);

  logic [ShapeWidth-1:0] p1_q;
  logic [IdxWidth-1:0]   idx_q;   // 0: the divisor; 1 + f: RNV[f]
  logic [StateAddr-1:0]  addr_q;
  logic [CountWidth-1:0] room_q;
  logic                  divide, give, p1_end;

  assign divide     = idx_q != '0;
  assign give       = active_i & (~divide | (room_q != '0));
  assign division_o = give & divide;
  assign p1_end     = idx_q == IdxWidth'(F);
  assign last_o     = give & p1_end & (p1_q + ShapeWidth'(1) == p1_i);
  assign empty_o    = room_q == CountWidth'(QueueDepth);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      p1_q   <= '0;
      idx_q  <= '0;
      addr_q <= StateAddr'(1);
      room_q <= CountWidth'(QueueDepth);
    end else begin
      room_q <= room_q - CountWidth'(division_o) + CountWidth'(left_i);
      if (last_o) begin
        p1_q   <= '0;
        idx_q  <= '0;
        addr_q <= StateAddr'(1);
      end else if (give) begin
        // RM lies between the last RNV of one p1 and RD of the next.
        p1_q   <= p1_end ? p1_q + ShapeWidth'(1) : p1_q;
        idx_q  <= p1_end ? '0 : idx_q + IdxWidth'(1);
        addr_q <= p1_end ? addr_q + StateAddr'(2) : addr_q + StateAddr'(1);
      end
    end
  end

  always_comb begin
    op_o         = '0;
    op_o.a_state = give;
    if (give) op_o.op = divide ? fusemax_pkg::Op1Div : fusemax_pkg::Op1Divisor;
  end

  assign addr_o = addr_q;

endmodule
