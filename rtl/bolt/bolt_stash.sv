// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The overflow stash: values of keys that found both bins full, on chip.
//
// Places are taken and given back on one side, values written and read on the other, which follows later in
// the same order. place_o, the lowest free one, is there in the cycle after alloc_i; full_o then: there is
// none, nothing was taken. A value is on rdata_o in the cycle after its address. clear_i empties all places
// and zeroes what they hold.

module bolt_stash #(
  parameter  int unsigned Places     = bolt_pkg::StashPlaces,
  parameter  int unsigned ValueBytes = 16,
  localparam int unsigned PlaceWidth = $clog2(Places),
  localparam int unsigned ValueBits  = 8 * ValueBytes
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  input  logic                            clear_i,
  // Places; a place is in a frame's field of the position map
  input  logic                            alloc_i,
  input  logic                            alloc_en_i,
  output logic [bolt_pkg::FrameWidth-1:0] place_o,
  output logic                            full_o,
  input  logic                            release_i,
  /* verilator lint_off UNUSEDSIGNAL */  // upper bits of numbers: the package's widths are for the largest
  input  logic [bolt_pkg::FrameWidth-1:0] release_place_i,
  output logic [PlaceWidth:0]             used_count_o,
  // Values
  input  logic                            we_i,
  input  logic [bolt_pkg::FrameWidth-1:0] waddr_i,
  input  logic [ValueBits-1:0]            wdata_i,
  input  logic [bolt_pkg::FrameWidth-1:0] raddr_i,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic [ValueBits-1:0]            rdata_o
);

  logic [Places-1:0]                 used_q, used;
  logic [Places-1:0][ValueBits-1:0]  value_q;
  logic [PlaceWidth-1:0]             lowest, place_q;
  logic                              take, full_q;
  logic [ValueBits-1:0]              rdata_q;
  logic [PlaceWidth:0]               count;

  always_comb begin
    lowest = '0;
    count  = '0;
    for (int unsigned i = Places; i > 0; i--) begin
      if (!used_q[i-1]) lowest = PlaceWidth'(i - 1);
      count = count + (PlaceWidth + 1)'(used_q[i-1]);
    end
    take = alloc_i && alloc_en_i && !(&used_q);
    used = used_q;
    if (take)      used[lowest]                       = 1'b1;
    if (release_i) used[PlaceWidth'(release_place_i)] = 1'b0;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      used_q  <= '0;
      place_q <= '0;
      full_q  <= 1'b0;
      value_q <= '0;
      rdata_q <= '0;
    end else if (clear_i) begin
      used_q  <= '0;
      place_q <= '0;
      full_q  <= 1'b0;
      value_q <= '0;
      rdata_q <= '0;
    end else begin
      used_q  <= used;
      place_q <= take ? lowest : '0;
      full_q  <= alloc_i && alloc_en_i && !take;
      rdata_q <= value_q[PlaceWidth'(raddr_i)];
      if (we_i) value_q[PlaceWidth'(waddr_i)] <= wdata_i;
    end
  end

  assign place_o      = bolt_pkg::FrameWidth'(place_q);
  assign full_o       = full_q;
  assign used_count_o = count;
  assign rdata_o      = rdata_q;

  if (Places < 2 || ValueBytes < 1) begin : gen_bad_size
    $error("bolt_stash: Places must be at least 2, ValueBytes at least 1");
  end

endmodule
