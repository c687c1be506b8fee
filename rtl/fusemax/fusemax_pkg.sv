// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Micro-operations, program words and constants of the FuseMax array (FuseMax, MICRO 2024, sections IV-V,
// cascade 5 and figures 3-5).
//
// A program is one word per cycle of the epoch; word j says what the 2D array and the 1D row begin in
// cycle j of every epoch. What begins in cycle t runs in element (r, c) of the array in cycle t + r + c, in
// lane c of the row in cycle t + c. Cycles from the beginning of a producer to that of its consumer:
//   2D -> 2D, the same register           1
//   2D -> lane register -> 1D, or SUBV    Rows   (the word that leaves the bottom of a column)
//   1D -> 1D, lane register or state      1
//   1D -> SUBV                            1
// Registers are written at the end of an operation's cycle: a reader that begins before these times sees
// the value before. Where the bottom word and a 1D result meet in one lane register, the 1D result stays.
//
// Every operation of the program acts on the tile that began `stage` epochs ago, n = m1 * P1 + p1 counted
// from the start of the block, and does nothing where there is no such tile. A register with its `rot` bit
// set is taken from address XOR n[0]: odd tiles use the neighbour.

package fusemax_pkg;

  localparam int unsigned ShapeWidth  = 16;  // p1, m1, period, ... of a run
  localparam int unsigned MaxStages   = 8;   // tiles in flight
  localparam int unsigned StageWidth  = 3;
  localparam int unsigned RfAddr      = 4;   // register of a 2D element
  localparam int unsigned LaneAddr    = 5;   // register of a lane
  localparam int unsigned IdxWidth    = 7;   // e or f
  localparam int unsigned StateIdx    = 8;   // 0: RM, 1: RD, 2 + f: RNV[f]
  localparam int unsigned WordWidth   = 72;  // program word
  localparam int unsigned PeOpWidth   = 14;  // pe_op_t, lane_op_t, down_t below
  localparam int unsigned LaneOpWidth = 24;
  localparam int unsigned DownWidth   = 6;
  localparam int unsigned DivLatency  = 15;  // fp32_div

  // 2D operations. h and v are the words on the links from the left and from above, MAC the product rounded,
  // then the sum rounded. In elements of rows beyond the last key MAXD, SUMD and MACD pass v on unchanged.
  typedef enum logic [3:0] {
    Op2Nop  = 4'd0,
    Op2Mac  = 4'd1,   // rf[rd] = (first ? +0 : rf[rd]) + h * v; left: h = K[idx], top: v = Q[p1, idx]
    Op2Maxd = 4'd2,   // v' = max(v, rf[ra]); the top gets -inf; bottom word to lane register `lane`
    Op2Subv = 4'd3,   // rf[rd] = rf[ra] - v; the top gets lane register `lane`
    Op2Sumd = 4'd4,   // v' = v + rf[ra]; the top gets +0; bottom word to lane register `lane`
    Op2Macd = 4'd5,   // v' = v + h * rf[ra]; h = V[idx]; the top gets +0; bottom word to lane register `lane`
    Op2Exp0 = 4'd8,   // y = rf[rd] * log2(e) + 0; n = floor(y), g = y - n, 24 bits of fraction
    Op2Exp1 = 4'd9,   // rf[rd] = c5 * g + c4
    Op2Exp2 = 4'd10,  // rf[rd] = rf[rd] * g + c3
    Op2Exp3 = 4'd11,  // rf[rd] = rf[rd] * g + c2
    Op2Exp4 = 4'd12,  // rf[rd] = rf[rd] * g + c1
    Op2Exp5 = 4'd13   // rf[rd] = (rf[rd] * g + c0) * 2^n, below 2^-126: +0
  } op2d_e;

  // 2D micro-operation, 32 bits. MAC reads no ra, SUBV and EXPk no first, and so on: such fields are ignored.
  typedef struct packed {
    logic                  unused;    // [31]
    logic                  lane_rot;  // [30]
    logic [LaneAddr-1:0]   lane;      // [29:25] lane register written by the bottom word, or read by SUBV
    logic [IdxWidth-1:0]   idx;       // [24:18] e of MAC, f of MACD
    logic                  first;     // [17]
    logic                  ra_rot;    // [16]
    logic [RfAddr-1:0]     ra;        // [15:12]
    logic                  rd_rot;    // [11]
    logic [RfAddr-1:0]     rd;        // [10:7]
    logic [StageWidth-1:0] stage;     // [6:4]
    logic [3:0]            op;        // [3:0] op2d_e
  } uop2d_t;

  // 1D operations: x = state[p1, idx] if a_state, else lane[a]; y = lane[b]. The result goes to
  // state[p1, idx] if rd_state, else to lane[rd].
  typedef enum logic [3:0] {
    Op1Nop     = 4'd0,
    Op1Max     = 4'd1,   // max(x, y)
    Op1Sub     = 4'd2,   // x - y
    Op1Mul     = 4'd3,   // x * y
    Op1Add     = 4'd4,   // x + y
    Op1Exp0    = 4'd8,   // lane[rd] in place, as in the array; never to state
    Op1Exp1    = 4'd9,
    Op1Exp2    = 4'd10,
    Op1Exp3    = 4'd11,
    Op1Exp4    = 4'd12,
    Op1Exp5    = 4'd13,
    Op1Divisor = 4'd14,  // not for programs: divisor = x
    Op1Div     = 4'd15   // not for programs: x / divisor, to the output
  } op1d_e;

  // 1D micro-operation, 40 bits.
  typedef struct packed {
    logic [2:0]            unused;    // [39:37]
    logic                  init_inf;  // [36] a_state in a tile of m1 = 0 reads -inf, else +0
    logic [StateIdx-1:0]   idx;       // [35:28] word of the state: 0 RM, 1 RD, 2 + f RNV[f]
    logic                  b_state;   // [27] y is written to state[p1, idx] as well; not with rd_state
    logic                  rd_state;  // [26]
    logic                  a_state;   // [25]
    logic                  b_rot;     // [24]
    logic [LaneAddr-1:0]   b;         // [23:19]
    logic                  a_rot;     // [18]
    logic [LaneAddr-1:0]   a;         // [17:13]
    logic                  rd_rot;    // [12]
    logic [LaneAddr-1:0]   rd;        // [11:7]
    logic [StageWidth-1:0] stage;     // [6:4]
    logic [3:0]            op;        // [3:0] op1d_e
  } uop1d_t;

  typedef struct packed {
    uop1d_t row;    // [71:32]
    uop2d_t array;  // [31:0]
  } word_t;

  localparam logic [31:0] PlusZero      = 32'h0000_0000;
  localparam logic [31:0] PlusOne       = 32'h3F80_0000;
  localparam logic [31:0] MinusInfinity = 32'hFF80_0000;

  // What travels through the array with the data.
  typedef struct packed {
    logic              pass;   // row beyond the last key
    logic              first;
    logic [RfAddr-1:0] ra;
    logic [RfAddr-1:0] rd;
    logic [3:0]        op;     // op2d_e
  } pe_op_t;

  // What travels along the lanes.
  typedef struct packed {
    logic                init;      // the state word reads as its initial value
    logic                init_inf;
    logic                b_state;
    logic                rd_state;
    logic                a_state;
    logic [LaneAddr-1:0] b;
    logic [LaneAddr-1:0] a;
    logic [LaneAddr-1:0] rd;
    logic [3:0]          op;        // op1d_e
  } lane_op_t;

  // A word on its way from the bottom of a column to a lane register.
  typedef struct packed {
    logic                valid;
    logic [LaneAddr-1:0] lane;
  } down_t;

endpackage
