// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Where a byte address is: the channel, the beat of it, or nowhere. HBM is interleaved over its channels;
// DDR is the channel after them.

module sn40l_mem_map #(
  parameter  int unsigned HbmChannels  = 4,
  parameter  int unsigned HbmBeats     = 131072,
  parameter  int unsigned DdrBeats     = 2097152,
  parameter  int unsigned Interleave   = 512,
  localparam int unsigned ChannelWidth = $clog2(HbmChannels + 1),
  localparam int unsigned BeatWidth    = $clog2((HbmBeats > DdrBeats) ? HbmBeats : DdrBeats)
) (
  input  logic [sn40l_mem_pkg::AddrWidth-1:0] addr_i,
  output logic [ChannelWidth-1:0]             channel_o,
  output logic [BeatWidth-1:0]                beat_o,
  output logic                                decerr_o
);

  localparam int unsigned PieceBeats = Interleave / 32;
  localparam int unsigned DdrBit     = sn40l_mem_pkg::DdrBit;
  localparam int unsigned FullWidth  = DdrBit - 5;

  logic                 ddr;
  logic [FullWidth-1:0] whole, piece, beat;

  // Divisors are powers of two.
  assign ddr   = addr_i[DdrBit];
  assign whole = addr_i[DdrBit-1:5];
  assign piece = whole / FullWidth'(PieceBeats);
  assign beat  = ddr ? whole
               : (piece / FullWidth'(HbmChannels)) * FullWidth'(PieceBeats) + whole % FullWidth'(PieceBeats);

  assign channel_o = ddr ? ChannelWidth'(HbmChannels) : ChannelWidth'(piece % FullWidth'(HbmChannels));
  assign beat_o    = BeatWidth'(beat);
  assign decerr_o  = addr_i[DdrBit+1] || beat >= (ddr ? FullWidth'(DdrBeats) : FullWidth'(HbmBeats));

  logic unused;
  assign unused = ^addr_i[4:0];

  if (HbmChannels < 1 || 2 ** $clog2(HbmChannels) != HbmChannels ||
      Interleave < 32 || 2 ** $clog2(Interleave) != Interleave) begin : gen_bad_size
    $error("sn40l_mem_map: HbmChannels and Interleave must be powers of two, Interleave at least 32");
  end
  if (HbmBeats % (Interleave / 32) != 0) begin : gen_bad_capacity
    $error("sn40l_mem_map: a channel must hold whole pieces");
  end

endmodule
