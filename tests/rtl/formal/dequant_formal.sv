// After a load and seven steps, most significant scale bit first, the product is the sum times the scale, exactly.

module dequant_formal #(
  parameter int unsigned AccWidth = 15
) (
  input logic               clk_i,
  input logic               load_i,
  input logic signed [AccWidth-1:0] mantissa_i,
  input logic [5:0]         exp_i,
  input logic [6:0]         scale_i
);

  logic rst_ni = 1'b0;
  always_ff @(posedge clk_i) rst_ni <= 1'b1;

  logic signed [AccWidth+6:0] product;
  logic [5:0]         exponent;
  logic [2:0]         left_q;    // steps to come
  logic               loaded_q;
  logic signed [AccWidth-1:0] mantissa_q;
  logic [5:0]         exp_q;
  logic [6:0]         scale_q, rest_q;

  wire step = left_q != 3'd0;

  bitmod_pe_dequant #(.AccWidth(AccWidth)) i_dequant (
    .clk_i,
    .rst_ni,
    .load_i,
    .step_i     (step),
    .scale_bit_i(scale_q[left_q - 3'd1]),
    .mantissa_i,
    .exp_i,
    .shift_i    (1'b0),
    .next_mantissa_i('0),
    .next_exp_i ('0),
    .mantissa_o (product),
    .exp_o      (exponent)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {left_q, loaded_q, mantissa_q, exp_q, scale_q, rest_q} <= '0;
    end else if (load_i) begin
      {left_q, loaded_q, mantissa_q, exp_q, scale_q, rest_q} <= {3'd7, 1'b1, mantissa_i, exp_i, scale_i, 7'd0};
    end else if (step) begin
      left_q <= left_q - 3'd1;
    end
  end

  // The scale bits already taken.
  wire [6:0] taken = scale_q >> left_q;
  wire signed [AccWidth+6:0] expected = (AccWidth + 7)'(mantissa_q) * $signed({{AccWidth{1'b0}}, taken});

  always_comb begin
    if (loaded_q) assert (product == expected && exponent == exp_q);
  end

endmodule
