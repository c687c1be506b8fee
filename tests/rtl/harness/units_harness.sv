// The combinational units, side by side, for vector tests.
//
// in_i: {truncate[112], term[111:110], mode[109:108], exponent[107:102], shift[101:96], operand[94:80], high
// code[79:76], special terms[75:68], code[67:64]}, and the single-precision operands below.
// out_o: {group value[127:96], shifted[94:80], generated term[75:72], decoded terms[71:64], product, sum}.

module units_harness (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic [127:0] in_i,
  output logic [127:0] out_o
);

  logic [31:0]        sum, product, group_value;
  bitmod_pkg::terms_t terms;
  bitmod_pkg::mode_e  mode;
  bitmod_pkg::term_t  term;
  logic [15:0]        shifted;

  assign mode = bitmod_pkg::mode_e'(in_i[109:108]);

  fp32_add i_add (.a_i(in_i[31:0]), .b_i(in_i[63:32]), .sum_o(sum));
  fp32_mul i_mul (.a_i(in_i[31:0]), .b_i(in_i[63:32]), .product_o(product));
  bitmod_term_decode i_decode (.code_i(in_i[67:64]), .special_i(in_i[75:68]), .terms_o(terms));
  bitmod_term_generate i_generate (
    .mode_i(mode), .term_i(in_i[111:110]), .code_i({in_i[79:76], in_i[67:64]}), .special_i(in_i[75:68]),
    .term_o(term)
  );
  assign shifted = bitmod_step_pkg::drop(in_i[94:80], in_i[101:96], in_i[112]);
  bitmod_group_to_fp32 i_to_fp32 (
    .mantissa_i(in_i[21:0]), .exp_i(in_i[107:102]), .value_o(group_value)
  );

  assign out_o = {group_value, shifted, 4'd0, term, terms, product, sum};

endmodule
