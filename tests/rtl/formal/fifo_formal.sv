// One word, chosen freely, on its way through the queue: it comes out once, unchanged, in its turn. The reset may come
// at any time.

module fifo_formal #(
  parameter int unsigned Depth = 3  // at most 6
) (
  input logic       clk_i,
  input logic       rst_ni,
  input logic       valid_i,
  input logic [1:0] data_i,
  input logic       ready_i,
  input logic       watch_i
);

  logic       ready, valid, watching_q;
  logic [1:0] data, word_q;
  logic [2:0] ahead_q, inside_q;

  stream_fifo #(.Width(2), .Depth(Depth)) i_fifo (
    .clk_i,
    .rst_ni,
    .valid_i,
    .ready_o(ready),
    .data_i,
    .valid_o(valid),
    .ready_i,
    .data_o (data)
  );

  wire push = valid_i & ready;
  wire pop  = valid & ready_i;

  // How many words are inside, which one is watched, and how many are in front of it.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      inside_q   <= '0;
      watching_q <= 1'b0;
      word_q     <= '0;
      ahead_q    <= '0;
    end else begin
      inside_q <= inside_q + 3'(push) - 3'(pop);
      if (!watching_q) begin
        watching_q <= push & watch_i;
        word_q     <= data_i;
        ahead_q    <= inside_q - 3'(pop);
      end else if (pop) begin
        ahead_q    <= ahead_q - 3'd1;
        watching_q <= ahead_q != 3'd0;
      end
    end
  end

  always_comb begin
    assert (valid == (inside_q != 3'd0));
    assert (ready == (inside_q != 3'(Depth)));
    if (watching_q) assert (ahead_q < inside_q);
    if (watching_q && ahead_q == 3'd0) assert (data == word_q);
  end

endmodule
