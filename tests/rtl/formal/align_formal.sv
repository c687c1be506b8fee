// Products of finite activations aligned: their sum keeps to the bounds that the accumulator's proof assumes, and the
// exponent is the largest of the lanes that are not zero.

module align_formal #(
  parameter int unsigned Lanes    = 4,
  parameter bit          Truncate = 1'b0
) (
  input logic                     clk_i,
  input logic [Lanes-1:0]         sign_i,
  input logic [Lanes-1:0][4:0]    exp_i,
  input logic [Lanes-1:0][10:0]   man_i,
  input logic [Lanes-1:0][3:0]    term_i
);

  logic rst_ni = 1'b0;
  always_ff @(posedge clk_i) rst_ni <= 1'b1;

  localparam logic signed [17:0] Bound = 18'(Lanes * 16376);  // so many times 2047 and three guard bits

  logic [5:0]         max_exp;
  logic signed [17:0] dot;

  // Signs, mantissas and terms again, a cycle later.
  logic [Lanes-1:0]       sign_q;
  logic [Lanes-1:0][10:0] man_q;
  logic [Lanes-1:0][3:0]  term_q;

  bitmod_pe_align #(.Lanes(Lanes), .Truncate(Truncate)) i_align (
    .clk_i,
    .rst_ni,
    .exp_valid_i(1'b1),
    .act_exp_i  (exp_i),
    .exp_term_i (term_i),
    .man_valid_i(1'b1),
    .act_sign_i (sign_q),
    .act_man_i  (man_q),
    .man_term_i (term_q),
    .max_exp_o  (max_exp),
    .dot_o      (dot)
  );

  logic [5:0] largest, largest1_q, largest2_q;

  always_comb begin
    largest = '0;
    for (int unsigned l = 0; l < Lanes; l++) begin
      assume (exp_i[l] != 5'd31 && (exp_i[l] == 5'd0) == (man_i[l] == '0));
      if (term_i[l][2] && man_i[l] != '0 && 6'(exp_i[l]) + 6'(term_i[l][1:0]) > largest) begin
        largest = 6'(exp_i[l]) + 6'(term_i[l][1:0]);
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {sign_q, man_q, term_q, largest1_q, largest2_q} <= '0;
    end else begin
      {sign_q, man_q, term_q} <= {sign_i, man_i, term_i};
      {largest1_q, largest2_q} <= {largest, largest1_q};
    end
  end

  always_comb begin
    if (rst_ni) begin
      assert (max_exp == largest2_q);
      assert (dot >= -Bound && dot <= Bound);
    end
  end

endmodule
