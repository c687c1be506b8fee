// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// IEEE 754 single precision division, round to nearest, ties to even; one a cycle.
//
// Restoring division, StepsPerStage quotient bits in each stage of the pipeline: a quotient leaves
// 2 + 26 / StepsPerStage cycles after its operands entered. The pipeline never stops: whoever starts a
// division must have room for its quotient.
// Subnormal operands and results, signed zeros, infinities, division by zero and NaNs follow the standard;
// every NaN result is the quiet NaN 7FC00000. It has no exception flags and no other rounding modes.

module fp32_div #(
  parameter int unsigned StepsPerStage = 2
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        valid_i,
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  output logic        valid_o,
  output logic [31:0] quotient_o
);

  localparam logic [31:0] QuietNan = 32'h7FC0_0000;
  // One bit before the point, 23 after it, one more if that bit is 0, and one to round.
  localparam int unsigned Bits   = 26;
  localparam int unsigned Stages = Bits / StepsPerStage;

  // Operands with their leading one moved to bit 23, and what is known of the result before dividing.
  logic              a_nan, b_nan, a_inf, b_inf, a_found, b_found, sign;
  logic [4:0]        a_top, b_top;
  logic [7:0]        a_field, b_field;
  logic [23:0]       a_raw, b_raw;
  logic signed [9:0] exponent;
  logic              special;
  logic [31:0]       special_value;

  assign a_nan   = (a_i[30:23] == 8'hFF) & (a_i[22:0] != 23'd0);
  assign b_nan   = (b_i[30:23] == 8'hFF) & (b_i[22:0] != 23'd0);
  assign a_inf   = (a_i[30:23] == 8'hFF) & (a_i[22:0] == 23'd0);
  assign b_inf   = (b_i[30:23] == 8'hFF) & (b_i[22:0] == 23'd0);
  assign sign    = a_i[31] ^ b_i[31];
  assign a_raw   = {a_i[30:23] != 8'd0, a_i[22:0]};
  assign b_raw   = {b_i[30:23] != 8'd0, b_i[22:0]};
  assign a_field = (a_i[30:23] == 8'd0) ? 8'd1 : a_i[30:23];
  assign b_field = (b_i[30:23] == 8'd0) ? 8'd1 : b_i[30:23];

  leading_one #(.Width(24)) i_a_leading_one (.value_i(a_raw), .index_o(a_top), .found_o(a_found));
  leading_one #(.Width(24)) i_b_leading_one (.value_i(b_raw), .index_o(b_top), .found_o(b_found));

  assign exponent = $signed({2'b00, a_field}) + $signed({5'd0, a_top})
                  - $signed({2'b00, b_field}) - $signed({5'd0, b_top}) + 10'sd127;

  always_comb begin
    special       = 1'b1;
    special_value = QuietNan;
    if (a_nan | b_nan | (a_inf & b_inf) | (~a_found & ~b_found)) special_value = QuietNan;
    else if (a_inf | ~b_found)                                   special_value = {sign, 8'hFF, 23'd0};
    else if (b_inf | ~a_found)                                   special_value = {sign, 31'd0};
    else                                                         special       = 1'b0;
  end

  // Stage s has found s * StepsPerStage bits. The remainder is kept below twice the divisor.
  logic [Stages:0]         valid_q, special_q;
  logic [Stages:0][31:0]     result_q;  // a special result, or its sign
  logic [Stages:0][9:0]      exponent_q;
  logic [Stages-1:0][23:0]   divisor_q;
  logic [Stages:0][24:0]     remainder_q;
  logic [Stages:0][Bits-1:0] quotient_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q[0]     <= 1'b0;
      special_q[0]   <= 1'b0;
      result_q[0]    <= '0;
      exponent_q[0]  <= '0;
      divisor_q[0]   <= '0;
      remainder_q[0] <= '0;
      quotient_q[0]  <= '0;
    end else begin
      valid_q[0] <= valid_i;
      if (valid_i) begin
        special_q[0]   <= special;
        result_q[0]    <= special ? special_value : {sign, 31'd0};
        exponent_q[0]  <= exponent;
        divisor_q[0]   <= b_raw << (5'd23 - b_top);
        remainder_q[0] <= {1'b0, a_raw << (5'd23 - a_top)};
        quotient_q[0]  <= '0;
      end
    end
  end

  for (genvar s = 1; s <= Stages; s++) begin : gen_stage
    logic [24:0]     remainder;
    logic [Bits-1:0] quotient;

    always_comb begin
      remainder = remainder_q[s-1];
      quotient  = quotient_q[s-1];
      for (int unsigned i = 0; i < StepsPerStage; i++) begin
        if (remainder >= {1'b0, divisor_q[s-1]}) begin
          remainder = (remainder - {1'b0, divisor_q[s-1]}) << 1;
          quotient  = {quotient[Bits-2:0], 1'b1};
        end else begin
          remainder = remainder << 1;
          quotient  = {quotient[Bits-2:0], 1'b0};
        end
      end
    end

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        valid_q[s]     <= 1'b0;
        special_q[s]   <= 1'b0;
        result_q[s]    <= '0;
        exponent_q[s]  <= '0;
        remainder_q[s] <= '0;
        quotient_q[s]  <= '0;
      end else begin
        valid_q[s] <= valid_q[s-1];
        if (valid_q[s-1]) begin
          special_q[s]   <= special_q[s-1];
          result_q[s]    <= result_q[s-1];
          exponent_q[s]  <= exponent_q[s-1];
          remainder_q[s] <= remainder;
          quotient_q[s]  <= quotient;
        end
      end
    end

    if (s < Stages) begin : gen_divisor
      always_ff @(posedge clk_i or negedge rst_ni) begin
        if (!rst_ni)           divisor_q[s] <= '0;
        else if (valid_q[s-1]) divisor_q[s] <= divisor_q[s-1];
      end
    end
  end

  // The quotient is in (1/2, 2). Leading one to bit 25; below exponent 1 to the right, keeping what falls
  // out as sticky; two bits and the remainder round.
  logic                below_one, subnormal, round_up, valid_out_q;
  logic signed [9:0]   final_exp;
  logic        [9:0]   right;
  logic        [Bits:0] normal, lost, placed;
  logic        [30:0]  rounded;
  logic        [31:0]  quotient_d, quotient_out_q;

  assign below_one = ~quotient_q[Stages][Bits-1];
  assign final_exp = $signed(exponent_q[Stages]) - 10'(below_one);
  assign normal    = {below_one ? quotient_q[Stages] << 1 : quotient_q[Stages], remainder_q[Stages] != 25'd0};
  assign subnormal = final_exp < 10'sd1;
  assign right     = subnormal ? $unsigned(10'sd1 - final_exp) : 10'd0;
  assign lost      = normal & ~({(Bits+1){1'b1}} << right);
  assign placed    = (normal >> right) | (Bits+1)'(|lost);
  assign round_up  = placed[2] & ((|placed[1:0]) | placed[3]);
  assign rounded   = {placed[Bits] ? final_exp[7:0] : 8'd0, placed[Bits-1:3]} + 31'(round_up);

  always_comb begin
    if (special_q[Stages])          quotient_d = result_q[Stages];
    else if (final_exp > 10'sd254)  quotient_d = {result_q[Stages][31], 8'hFF, 23'd0};
    else                            quotient_d = {result_q[Stages][31], rounded};
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_out_q    <= 1'b0;
      quotient_out_q <= '0;
    end else begin
      valid_out_q <= valid_q[Stages];
      if (valid_q[Stages]) quotient_out_q <= quotient_d;
    end
  end

  assign valid_o    = valid_out_q;
  assign quotient_o = quotient_out_q;

  if (StepsPerStage < 1 || Bits % StepsPerStage != 0) begin : gen_bad_steps
    $error("fp32_div: StepsPerStage must be 1, 2, 13 or 26");
  end

endmodule
