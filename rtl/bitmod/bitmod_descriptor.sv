// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A layer descriptor taken apart, checked, and the sizes of its transfers. Combinational.
//
// Little-endian 64-bit words:
//   0 weights address   1 activations address   2 results address
//   3 tokens[15:0], channels[31:16], groups[47:32], mode[55:48], flags[63:56]
//   4 special terms[31:0]; the rest, and words 5 to 7, zero
// ok_o: no zero in the shape, groups within the buffers, addresses aligned (8, 8, 4 bytes), a mode of
// bitmod_pkg::mode_e, known flags (bit 0: fence), reserved bits zero.
// It does not know what memory there is.

module bitmod_descriptor #(
  parameter int unsigned MaxGroups = 3
) (
  input  logic [bitmod_accel_pkg::DescriptorWidth-1:0]   descriptor_i,
  output logic                                           ok_o,
  output logic [63:0]                                    weights_o,
  output logic [63:0]                                    acts_o,
  output logic [63:0]                                    results_o,
  output logic [bitmod_pkg::ShapeWidth-1:0]              tokens_o,
  output logic [bitmod_pkg::ShapeWidth-1:0]              channels_o,
  output logic [bitmod_pkg::ShapeWidth-1:0]              groups_o,
  output bitmod_pkg::mode_e                              mode_o,
  output logic                                           fence_o,
  output logic [3:0][bitmod_pkg::TermsWidth-1:0]         special_terms_o,
  output logic [bitmod_accel_pkg::CountWidth-1:0]        weight_words_o,  // once through
  output logic [bitmod_accel_pkg::CountWidth-1:0]        act_words_o
);

  localparam int unsigned ShapeWidth = bitmod_pkg::ShapeWidth;
  localparam int unsigned CountWidth = bitmod_accel_pkg::CountWidth;

  // A group: eight words of low codes, so many of high codes, one of parameters.
  localparam int unsigned LowWords  = 9;
  localparam int unsigned Int6Words = LowWords + 4;
  localparam int unsigned Int8Words = LowWords + 8;

  logic [7:0][63:0] words;
  logic [7:0]       mode;
  logic [4:0]       group_words;
  logic             shape_ok, aligned, mode_ok, known;

  assign words           = descriptor_i;
  assign weights_o       = words[0];
  assign acts_o          = words[1];
  assign results_o       = words[2];
  assign tokens_o        = words[3][15:0];
  assign channels_o      = words[3][31:16];
  assign groups_o        = words[3][47:32];
  assign mode            = words[3][55:48];
  assign fence_o         = words[3][56];
  assign special_terms_o = words[4][31:0];

  assign weight_words_o = CountWidth'(channels_o) *
                          (CountWidth'(groups_o) * CountWidth'(group_words) + CountWidth'(1));
  assign act_words_o    = CountWidth'(tokens_o) * CountWidth'(groups_o) *
                          CountWidth'(bitmod_pkg::ActWordsPerGroup);

  always_comb begin
    mode_ok     = 1'b1;
    mode_o      = bitmod_pkg::ModeFp;
    group_words = 5'(LowWords);
    unique case (mode)
      8'd1: mode_o = bitmod_pkg::ModeFp;
      8'd2: begin
        mode_o      = bitmod_pkg::ModeInt6;
        group_words = 5'(Int6Words);
      end
      8'd3: begin
        mode_o      = bitmod_pkg::ModeInt8;
        group_words = 5'(Int8Words);
      end
      default: mode_ok = 1'b0;
    endcase
  end

  assign shape_ok = tokens_o != '0 && channels_o != '0 && groups_o != '0 &&
                    groups_o <= ShapeWidth'(MaxGroups);
  assign aligned  = weights_o[2:0] == '0 && acts_o[2:0] == '0 && results_o[1:0] == '0;
  assign known    = words[3][63:57] == '0 && words[4][63:32] == '0 &&
                    {words[7], words[6], words[5]} == '0;
  assign ok_o     = shape_ok && aligned && mode_ok && known;

endmodule
