// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Weights of one array column: two halves of codes, group parameters and channel parameters.
//
// One half is filled while the other is read. A read gives the codes of a slice (Lanes weights; four bits
// count of a floating-point one, six or eight of an integer) and the group's special-value index one cycle
// later. capture_i keeps the scale of the group last read and the channel parameters of its half for the
// drain, so the half can be refilled from the next cycle on.
// Words, first weight in the low bits: low codes, the low four bits of sixteen weights; high codes, the bits
// above them of sixteen weights of eight bits or thirty-two of six; group {special[8:7], scale[6:0]};
// channel {bias[63:32], scale[31:0]}, both FP32.

module bitmod_weight_bank #(
  parameter  int unsigned Lanes      = bitmod_pkg::Lanes,
  parameter  int unsigned MaxGroups  = 3,
  localparam int unsigned GroupCount = 2 * MaxGroups,
  localparam int unsigned GroupAddr  = $clog2(GroupCount),
  localparam int unsigned WordAddr   = GroupAddr + 3,
  localparam int unsigned SliceWidth = $clog2(bitmod_pkg::GroupSize / Lanes)
) (
  input  logic                                             clk_i,
  input  logic                                             rst_ni,
  input  bitmod_pkg::mode_e                                mode_i,
  // Fill
  input  logic                                             write_low_i,
  input  logic                                             write_high_i,
  input  logic                                             write_group_i,
  input  logic                                             write_channel_i,
  input  logic                                             write_half_i,
  input  logic [WordAddr-1:0]                              write_addr_i,
  input  logic [63:0]                                      write_data_i,
  // Read: address in cycle t, codes and special-value index in cycle t+1
  input  logic                                             read_i,
  input  logic                                             read_half_i,
  input  logic [GroupAddr-1:0]                             read_group_i,
  input  logic [SliceWidth-1:0]                            read_slice_i,
  output logic [Lanes-1:0][7:0]                            code_o,
  output logic [1:0]                                       special_o,
  // Drain
  input  logic                                             capture_i,
  output logic [bitmod_pkg::ScaleWidth-1:0]                scale_o,
  output logic [31:0]                                      channel_scale_o,
  output logic [31:0]                                      bias_o
);

  localparam int unsigned ScaleWidth = bitmod_pkg::ScaleWidth;
  localparam int unsigned GroupWord  = ScaleWidth + 2;

  logic [63:0]           low, high;
  logic [16/Lanes-1:0][Lanes-1:0][3:0] low_slices, high_slices;  // four bits of each lane
  logic [32/Lanes-1:0][Lanes-1:0][1:0] high_pairs;               // two bits of each lane
  logic [GroupWord-1:0]  group;
  logic [SliceWidth-3:0] slice_q;  // within a word of thirty-two weights
  logic [63:0]           channel_0_q, channel_1_q, channel_kept_q;
  logic [ScaleWidth-1:0] scale_kept_q;

  sram_1r1w #(.Width(64), .Depth(GroupCount * 8)) i_low (
    .clk_i,
    .rst_ni,
    .we_i   (write_low_i),
    .waddr_i(write_addr_i),
    .wdata_i(write_data_i),
    .re_i   (read_i),
    .raddr_i({read_group_i, read_slice_i[SliceWidth-1-:3]}),
    .rdata_o(low)
  );

  logic six_bits;
  assign six_bits = mode_i == bitmod_pkg::ModeInt6;

  sram_1r1w #(.Width(64), .Depth(GroupCount * 8)) i_high (
    .clk_i,
    .rst_ni,
    .we_i   (write_high_i),
    .waddr_i(write_addr_i),
    .wdata_i(write_data_i),
    .re_i   (read_i && mode_i != bitmod_pkg::ModeFp),
    .raddr_i({read_group_i,
              six_bits ? {1'b0, read_slice_i[SliceWidth-1-:2]} : read_slice_i[SliceWidth-1-:3]}),
    .rdata_o(high)
  );

  sram_1r1w #(.Width(GroupWord), .Depth(GroupCount)) i_groups (
    .clk_i,
    .rst_ni,
    .we_i   (write_group_i),
    .waddr_i(write_addr_i[WordAddr-1:3]),
    .wdata_i(write_data_i[GroupWord-1:0]),
    .re_i   (read_i),
    .raddr_i(read_group_i),
    .rdata_o(group)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      slice_q        <= '0;
      channel_0_q    <= '0;
      channel_1_q    <= '0;
      channel_kept_q <= '0;
      scale_kept_q   <= '0;
    end else begin
      if (read_i) slice_q <= read_slice_i[SliceWidth-3:0];
      if (write_channel_i & ~write_half_i) channel_0_q <= write_data_i;
      if (write_channel_i & write_half_i)  channel_1_q <= write_data_i;
      if (capture_i) begin
        channel_kept_q <= read_half_i ? channel_1_q : channel_0_q;
        scale_kept_q   <= group[ScaleWidth-1:0];
      end
    end
  end

  assign low_slices  = low;
  assign high_slices = high;
  assign high_pairs  = high;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [3:0] above;
    assign above     = six_bits ? {2'b00, high_pairs[slice_q][l]} : high_slices[slice_q[SliceWidth-4:0]][l];
    assign code_o[l] = {above, low_slices[slice_q[SliceWidth-4:0]][l]};
  end

  assign special_o       = group[GroupWord-1:ScaleWidth];
  assign scale_o         = scale_kept_q;
  assign channel_scale_o = channel_kept_q[31:0];
  assign bias_o          = channel_kept_q[63:32];

endmodule
