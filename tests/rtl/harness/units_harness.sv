// The combinational units, side by side, for vector tests.

module units_harness (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic [127:0] in_i,
  output logic [127:0] out_o
);

  logic [31:0]        sum, product, group_value;
  bitmod_pkg::terms_t terms;
  logic signed [14:0] shifted;

  fp32_add i_add (.a_i(in_i[31:0]), .b_i(in_i[63:32]), .sum_o(sum));
  fp32_mul i_mul (.a_i(in_i[31:0]), .b_i(in_i[63:32]), .product_o(product));
  bitmod_term_decode i_decode (.code_i(in_i[67:64]), .special_i(in_i[75:68]), .terms_o(terms));
  shift_rne #(.Width(15), .ShiftWidth(6)) i_shift (
    .value_i(in_i[94:80]), .shift_i(in_i[101:96]), .value_o(shifted)
  );
  bitmod_group_to_fp32 i_to_fp32 (
    .mantissa_i(in_i[21:0]), .exp_i(in_i[107:102]), .value_o(group_value)
  );

  assign out_o = {group_value, 1'b0, shifted, 8'd0, terms, product, sum};

endmodule
