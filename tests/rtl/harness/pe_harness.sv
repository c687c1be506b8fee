// Three processing elements with the controls the array would give them: one that rounds, one that truncates,
// and one that rounds and has three bits more in its accumulator.
//
// in_i: {scale[106:100], last[99], first[98], valid[97], bsig[94:92], terms[79:64], FP16 activations[63:0]}.
// The scale is taken with the last step. out_o: a word each, {valid[31], exponent[30:25], mantissa[24:0]}.

module pe_harness (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic [127:0] in_i,
  output logic [127:0] out_o
);

  logic [3:0]       sign, sign1_q, sign2_q;
  logic [3:0][4:0]  exponent_in, exponent, exponent_q;
  logic [3:0][10:0] man, man1_q, man2_q;
  logic [3:0][3:0]  term1_q, term2_q;
  logic [3:0]       nonfinite;
  logic [3:0]       valid_q;
  logic [2:0]       first_q;
  logic [3:0]       last_q;
  logic [2:0][2:0]  bsig_q;
  logic [6:0]       scale_q, scale_now_q;

  for (genvar l = 0; l < 4; l++) begin : gen_lane
    fp16_unpack i_unpack (
      .value_i    (in_i[16*l+:16]),
      .sign_o     (sign[l]),
      .exp_o      (exponent_in[l]),
      .man_o      (man[l]),
      .nonfinite_o(nonfinite[l])
    );
    assign exponent[l] = (man[l] == '0) ? '0 : exponent_in[l];
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      sign1_q     <= '0;
      sign2_q     <= '0;
      exponent_q  <= '0;
      man1_q      <= '0;
      man2_q      <= '0;
      term1_q     <= '0;
      term2_q     <= '0;
      valid_q     <= '0;
      first_q     <= '0;
      last_q      <= '0;
      bsig_q      <= '0;
      scale_q     <= '0;
      scale_now_q <= '0;
    end else begin
      sign1_q <= sign;
      sign2_q <= sign1_q;
      exponent_q <= exponent;
      man1_q  <= man;
      man2_q  <= man1_q;
      term1_q <= in_i[79:64];
      term2_q <= term1_q;
      valid_q <= {valid_q[2:0], in_i[97]};
      first_q <= {first_q[1:0], in_i[98]};
      last_q  <= {last_q[2:0], in_i[99] & in_i[97]};
      bsig_q  <= {bsig_q[1:0], in_i[94:92]};
      if (in_i[99]) scale_q <= in_i[106:100];
      if (last_q[2]) scale_now_q <= scale_q;
    end
  end

  logic       scale_load, scale_step, group_shift, result_valid, row_valid, product_valid, bias_valid;
  logic [2:0] scale_bit;
  logic       total_row, bias_row, result_row;

  bitmod_drain #(.Rows(1)) i_drain (
    .clk_i,
    .rst_ni,
    .load_i         (last_q[3]),
    .scale_load_o   (scale_load),
    .scale_step_o   (scale_step),
    .bit_o          (scale_bit),
    .shift_o        (group_shift),
    .total_valid_o  (row_valid),
    .total_row_o    (total_row),
    .product_valid_o(product_valid),
    .bias_valid_o   (bias_valid),
    .bias_row_o     (bias_row),
    .result_valid_o (result_valid),
    .result_row_o   (result_row)
  );

  for (genvar t = 0; t < 4; t++) begin : gen_pe
    localparam int unsigned AccWidth = (t == 2) ? 18 : (t == 3) ? 12 : 15;

    logic [AccWidth+6:0] mantissa;
    logic [5:0]          group_exp;

    bitmod_pe #(
      .AccWidth(AccWidth),
      .Truncate(t == 1)
    ) i_pe (
      .clk_i,
      .rst_ni,
      .exp_valid_i     (valid_q[0]),
      .act_exp_i       (exponent_q),
      .exp_term_i      (term1_q),
      .man_valid_i     (valid_q[1]),
      .act_sign_i      (sign2_q),
      .act_man_i       (man2_q),
      .man_term_i      (term2_q),
      .acc_valid_i     (valid_q[2]),
      .acc_first_i     (first_q[2]),
      .acc_bsig_i      (bsig_q[2]),
      .scale_load_i    (scale_load),
      .scale_step_i    (scale_step),
      .scale_bit_i     (scale_now_q[scale_bit]),
      .shift_i         (1'b0),
      .group_mantissa_i('0),
      .group_exp_i     ('0),
      .group_mantissa_o(mantissa),
      .group_exp_o     (group_exp)
    );

    assign out_o[32*t+:32] = {row_valid, group_exp, 25'($signed(mantissa))};
  end

endmodule
