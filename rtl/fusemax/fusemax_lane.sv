// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Lane of the 1D row: registers, state, multiply-accumulate with exponentials, maximum, divider.
//
// An operation enters in the cycle before it runs, when it reads its word of the state; then it runs, and
// in the next cycle its result can be used. It goes on to the next lane with each cycle. The word from
// the bottom of the lane's column is in its register in the cycle it arrives (down_i comes one cycle
// before it). Quotients leave in FP16, av_o, fusemax_pkg::DivLatency cycles after their operation ran.
// en_i low holds all but the divider.

module fusemax_lane #(
  parameter  int unsigned LaneEntries = 32,
  parameter  int unsigned StateDepth  = 256,
  localparam int unsigned StateAddr   = $clog2(StateDepth)
) (
  input  logic                             clk_i,
  input  logic                             rst_ni,
  input  logic                             en_i,
  // Operation, to the next lane
  input  fusemax_pkg::lane_op_t            op_i,
  input  logic [StateAddr-1:0]             addr_i,
  input  fusemax_pkg::down_t               down_i,
  output fusemax_pkg::lane_op_t            op_o,
  output logic [StateAddr-1:0]             addr_o,
  output fusemax_pkg::down_t               down_o,
  // Array
  input  logic [31:0]                      down_word_i,
  input  logic [fusemax_pkg::LaneAddr-1:0] up_lane_i,
  output logic [31:0]                      up_word_o,
  // Quotient, FP16
  output logic                             av_valid_o,
  output logic [15:0]                      av_o
);

  /* verilator no_inline_module */  // one copy of its code in a simulator, short names

  fusemax_pkg::lane_op_t        op_q;
  fusemax_pkg::down_t           down_q;
  logic [StateAddr-1:0]         addr_q;
  logic [LaneEntries-1:0][31:0] regs_q, regs;
  logic [31:0]                  divisor_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      op_q   <= '0;
      addr_q <= '0;
      down_q <= '0;
    end else if (en_i) begin
      op_q   <= op_i;
      addr_q <= addr_i;
      down_q <= down_i;
    end
  end

  assign op_o   = op_q;
  assign addr_o = addr_q;
  assign down_o = down_q;

  // Operands
  logic [31:0] word, initial_word, state, x, y;

  assign initial_word = op_q.init_inf ? fusemax_pkg::MinusInfinity : fusemax_pkg::PlusZero;
  assign state        = op_q.init ? initial_word : word;

  always_comb begin
    regs = regs_q;
    if (down_q.valid) regs[down_q.lane] = down_word_i;
  end

  assign x         = op_q.a_state ? state : regs[op_q.a];
  assign y         = regs[op_q.b];
  assign up_word_o = regs[up_lane_i];

  // Result
  logic        exponential, arithmetic, write_reg, write_state;
  logic [31:0] factor, addend, product, sum, larger, result;

  always_comb begin
    exponential = 1'b0;
    arithmetic  = 1'b0;
    case (op_q.op)
      fusemax_pkg::Op1Max,
      fusemax_pkg::Op1Sub,
      fusemax_pkg::Op1Mul,
      fusemax_pkg::Op1Add:  arithmetic = 1'b1;
      fusemax_pkg::Op1Exp0,
      fusemax_pkg::Op1Exp1,
      fusemax_pkg::Op1Exp2,
      fusemax_pkg::Op1Exp3,
      fusemax_pkg::Op1Exp4,
      fusemax_pkg::Op1Exp5: exponential = 1'b1;
      default: ;
    endcase
  end

  assign factor = (op_q.op == fusemax_pkg::Op1Mul) ? y : fusemax_pkg::PlusOne;

  always_comb begin
    case (op_q.op)
      fusemax_pkg::Op1Sub: addend = {~y[31], y[30:0]};
      fusemax_pkg::Op1Add: addend = y;
      default:             addend = fusemax_pkg::PlusZero;
    endcase
  end

  fusemax_mac i_mac (
    .clk_i,
    .rst_ni,
    .en_i,
    .exp_i    (exponential),
    .step_i   (op_q.op[2:0]),
    .a_i      (x),
    .b_i      (factor),
    .c_i      (addend),
    .x_i      (regs[op_q.rd]),
    .product_o(product),
    .result_o (sum)
  );

  assign larger = fp32_pkg::larger(x, y);

  always_comb begin
    case (op_q.op)
      fusemax_pkg::Op1Max: result = larger;
      fusemax_pkg::Op1Mul: result = product;
      default:             result = sum;
    endcase
  end

  assign write_state = arithmetic & (op_q.rd_state | op_q.b_state);
  assign write_reg   = (arithmetic & ~op_q.rd_state) | (exponential & (op_q.op != fusemax_pkg::Op1Exp0));

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      regs_q    <= '0;
      divisor_q <= '0;
    end else if (en_i) begin
      if (down_q.valid) regs_q[down_q.lane] <= down_word_i;
      if (write_reg)    regs_q[op_q.rd]     <= result;
      if (op_q.op == fusemax_pkg::Op1Divisor) divisor_q <= x;
    end
  end

  fusemax_lane_state #(.Depth(StateDepth)) i_state (
    .clk_i,
    .rst_ni,
    .en_i,
    .we_i   (write_state),
    .waddr_i(addr_q),
    .wdata_i(op_q.rd_state ? result : y),
    .re_i   (op_i.a_state),
    .raddr_i(addr_i),
    .rdata_o(word)
  );

  // Quotients
  logic [31:0] quotient;

  fp32_div i_div (
    .clk_i,
    .rst_ni,
    .valid_i   (en_i && op_q.op == fusemax_pkg::Op1Div),
    .a_i       (x),
    .b_i       (divisor_q),
    .valid_o   (av_valid_o),
    .quotient_o(quotient)
  );

  fp32_to_fp16 i_narrow (.value_i(quotient), .value_o(av_o));

  if (LaneEntries < 1 || LaneEntries > 2 ** fusemax_pkg::LaneAddr) begin : gen_bad_entries
    $error("fusemax_lane: LaneEntries must be 1..32");
  end

endmodule
