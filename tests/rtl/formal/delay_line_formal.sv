// What goes in comes out Depth cycles later; zero until then.

module delay_line_formal #(
  parameter int unsigned Depth = 3
) (
  input logic       clk_i,
  input logic       rst_ni,
  input logic [2:0] data_i
);

  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;
  wire rst_n = rst_ni & started_q;

  logic [2:0] data, word_q;
  logic [2:0] age_q;      // of a word chosen freely, in cycles; 0: none yet
  logic [2:0] since_q;    // cycles since the reset, to 7

  delay_line #(.Width(3), .Depth(Depth)) i_line (.clk_i, .rst_ni(rst_n), .data_i, .data_o(data));

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) begin
      {word_q, age_q, since_q} <= '0;
    end else begin
      if (since_q != '1) since_q <= since_q + 3'd1;
      if (age_q == 3'd0 && data_i[0]) {word_q, age_q} <= {data_i, 3'd1};
      else if (age_q != 3'd0) age_q <= (age_q == 3'(Depth)) ? 3'd0 : age_q + 3'd1;
    end
  end

  always_comb begin
    if (rst_n && age_q == 3'(Depth)) assert (data == word_q);
    if (rst_n && since_q < 3'(Depth)) assert (data == '0);
  end

endmodule
