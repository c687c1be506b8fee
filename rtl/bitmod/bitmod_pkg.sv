// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Widths and types of the BitMoD datapath (BitMoD, HPCA 2025, section IV).
//
// A floating-point weight is worked in doubled units (its smallest step, one half, counts as 1), an
// integer as it is. An accumulator value is mantissa * 2^(exponent - 28): FP16 bias 15, 10 fraction bits,
// 3 guard bits.

package bitmod_pkg;

  // One group: 128 weights of one output channel, a slice of Lanes at a time (2, 4 or 8; the paper's are the
  // modules' default), two to four bit-serial terms each.
  localparam int unsigned Lanes            = 4;
  localparam int unsigned GroupSize        = 128;
  localparam int unsigned FewestTerms      = 2;
  localparam int unsigned ActWordsPerGroup = GroupSize / 4;  // 64-bit words of FP16

  localparam int unsigned ScaleWidth = 7;   // group scale, 0..127
  localparam int unsigned ExpWidth   = 6;   // biased exponent of a term, a dot product, an accumulator
  localparam int unsigned BsigWidth  = 3;   // bit significance, 0..6
  localparam int unsigned AccWidth   = 15;  // sign and 14 magnitude bits: the paper's, modules' default
  localparam int unsigned ShapeWidth = 16;  // tokens, channels, groups of a layer

  // What the weights are, and with it the number of a weight's first term. Terms are
  // counted down to 0: those of an integer have bit significance 6, 4, 2, 0, of a floating-point weight 1, 0.
  typedef enum logic [1:0] {
    ModeFp   = 2'd1,  // FP4 and FP3: two terms
    ModeInt6 = 2'd2,  // integers of six bits, of five with their sign extended: three terms
    ModeInt8 = 2'd3   // integers of eight bits: four terms
  } mode_e;

  // Arrays of these types are declared as plain vectors: not every synthesis tool indexes packed arrays of
  // structures.
  localparam int unsigned TermWidth  = 4;
  localparam int unsigned TermsWidth = 8;
  localparam int unsigned StepWidth  = 7;

  // An activation is (-1)^sign * man * 2^(exp - 25), its exponent 0 where it is zero.
  localparam int unsigned ActExpWidth = 5;
  localparam int unsigned ActManWidth = 11;

  // A weight term: (-1)^sign * man * 2^exp, times 2^bsig given beside it.
  typedef struct packed {
    logic       sign;
    logic       man;
    logic [1:0] exp;
  } term_t;

  // A floating-point weight: the term at bit significance 1 and the one at bit significance 0.
  typedef struct packed {
    term_t high;
    term_t low;
  } terms_t;

  // What follows a step through the array. A tile is here a tile of outputs, Rows * RowTiles tokens by
  // Cols * ColTiles channels.
  typedef struct packed {
    logic       valid;
    logic [1:0] term;        // number of the weights' terms, down to 0
    logic       first;       // first step of a group
    logic       last;        // last step of a group
    logic       tile_first;  // first step of a tile of outputs
    logic       tile_last;   // last step of a tile of outputs
  } step_t;

endpackage
