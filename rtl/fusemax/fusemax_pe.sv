// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Element of the 2D array: registers, multiply-accumulate with exponentials, maximum (FuseMax, figure 3c).
//
// An operation and its words are worked on in the cycle they arrive; in the next they, or the results,
// are at the outputs, and the register is written. en_i low holds everything. The element knows nothing
// of its place.

module fusemax_pe #(
  parameter int unsigned RfEntries = 10
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                en_i,
  input  fusemax_pkg::pe_op_t op_i,
  input  logic [31:0]         h_i,
  input  logic [31:0]         v_i,
  output fusemax_pkg::pe_op_t op_o,
  output logic [31:0]         h_o,
  output logic [31:0]         v_o
);

  /* verilator no_inline_module */  // one copy of its code in a simulator, short names

  logic [RfEntries-1:0][31:0] rf_q;
  logic [31:0]                ra, rd, a, b, c, product, result, larger, v_d, h_q, v_q;
  logic                       write;
  fusemax_pkg::pe_op_t        op_q;

  assign ra = rf_q[op_i.ra];
  assign rd = rf_q[op_i.rd];

  always_comb begin
    a = ra;
    b = fusemax_pkg::PlusOne;
    c = v_i;
    case (op_i.op)
      fusemax_pkg::Op2Mac: begin
        a = h_i;
        b = v_i;
        c = op_i.first ? fusemax_pkg::PlusZero : rd;
      end
      fusemax_pkg::Op2Subv: c = {~v_i[31], v_i[30:0]};
      fusemax_pkg::Op2Macd: begin
        a = h_i;
        b = ra;
      end
      default: ;
    endcase
  end

  fusemax_mac i_mac (
    .clk_i,
    .rst_ni,
    .en_i,
    .exp_i    (op_i.op[3]),
    .step_i   (op_i.op[2:0]),
    .a_i      (a),
    .b_i      (b),
    .c_i      (c),
    .x_i      (rd),
    .product_o(product),
    .result_o (result)
  );

  assign larger = fp32_pkg::larger(v_i, ra);

  always_comb begin
    write = 1'b0;
    v_d   = v_i;
    case (op_i.op)
      fusemax_pkg::Op2Mac,
      fusemax_pkg::Op2Subv,
      fusemax_pkg::Op2Exp1,
      fusemax_pkg::Op2Exp2,
      fusemax_pkg::Op2Exp3,
      fusemax_pkg::Op2Exp4,
      fusemax_pkg::Op2Exp5: write = 1'b1;
      fusemax_pkg::Op2Maxd: if (!op_i.pass) v_d = larger;
      fusemax_pkg::Op2Sumd,
      fusemax_pkg::Op2Macd: if (!op_i.pass) v_d = result;
      default: ;
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      rf_q <= '0;
      op_q <= '0;
      h_q  <= '0;
      v_q  <= '0;
    end else if (en_i) begin
      op_q <= op_i;
      h_q  <= h_i;
      v_q  <= v_d;
      if (write) rf_q[op_i.rd] <= result;
    end
  end

  assign op_o = op_q;
  assign h_o  = h_q;
  assign v_o  = v_q;

  // Only lanes use the product by itself.
  logic unused_product;
  assign unused_product = ^product;

  if (RfEntries < 1 || RfEntries > 2 ** fusemax_pkg::RfAddr) begin : gen_bad_entries
    $error("fusemax_pe: RfEntries must be 1..16");
  end

endmodule
