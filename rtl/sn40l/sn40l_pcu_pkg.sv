// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Registers and instructions of the pattern compute unit (SN40L, MICRO 2024, section IV-A: header, systolic or
// SIMD body, tail, output).
//
// Registers (word addresses of the configuration bus; all 0 after reset; not to be written while running):
//
//   0x000  MODE      [1:0] 0: off, 1: GEMM, 2: SIMD; [2] GEMM: each output tile begins with a vector of bias;
//                    [5:4] BitMoD body: what the weights are, bitmod_pkg::mode_e
//   0x001  UNITS     [31:0] units (tiles of the result's tensor) of a run
//   0x002  TRIPS     [15:0] trips of a unit: output tiles (GEMM), runs of the program's body (SIMD)
//   0x003  GEMM      [15:0] depth K, at least 1; [19:16] vectors of A for each k, 1..AccTiles; [31:24] rows that
//                    leave of each output tile, 1..8 * vectors of A
//   0x004  PROGRAM   [4:0] first instruction of the body (those before it run once, after start_i);
//                    [12:8] last instruction
//   0x005  LANES     [3:0] lanes of the last vector of a ragged instruction, 1..8
//   0x006  OUTPUT    [5:0] flow; [8] plane; [31:16] sequence number of a unit's first packet
//   0x007  PACKETS   [16:0] packets of a unit, at least 1: the sequence number counts them, the last is marked
//   0x008+c CREDIT   c = 0..3, counter c: [1:0] 0: off, 1: a packet takes one, 2: a unit takes one when its
//                    first packet leaves; [15:8] initial value. token_i[c] gives it one back. With 2 it is a
//                    stage buffer's ready-to-read or write counter, with 1 the room in a queue
//   0x00C  SPECIALS  [31:0] BitMoD body: special values of the weights, two terms each
//   0x010+q QUEUE    q = 0..4, operand queue q: [5:0] flow, [8] plane, [15] in use. A packet goes to every queue
//                    that fits; token_o[q] is pulsed when one leaves queue q
//   0x020+i CONSTANT i = 0..7, fp32
//   0x040+2i, +1     instruction i = 0..31: instruction_t, low word first
//
// token_o[7] is pulsed when the last packet of a unit leaves. Counters (stat_o): 0 cycles in which the body
// worked, 1 cycles in which it waited for operands, 2 cycles in which it waited for room at the output, 3
// packets with poison that came in, plus 2^31 once a packet came that no queue fits or has room for.
//
// GEMM. Queue 0 brings A, queue 1 B, a vector of bias before each tile of B if MODE[2]. For an output tile of
// 8 columns and k = 0, 1, ... K-1: one vector of B (8 columns at k), with each of the vectors t of A (8 rows at
// k): acc[t][r][l] = acc[t][r][l] + A[t][r] * B[l], from the bias of column l, or +0; product and sum are
// rounded. Then the rows leave in order, r = 8 t + row, each 8 columns, as x of instruction 0 (op, y, tail, to
// the output, all per vector), while the next tile accumulates.
//
// BitMoD body (sn40l_pcu's parameter): GEMM as bitmod_body says, each unit a quantized linear layer of ROWS
// tokens by 8 * TRIPS channels and K groups of 128 inputs. In the place of the vectors of A for each k stand
// those of a token's last group, 0: all 16. The weights bring the bias.
//
// SIMD. An instruction takes vectors i = 0..count: result = tail(x op y), lane by lane. Buffer addresses go up
// with i; a queue gives its next vector (one, if x and y name the same); a scalar or constant is in every
// lane. If ragged, in the last vector lanes from LANES on become +0 and take no part in a reduction. Then the
// result goes to the buffer at dst + i, to the output, and into a reduction, which gives scalar rd: sum or
// maximum over all lanes of all vectors (within a vector pairs of neighbours first, then pairs of these, then
// vectors in order), or lane 0 of the last vector. An instruction begins right after the one before it,
// though that one's results are Latency cycles away: with `waits` it begins when all before it are there.
//
// Result of a packet with poison: poisoned, and so is what is made of it.

/* verilator lint_off UNUSEDPARAM */  // not every module of the unit uses all of them

package sn40l_pcu_pkg;

  localparam int unsigned Lanes        = 8;    // as in sn40l_pkg
  localparam int unsigned VecWidth     = 256;
  localparam int unsigned Queues       = 5;    // operand queues
  localparam int unsigned Counters     = 4;    // credits of the output
  localparam int unsigned Constants    = 8;
  localparam int unsigned Scalars      = 8;
  localparam int unsigned BufferDepth  = 256;  // vectors
  localparam int unsigned Instructions = 32;
  localparam int unsigned PcWidth      = 5;
  localparam int unsigned TailStages   = 8;    // of sn40l_pcu_tail

  localparam logic [6:0] RegMode     = 7'h00;
  localparam logic [6:0] RegUnits    = 7'h01;
  localparam logic [6:0] RegTrips    = 7'h02;
  localparam logic [6:0] RegGemm     = 7'h03;
  localparam logic [6:0] RegProgram  = 7'h04;
  localparam logic [6:0] RegLanes    = 7'h05;
  localparam logic [6:0] RegOutput   = 7'h06;
  localparam logic [6:0] RegPackets  = 7'h07;
  localparam logic [6:0] RegCredit   = 7'h08;
  localparam logic [6:0] RegSpecials = 7'h0C;
  localparam logic [6:0] RegQueue    = 7'h10;
  localparam logic [6:0] RegConstant = 7'h20;

  localparam int unsigned TokenUnit = 7;

  typedef enum logic [1:0] {
    ModeOff  = 2'd0,
    ModeGemm = 2'd1,
    ModeSimd = 2'd2
  } mode_e;

  typedef enum logic [2:0] {
    OpCopy = 3'd0,  // x
    OpAdd  = 3'd1,  // x + y
    OpSub  = 3'd2,  // x - y
    OpMul  = 3'd3,  // x * y
    OpMax  = 3'd4   // the larger; NaN where either is
  } op_e;

  typedef enum logic [2:0] {
    TailNone  = 3'd0,
    TailExp   = 3'd1,
    TailRecip = 3'd2,
    TailRsqrt = 3'd3,
    TailGelu  = 3'd4
  } tail_e;

  typedef enum logic [2:0] {
    FromQueue    = 3'd0,
    FromBuffer   = 3'd1,
    FromScalar   = 3'd2,
    FromConstant = 3'd3
  } source_e;

  typedef enum logic [1:0] {
    ReduceNone  = 2'd0,
    ReduceSum   = 2'd1,
    ReduceMax   = 2'd2,
    ReduceFirst = 2'd3  // lane 0 of the last vector
  } reduce_e;

  typedef struct packed {
    logic [7:0] count;      // [63:56] vectors less one
    logic [7:0] dst;        // [55:48] buffer address of the result
    logic [7:0] y_addr;     // [47:40]
    logic [7:0] x_addr;     // [39:32]
    logic [4:0] unused;     // [31:27]
    logic       ragged;     // [26]
    logic       waits;      // [25]
    logic       to_output;  // [24]
    logic       to_buffer;  // [23]
    logic [2:0] rd;         // [22:20] scalar
    logic [1:0] reduce;     // [19:18] reduce_e
    logic [2:0] y_index;    // [17:15] queue, scalar or constant
    logic [2:0] y_source;   // [14:12] source_e
    logic [2:0] x_index;    // [11:9]
    logic [2:0] x_source;   // [8:6]  source_e
    logic [2:0] tail;       // [5:3]  tail_e
    logic [2:0] op;         // [2:0]  op_e
  } instruction_t;

  // What goes with a vector to its result.
  typedef struct packed {
    logic [7:0] dst;
    logic       to_output;
    logic       to_buffer;
    logic [2:0] rd;
    logic [1:0] reduce;  // reduce_e
    logic       cut;     // lanes from LANES on take no part
    logic       first;   // of its instruction
  } step_t;

  localparam int unsigned StepWidth   = 17;              // step_t
  localparam int unsigned ResultStage = TailStages + 2;  // a result is there so many cycles after its issue
  localparam int unsigned TreeStages  = 3;               // log2(Lanes)
  localparam int unsigned OutputDepth = 32;              // vectors

  // Vectors, lane by lane. A simulator keeps one copy of each.
  function automatic logic [VecWidth-1:0] broadcast(logic [31:0] word);
    broadcast = {Lanes{word}};
  endfunction

  function automatic logic [VecWidth-1:0] add_lanes(logic [VecWidth-1:0] x, logic [VecWidth-1:0] y);
    /* verilator no_inline_task */
    for (int unsigned l = 0; l < Lanes; l++) begin
      add_lanes[l*32+:32] = fp32_pkg::add(x[l*32+:32], y[l*32+:32]);
    end
  endfunction

  function automatic logic [VecWidth-1:0] multiply_lanes(logic [VecWidth-1:0] x, logic [VecWidth-1:0] y);
    /* verilator no_inline_task */
    for (int unsigned l = 0; l < Lanes; l++) begin
      multiply_lanes[l*32+:32] = fp32_pkg::multiply(x[l*32+:32], y[l*32+:32]);
    end
  endfunction

  function automatic logic [VecWidth-1:0] max_lanes(logic [VecWidth-1:0] x, logic [VecWidth-1:0] y);
    /* verilator no_inline_task */
    for (int unsigned l = 0; l < Lanes; l++) begin
      max_lanes[l*32+:32] = fp32_pkg::larger(x[l*32+:32], y[l*32+:32]);
    end
  endfunction

  function automatic logic [VecWidth-1:0] negate_lanes(logic [VecWidth-1:0] x);
    for (int unsigned l = 0; l < Lanes; l++) begin
      negate_lanes[l*32+:32] = {~x[l*32+31], x[l*32+:31]};
    end
  endfunction

endpackage
