// In the place of bolt_aes: the same ports, every block becomes zero, after two cycles. With bolt_ghash
// beside it the tag of every record is zero, which a prover can follow.

module bolt_aes #(
  parameter  int unsigned Units    = 5,
  localparam int unsigned Interval = 10 / Units
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,
  input  logic         load_i,
  input  logic [127:0] key_i,
  input  logic         valid_i,
  output logic         ready_o,
  input  logic [127:0] block_i,
  output logic         valid_o,
  output logic [127:0] block_o
);

  logic       keyed_q;
  logic [1:0] at_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      keyed_q <= 1'b0;
      at_q    <= '0;
    end else if (clear_i || load_i) begin
      keyed_q <= !clear_i;
      at_q    <= '0;
    end else begin
      at_q <= {at_q[0], valid_i && keyed_q};
    end
  end

  assign ready_o = keyed_q;
  assign valid_o = at_q[1];
  assign block_o = '0;

endmodule
