// The two FP16 multiply-accumulate elements for vector tests.
//
// in_i: {first[33], valid[32], weight[31:16], activation[15:0]}; out_o: {half sum[47:32], single sum[31:0]}.

module mac_harness (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic [127:0] in_i,
  output logic [127:0] out_o
);

  logic [31:0] single;
  logic [15:0] half;
  logic [1:0]  control_q;  // first, valid

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) control_q <= '0;
    else         control_q <= in_i[33:32];
  end

  fp16_mac_pe i_single (
    .clk_i, .rst_ni, .act_i(in_i[15:0]), .weight_i(in_i[31:16]), .acc_valid_i(control_q[0]),
    .acc_first_i(control_q[1]), .sum_o(single)
  );
  fp16_mac_pe #(.HalfAccumulator(1'b1)) i_half (
    .clk_i, .rst_ni, .act_i(in_i[15:0]), .weight_i(in_i[31:16]), .acc_valid_i(control_q[0]),
    .acc_first_i(control_q[1]), .sum_o(half)
  );

  assign out_o = {80'd0, half, single};

endmodule
