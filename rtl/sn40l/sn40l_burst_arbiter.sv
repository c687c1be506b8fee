// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Chooses one of several requesters, in turn, and stays with one until the last beat of its burst was
// taken.
//
// A requester that pauses within a burst loses its turn. Staying spreads sequential streams over
// interleaved channels, where beat by beat they would all wait at the same one.

module sn40l_burst_arbiter #(
  parameter  int unsigned Requesters = 4,
  localparam int unsigned IndexWidth = (Requesters > 1) ? $clog2(Requesters) : 1
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic [Requesters-1:0] request_i,
  input  logic [Requesters-1:0] last_i,   // the beat offered is the last of its burst
  input  logic                  taken_i,  // the beat chosen is taken
  output logic                  valid_o,
  output logic [IndexWidth-1:0] index_o
);

  logic [IndexWidth-1:0] owner_q;
  logic                  owned_q;
  logic [IndexWidth-1:0] higher, lowest;
  logic                  found_higher, found_any;

  always_comb begin
    found_higher  = 1'b0;
    found_any = 1'b0;
    higher        = '0;
    lowest       = '0;
    for (int unsigned k = 0; k < Requesters; k++) begin
      if (request_i[k] && !found_higher && IndexWidth'(k) > owner_q) begin
        found_higher = 1'b1;
        higher       = IndexWidth'(k);
      end
      if (request_i[k] && !found_any) begin
        found_any = 1'b1;
        lowest       = IndexWidth'(k);
      end
    end
  end

  assign valid_o = found_any;
  assign index_o = (owned_q && request_i[owner_q]) ? owner_q : found_higher ? higher : lowest;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      owner_q <= '0;
      owned_q <= 1'b0;
    end else if (taken_i) begin
      owner_q <= index_o;
      owned_q <= !last_i[index_o];
    end
  end

endmodule
