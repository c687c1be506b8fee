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

  logic [3:0][16:0] act, act_q;
  logic [3:0][3:0]  term_q;
  logic [3:0]       nonfinite;
  logic [3:0]       valid_q;
  logic [2:0]       first_q;
  logic [3:0]       last_q;
  logic [2:0][2:0]  bsig_q;
  logic [6:0]       scale_q, scale_now_q;

  for (genvar l = 0; l < 4; l++) begin : gen_lane
    fp16_unpack i_unpack (
      .value_i    (in_i[16*l+:16]),
      .sign_o     (act[l][16]),
      .exp_o      (act[l][15:11]),
      .man_o      (act[l][10:0]),
      .nonfinite_o(nonfinite[l])
    );
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      act_q       <= '0;
      term_q      <= '0;
      valid_q     <= '0;
      first_q     <= '0;
      last_q      <= '0;
      bsig_q      <= '0;
      scale_q     <= '0;
      scale_now_q <= '0;
    end else begin
      act_q   <= act;
      term_q  <= in_i[79:64];
      valid_q <= {valid_q[2:0], in_i[97]};
      first_q <= {first_q[1:0], in_i[98]};
      last_q  <= {last_q[2:0], in_i[99] & in_i[97]};
      bsig_q  <= {bsig_q[1:0], in_i[94:92]};
      if (in_i[99]) scale_q <= in_i[106:100];
      if (last_q[2]) scale_now_q <= scale_q;
    end
  end

  logic       scale_load, scale_step, row_valid, result_valid;
  logic [2:0] scale_bit;
  logic       row, total_row, result_row, result_index;

  bitmod_drain #(.Rows(1)) i_drain (
    .clk_i,
    .rst_ni,
    .load_i        (last_q[3]),
    .scale_load_o  (scale_load),
    .scale_step_o  (scale_step),
    .bit_o         (scale_bit),
    .row_o         (row),
    .total_valid_o (row_valid),
    .total_row_o   (total_row),
    .result_row_o  (result_row),
    .result_valid_o(result_valid),
    .result_index_o(result_index)
  );

  for (genvar t = 0; t < 3; t++) begin : gen_pe
    localparam int unsigned AccWidth = (t == 2) ? 18 : 15;

    logic signed [AccWidth+6:0] mantissa;
    logic        [5:0]          exponent;

    bitmod_pe #(
      .AccWidth(AccWidth),
      .Truncate(t == 1)
    ) i_pe (
      .clk_i,
      .rst_ni,
      .act_i           (act_q),
      .term_i          (term_q),
      .acc_valid_i     (valid_q[2]),
      .acc_first_i     (first_q[2]),
      .acc_bsig_i      (bsig_q[2]),
      .scale_load_i    (scale_load),
      .scale_step_i    (scale_step),
      .scale_bit_i     (scale_now_q[scale_bit]),
      .group_mantissa_o(mantissa),
      .group_exp_o     (exponent)
    );

    assign out_o[32*t+:32] = {row_valid, exponent, 25'(mantissa)};
  end

  assign out_o[127:96] = '0;

endmodule
