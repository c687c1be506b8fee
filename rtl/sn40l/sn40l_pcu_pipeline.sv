// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Vector pipeline of the PCU: operands, an operation, the tail, and where results go (SN40L, MICRO 2024, section
// IV-A; what it computes is in sn40l_pcu_pkg).
//
// A vector enters with fire_i, its instruction and its place in it, and never waits: whoever fires has its
// operands and, where it goes to the output, room for it. The result is there ResultStage cycles later. A row
// of the accumulators (acc_i) is taken in the cycle after fire_i, in the place of x where gemm_i.
// busy_o: something has not yet reached buffer or scalars.

module sn40l_pcu_pipeline #(
  localparam int unsigned Queues    = sn40l_pcu_pkg::Queues,
  localparam int unsigned Constants = sn40l_pcu_pkg::Constants,
  localparam int unsigned VecWidth  = sn40l_pcu_pkg::VecWidth,
  localparam int unsigned Lanes     = sn40l_pcu_pkg::Lanes
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  input  logic                            fire_i,
  input  logic                            gemm_i,
  input  logic [63:0]                     instruction_i,
  input  logic [7:0]                      index_i,
  input  logic                            first_i,
  input  logic                            last_i,
  input  logic [3:0]                      lanes_i,
  input  logic [Queues-1:0][VecWidth-1:0] queue_i,
  input  logic [Queues-1:0]               queue_poison_i,
  input  logic [Constants-1:0][31:0]      constants_i,
  input  logic [VecWidth-1:0]             acc_i,
  input  logic                            acc_poison_i,
  output logic                            busy_o,
  output logic                            out_valid_o,
  output logic [VecWidth-1:0]             out_o,
  output logic                            out_poison_o
);

  localparam int unsigned TailStages  = sn40l_pcu_pkg::TailStages;
  localparam int unsigned ResultStage = sn40l_pcu_pkg::ResultStage;
  localparam int unsigned Scalars     = sn40l_pcu_pkg::Scalars;

  sn40l_pcu_pkg::instruction_t instruction;
  assign instruction = instruction_i;

  logic unused_instruction;
  assign unused_instruction = ^{instruction.unused, instruction.waits, instruction.count};

  // What goes along: stage 1 has the operands, 2 the operation's result, ResultStage the tail's.
  sn40l_pcu_pkg::step_t                                  step, done;
  logic [ResultStage:1][sn40l_pcu_pkg::StepWidth-1:0]    step_q;
  logic [ResultStage:1]                                  valid_q;
  logic [ResultStage:2]                                  poison_q;
  logic [TailStages+1:1][2:0]                            tail_q;
  logic [2:0]                                            op_q;

  assign step.dst       = instruction.dst + index_i;
  assign step.to_output = instruction.to_output;
  assign step.to_buffer = instruction.to_buffer;
  assign step.rd        = instruction.rd;
  assign step.reduce    = instruction.reduce;
  assign step.cut       = instruction.ragged && last_i;
  assign step.first     = first_i;

  assign done = step_q[ResultStage];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= '0;
    else         valid_q <= {valid_q[ResultStage-1:1], fire_i};
  end

  always_ff @(posedge clk_i) begin
    if (fire_i) begin
      step_q[1] <= step;
      tail_q[1] <= instruction.tail;
      op_q      <= instruction.op;
    end
  end
  for (genvar s = 1; s < ResultStage; s++) begin : gen_step
    always_ff @(posedge clk_i) if (valid_q[s]) step_q[s+1] <= step_q[s];
  end
  for (genvar s = 1; s <= TailStages; s++) begin : gen_tail
    always_ff @(posedge clk_i) if (valid_q[s]) tail_q[s+1] <= tail_q[s];
  end

  // Operands: queues, scalars and constants now; the buffer and the accumulators give theirs in the next cycle.
  logic [Scalars-1:0][31:0] scalars;
  logic [Scalars-1:0]       scalar_poisons;
  logic [VecWidth-1:0]      x_q, y_q, x_buffer, y_buffer, x, y;
  logic                     x_poison_q, y_poison_q, x_buffer_poison, y_buffer_poison, x_poison, y_poison;
  logic                     x_from_buffer, y_from_buffer, x_from_buffer_q, y_from_buffer_q, gemm_q;

  assign x_from_buffer = instruction.x_source == sn40l_pcu_pkg::FromBuffer;
  assign y_from_buffer = instruction.y_source == sn40l_pcu_pkg::FromBuffer;

  always_ff @(posedge clk_i) begin
    if (fire_i) begin
      gemm_q          <= gemm_i;
      x_from_buffer_q <= x_from_buffer;
      y_from_buffer_q <= y_from_buffer;
      x_poison_q      <= 1'b0;
      y_poison_q      <= 1'b0;
      case (instruction.x_source)
        sn40l_pcu_pkg::FromQueue: begin
          x_q        <= queue_i[instruction.x_index];
          x_poison_q <= queue_poison_i[instruction.x_index];
        end
        sn40l_pcu_pkg::FromScalar: begin
          x_q        <= sn40l_pcu_pkg::broadcast(scalars[instruction.x_index]);
          x_poison_q <= scalar_poisons[instruction.x_index];
        end
        default: x_q <= sn40l_pcu_pkg::broadcast(constants_i[instruction.x_index]);
      endcase
      case (instruction.y_source)
        sn40l_pcu_pkg::FromQueue: begin
          y_q        <= queue_i[instruction.y_index];
          y_poison_q <= queue_poison_i[instruction.y_index];
        end
        sn40l_pcu_pkg::FromScalar: begin
          y_q        <= sn40l_pcu_pkg::broadcast(scalars[instruction.y_index]);
          y_poison_q <= scalar_poisons[instruction.y_index];
        end
        default: y_q <= sn40l_pcu_pkg::broadcast(constants_i[instruction.y_index]);
      endcase
    end
  end

  // The row buffer, twice: two vectors are read in a cycle.
  logic                to_buffer;
  logic [VecWidth-1:0] result;
  logic                result_poison;

  sram_1r1w #(.Width(VecWidth + 1), .Depth(sn40l_pcu_pkg::BufferDepth)) i_x_buffer (
    .clk_i,
    .rst_ni,
    .we_i   (to_buffer),
    .waddr_i(done.dst),
    .wdata_i({result_poison, result}),
    .re_i   (fire_i && x_from_buffer),
    .raddr_i(instruction.x_addr + index_i),
    .rdata_o({x_buffer_poison, x_buffer})
  );

  sram_1r1w #(.Width(VecWidth + 1), .Depth(sn40l_pcu_pkg::BufferDepth)) i_y_buffer (
    .clk_i,
    .rst_ni,
    .we_i   (to_buffer),
    .waddr_i(done.dst),
    .wdata_i({result_poison, result}),
    .re_i   (fire_i && y_from_buffer),
    .raddr_i(instruction.y_addr + index_i),
    .rdata_o({y_buffer_poison, y_buffer})
  );

  assign {x_poison, x} = gemm_q          ? {acc_poison_i, acc_i}
                       : x_from_buffer_q ? {x_buffer_poison, x_buffer} : {x_poison_q, x_q};
  assign {y_poison, y} = y_from_buffer_q ? {y_buffer_poison, y_buffer} : {y_poison_q, y_q};

  // Stage 1: the operation, each in a block of its own, which a simulator enters when it is asked for.
  logic [VecWidth-1:0] sum, product, largest, combined_q;
  logic                adds;

  assign adds = op_q == sn40l_pcu_pkg::OpAdd || op_q == sn40l_pcu_pkg::OpSub;

  always_comb begin
    sum = '0;
    if (valid_q[1] && adds) begin
      sum = sn40l_pcu_pkg::add_lanes(x, (op_q == sn40l_pcu_pkg::OpSub) ? sn40l_pcu_pkg::negate_lanes(y) : y);
    end
  end

  always_comb begin
    product = '0;
    if (valid_q[1] && op_q == sn40l_pcu_pkg::OpMul) product = sn40l_pcu_pkg::multiply_lanes(x, y);
  end

  always_comb begin
    largest = '0;
    if (valid_q[1] && op_q == sn40l_pcu_pkg::OpMax) largest = sn40l_pcu_pkg::max_lanes(x, y);
  end

  always_ff @(posedge clk_i) begin
    if (valid_q[1]) begin
      case (op_q)
        sn40l_pcu_pkg::OpAdd, sn40l_pcu_pkg::OpSub: combined_q <= sum;
        sn40l_pcu_pkg::OpMul: combined_q <= product;
        sn40l_pcu_pkg::OpMax: combined_q <= largest;
        default:              combined_q <= x;
      endcase
      poison_q[2] <= x_poison | (y_poison && op_q != sn40l_pcu_pkg::OpCopy);
    end
  end

  for (genvar s = 3; s <= ResultStage; s++) begin : gen_poison
    always_ff @(posedge clk_i) if (valid_q[s-1]) poison_q[s] <= poison_q[s-1];
  end

  // From stage 2 on: the tail.
  logic [VecWidth-1:0] tail, cut, reduced;

  sn40l_pcu_tail i_tail (
    .clk_i,
    .valid_i (valid_q[TailStages+1:2]),
    .tail_i  (tail_q[TailStages+1:2]),
    .x_i     (combined_q),
    .result_o(tail)
  );

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic beyond;
    assign beyond = done.cut && lanes_i <= 4'(l);
    assign cut[l*32+:32]     = beyond ? 32'd0 : tail[l*32+:32];
    assign reduced[l*32+:32] = (beyond && done.reduce == sn40l_pcu_pkg::ReduceMax)
                             ? 32'hFF80_0000 : cut[l*32+:32];
  end

  // Results
  logic reduces, reducing;

  assign result        = cut;
  assign result_poison = poison_q[ResultStage];
  assign to_buffer     = valid_q[ResultStage] && done.to_buffer;
  assign reduces       = valid_q[ResultStage] && done.reduce != sn40l_pcu_pkg::ReduceNone;
  assign out_valid_o   = valid_q[ResultStage] && done.to_output;
  assign out_o         = result;
  assign out_poison_o  = result_poison;

  sn40l_pcu_reduce i_reduce (
    .clk_i,
    .rst_ni,
    .valid_i  (reduces),
    .reduce_i (done.reduce),
    .rd_i     (done.rd),
    .first_i  (done.first),
    .vector_i (reduced),
    .poison_i (result_poison),
    .busy_o   (reducing),
    .scalars_o(scalars),
    .poisons_o(scalar_poisons)
  );

  assign busy_o = (|valid_q) || reducing;

endmodule
