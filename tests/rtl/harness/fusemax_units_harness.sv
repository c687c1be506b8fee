// Division, maximum, splitting and conversions, side by side, for vector tests.
//
// in_i: {widen a[15:0] in place of the maximum[65], valid[64], b[63:32], a[31:0]}.
// out_o: {quotient valid[121], half of a[120:105], floor of a[104:96], fraction of a[95:64], maximum[63:32],
// quotient[31:0]}.

module fusemax_units_harness (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic [127:0] in_i,
  output logic [127:0] out_o
);

  logic [31:0]      quotient, wide;
  logic [15:0]      half;
  logic             valid;
  fp32_pkg::parts_t parts;

  fp32_div i_div (
    .clk_i,
    .rst_ni,
    .valid_i   (in_i[64]),
    .a_i       (in_i[31:0]),
    .b_i       (in_i[63:32]),
    .valid_o   (valid),
    .quotient_o(quotient)
  );
  fp32_to_fp16 i_narrow (.value_i(in_i[31:0]), .value_o(half));
  fp16_to_fp32 i_widen (.value_i(in_i[15:0]), .value_o(wide));

  assign parts = fp32_pkg::split(in_i[31:0]);
  assign out_o = {6'd0, valid, half, parts, in_i[65] ? wide : fp32_pkg::larger(in_i[31:0], in_i[63:32]), quotient};

endmodule
