// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// One port of each bank of a scratchpad, shared by vector accesses (SN40L, MICRO 2024, section IV-B).
//
// In every cycle each bank goes to the first lane that asks for it: contexts in turn from turn_q on, lanes in
// order. An access that is not granted whole keeps what it has got and asks again for the rest. The turn moves
// on, in cycles in which somebody asks, when its context asks for nothing or is granted the rest: nobody waits
// for ever. Combinational from requests to grants.

module sn40l_bank_arbiter #(
  parameter  int unsigned Contexts  = 2,
  parameter  int unsigned Banks     = 8,
  parameter  int unsigned RowWidth  = 12,
  localparam int unsigned Lanes     = sn40l_pkg::Lanes,
  localparam int unsigned BankWidth = $clog2(Banks),
  localparam int unsigned CtxWidth  = $clog2(Contexts),
  localparam int unsigned LaneWidth = $clog2(Lanes)
) (
  input  logic                                          clk_i,
  input  logic                                          rst_ni,
  input  logic [Contexts-1:0][Lanes-1:0]                pending_i,
  input  logic [Contexts-1:0][Lanes-1:0][BankWidth-1:0] bank_i,
  input  logic [Contexts-1:0][Lanes-1:0][RowWidth-1:0]  row_i,
  output logic [Contexts-1:0][Lanes-1:0]                granted_o,
  output logic [Contexts-1:0]                           waits_o,   // some lanes of it have to ask again
  // What each bank does
  output logic [Banks-1:0]                              used_o,
  output logic [Banks-1:0][CtxWidth-1:0]                ctx_o,
  output logic [Banks-1:0][LaneWidth-1:0]               lane_o,
  output logic [Banks-1:0][RowWidth-1:0]                row_o
);

  logic [CtxWidth-1:0] turn_q;

  // Of each context: the first lane that asks for each bank, the banks asked for, and those it gets.
  logic [Contexts-1:0][Lanes-1:0] first;
  logic [Contexts-1:0][Banks-1:0] asked, given;

  always_comb begin
    first = '0;
    asked = '0;
    if (pending_i != '0) begin
      for (int unsigned c = 0; c < Contexts; c++) begin
        for (int unsigned l = 0; l < Lanes; l++) begin
          if (pending_i[c][l] && !asked[c][bank_i[c][l]]) begin
            first[c][l]            = 1'b1;
            asked[c][bank_i[c][l]] = 1'b1;
          end
        end
      end
    end
  end

  always_comb begin
    used_o = '0;
    given  = '0;
    for (int unsigned c = 0; c < Contexts; c++) begin
      if (CtxWidth'(c) >= turn_q) begin
        given[c] = asked[c] & ~used_o;
        used_o   = used_o | asked[c];
      end
    end
    for (int unsigned c = 0; c < Contexts; c++) begin
      if (CtxWidth'(c) < turn_q) begin
        given[c] = asked[c] & ~used_o;
        used_o   = used_o | asked[c];
      end
    end
  end

  always_comb begin
    granted_o = '0;
    waits_o   = '0;
    ctx_o     = '0;
    lane_o    = '0;
    row_o     = '0;
    if (used_o != '0) begin
      for (int unsigned c = 0; c < Contexts; c++) begin
        for (int unsigned l = 0; l < Lanes; l++) begin
          if (first[c][l] && given[c][bank_i[c][l]]) begin
            granted_o[c][l]      = 1'b1;
            ctx_o[bank_i[c][l]]  = CtxWidth'(c);
            lane_o[bank_i[c][l]] = LaneWidth'(l);
            row_o[bank_i[c][l]]  = row_i[c][l];
          end
        end
        waits_o[c] = (pending_i[c] & ~granted_o[c]) != '0;
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) turn_q <= '0;
    else if (pending_i != '0 && !waits_o[turn_q]) begin
      turn_q <= (turn_q == CtxWidth'(Contexts - 1)) ? '0 : turn_q + CtxWidth'(1);
    end
  end

  if (Contexts < 2) begin : gen_bad_contexts
    $error("sn40l_bank_arbiter: Contexts must be at least 2");
  end

endmodule
