// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Systolic body of the PCU: output tiles of up to 8 * AccTiles rows by 8 columns, output stationary (SN40L,
// MICRO 2024, section IV-A; what it computes is in sn40l_pcu_pkg).
//
// A vector of A a cycle, one of B for each depth and, where there is a bias, one before each tile, popped
// as they are used. A tile accumulates in one of AccSets sets of accumulators while another's rows leave:
// row_valid_o means that the next row can be taken; with row_ready_i it is at row_o in the next cycle.

module sn40l_pcu_gemm #(
  parameter  int unsigned AccTiles = 4,
  parameter  int unsigned AccSets  = 2,
  localparam int unsigned VecWidth = sn40l_pcu_pkg::VecWidth
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                start_i,
  output logic                idle_o,
  // Registers
  input  logic                bias_i,
  input  logic [15:0]         depth_i,
  input  logic [3:0]          tiles_i,
  input  logic [7:0]          rows_i,
  input  logic [15:0]         trips_i,
  input  logic [31:0]         units_i,
  // Operands
  input  logic                a_valid_i,
  input  logic [VecWidth-1:0] a_i,
  input  logic                a_poison_i,
  output logic                a_pop_o,
  input  logic                b_valid_i,
  input  logic [VecWidth-1:0] b_i,
  input  logic                b_poison_i,
  output logic                b_pop_o,
  // Rows
  output logic                row_valid_o,
  input  logic                row_ready_i,
  output logic [VecWidth-1:0] row_o,
  output logic                row_poison_o,
  // What it does in this cycle
  output logic                works_o,
  output logic                starved_o,
  output logic                blocked_o
);

  localparam int unsigned TileWidth = (AccTiles > 1) ? $clog2(AccTiles) : 1;
  localparam int unsigned SetWidth  = (AccSets > 1) ? $clog2(AccSets) : 1;
  localparam int unsigned All       = AccTiles * AccSets;
  localparam int unsigned AddrWidth = (All > 1) ? $clog2(All) : 1;

  function automatic logic [AddrWidth-1:0] address(logic [SetWidth-1:0] set, logic [TileWidth-1:0] tile);
    address = AddrWidth'(32'(set) * AccTiles + 32'(tile));
  endfunction

  function automatic logic [SetWidth-1:0] next_set(logic [SetWidth-1:0] set);
    next_set = (32'(set) == AccSets - 1) ? '0 : set + SetWidth'(1);
  endfunction

  // Accumulation
  logic                 active_q, biased_q;  // biased: the tile's bias is there, or none is needed
  logic [15:0]          depth_q, trip_q;
  logic [31:0]          unit_q;
  logic [TileWidth-1:0] tile_q;
  logic [SetWidth-1:0]  set_q;
  logic [AccSets-1:0]   full_q;
  logic                 ends_q;
  logic [SetWidth-1:0]  ends_set_q, drain_set_q;
  logic                 set_busy, mac, take_bias, tile_last, depth_last, trip_last;

  assign set_busy   = full_q[set_q] || (ends_q && ends_set_q == set_q);
  assign tile_last  = 4'(tile_q) == tiles_i - 4'd1;
  assign depth_last = depth_q == depth_i - 16'd1;
  assign trip_last  = trip_q == trips_i - 16'd1;
  assign take_bias  = active_q && !biased_q && b_valid_i;
  assign mac        = active_q && biased_q && !set_busy && a_valid_i && b_valid_i;
  assign a_pop_o    = mac;
  assign b_pop_o    = take_bias || (mac && tile_last);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      biased_q <= 1'b0;
      tile_q   <= '0;
      depth_q  <= '0;
      trip_q   <= '0;
      unit_q   <= '0;
      set_q    <= '0;
    end else if (start_i) begin
      active_q <= 1'b1;
      biased_q <= ~bias_i;
    end else if (take_bias) begin
      biased_q <= 1'b1;
    end else if (mac) begin
      tile_q <= tile_last ? '0 : tile_q + TileWidth'(1);
      if (tile_last) depth_q <= depth_last ? '0 : depth_q + 16'd1;
      if (tile_last && depth_last) begin
        biased_q <= ~bias_i;
        set_q    <= next_set(set_q);
        trip_q   <= trip_last ? '0 : trip_q + 16'd1;
        if (trip_last) begin
          unit_q   <= (unit_q == units_i - 32'd1) ? '0 : unit_q + 32'd1;
          active_q <= unit_q != units_i - 32'd1;
        end
      end
    end
  end

  logic [VecWidth-1:0] bias_q;
  logic                bias_poison_q;

  always_ff @(posedge clk_i) begin
    if (take_bias) begin
      bias_q        <= b_i;
      bias_poison_q <= b_poison_i;
    end
  end

  // A set is full when its last sum is written, and busy from the cycle before.
  logic [7:0]          row_q;
  logic                drain, drain_last;

  assign row_valid_o = full_q[drain_set_q];
  assign drain       = row_valid_o && row_ready_i;
  assign drain_last  = row_q == rows_i - 8'd1;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      ends_q      <= 1'b0;
      full_q      <= '0;
      drain_set_q <= '0;
      row_q       <= '0;
    end else begin
      ends_q <= mac && tile_last && depth_last;
      if (ends_q) full_q[ends_set_q] <= 1'b1;
      if (drain) begin
        row_q <= drain_last ? '0 : row_q + 8'd1;
        if (drain_last) begin
          full_q[drain_set_q] <= 1'b0;
          drain_set_q         <= next_set(drain_set_q);
        end
      end
    end
  end

  always_ff @(posedge clk_i) if (mac) ends_set_q <= set_q;

  sn40l_pcu_macs #(.Tiles(All)) i_macs (
    .clk_i,
    .mac_i         (mac),
    .first_i       (depth_q == '0),
    .addr_i        (address(set_q, tile_q)),
    .a_i,
    .b_i,
    .poison_i      (a_poison_i | b_poison_i),
    .start_i       (bias_i ? bias_q : '0),
    .start_poison_i(bias_i & bias_poison_q),
    .read_i        (drain),
    .read_addr_i   (address(drain_set_q, row_q[TileWidth+2:3])),
    .read_row_i    (row_q[2:0]),
    .row_o,
    .poison_o      (row_poison_o)
  );

  assign idle_o    = !active_q && !ends_q && full_q == '0;
  assign works_o   = mac;
  assign blocked_o = active_q && biased_q && set_busy;
  assign starved_o = active_q && !blocked_o && !mac && !take_bias;

  if (AccTiles < 1 || AccTiles > 8) begin : gen_bad_tiles
    $error("sn40l_pcu_gemm: AccTiles must be 1..8");
  end
  if (AccSets < 1) begin : gen_bad_sets
    $error("sn40l_pcu_gemm: AccSets must be at least 1");
  end

endmodule
