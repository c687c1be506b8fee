// For every sequence of operands the accumulator keeps to AccWidth - 1 magnitude bits: rounding never leaves one more
// behind. Its exponent never shrinks within a group. Dot products are bounded as align_formal proves them to be.

module accumulate_formal #(
  parameter int unsigned AccWidth = 15,
  parameter bit          Truncate = 1'b0
) (
  input logic        clk_i,
  input logic        rst_ni,
  input logic        valid_i,
  input logic        first_i,
  input logic [2:0]  bsig_i,
  input logic [5:0]  max_exp_i,
  input logic signed [17:0] dot_i
);

  logic signed [AccWidth-1:0] mantissa;
  logic        [5:0]          exponent;

  bitmod_pe_accumulate #(.AccWidth(AccWidth), .Truncate(Truncate)) i_accumulate (
    .clk_i,
    .rst_ni,
    .valid_i,
    .first_i,
    .bsig_i,
    .max_exp_i,
    .dot_i,
    .mantissa_o(mantissa),
    .exp_o     (exponent)
  );

  always_comb begin
    assume (dot_i >= -18'sd131008 && dot_i <= 18'sd131008);
    assume (bsig_i <= 3'd6);
    assert (mantissa != {1'b1, {(AccWidth - 1) {1'b0}}});
  end

endmodule
