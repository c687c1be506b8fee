// Four products of finite activations aligned: their sum keeps to the bounds that the accumulator's proof assumes,
// and the exponent is the largest of the lanes that are not zero.

module align_formal #(
  parameter bit Truncate = 1'b0
) (
  input logic             clk_i,
  input logic [3:0][16:0] act_i,
  input logic [3:0][3:0]  term_i
);

  logic rst_ni = 1'b0;
  always_ff @(posedge clk_i) rst_ni <= 1'b1;

  logic [5:0]         max_exp;
  logic signed [16:0] dot;

  bitmod_pe_align #(.Truncate(Truncate)) i_align (
    .clk_i, .rst_ni, .act_i, .term_i, .max_exp_o(max_exp), .dot_o(dot)
  );

  logic [5:0] largest, largest1_q, largest2_q;

  always_comb begin
    largest = '0;
    for (int unsigned l = 0; l < 4; l++) begin
      assume (act_i[l][15:11] != 5'd31 && act_i[l][15:11] != 5'd0);
      if (term_i[l][2] && act_i[l][10:0] != '0 && 6'(act_i[l][15:11]) + 6'(term_i[l][1:0]) > largest) begin
        largest = 6'(act_i[l][15:11]) + 6'(term_i[l][1:0]);
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) {largest1_q, largest2_q} <= '0;
    else         {largest1_q, largest2_q} <= {largest, largest1_q};
  end

  always_comb begin
    if (rst_ni) begin
      assert (max_exp == largest2_q);
      assert (dot >= -17'sd65504 && dot <= 17'sd65504);
    end
  end

endmodule
