// The write engine in front of a memory that takes addresses and data and answers whenever it likes: bursts keep to
// AXI4, each has as many beats as its address says and one answer, and strobes cover no more than the words asked for.

module write_dma_formal (
  input logic        clk_i,
  input logic        rst_ni,
  input logic        valid_i,
  input logic [12:0] addr_i,
  input logic [2:0]  words_i,
  input logic        flush_i,
  input logic        data_valid_i,
  input logic [63:0] data_i,
  input logic        aw_ready_i,
  input logic        w_ready_i,
  input logic        b_valid_i,
  input logic [1:0]  b_resp_i
);

  localparam int unsigned MaxBurst = 2;
  localparam int unsigned MaxOutstanding = 2;

  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;
  wire rst_n = rst_ni & started_q;

  logic        ready, idle, error, data_ready, aw_valid, w_valid, w_last, b_ready;
  logic [12:0] aw_addr;
  logic [7:0]  aw_len, w_strb;
  logic [63:0] w_data;

  axi_write_dma #(
    .AddrWidth(13), .CountWidth(3), .MaxBurst(MaxBurst), .MaxOutstanding(MaxOutstanding)
  ) i_dma (
    .clk_i,
    .rst_ni(rst_n),
    .valid_i,
    .ready_o(ready),
    .addr_i,
    .words_i,
    .flush_i,
    .idle_o (idle),
    .error_o(error),
    .data_valid_i,
    .data_ready_o(data_ready),
    .data_i,
    .aw_valid_o(aw_valid),
    .aw_ready_i,
    .aw_addr_o (aw_addr),
    .aw_len_o  (aw_len),
    .w_valid_o (w_valid),
    .w_ready_i,
    .w_data_o  (w_data),
    .w_strb_o  (w_strb),
    .w_last_o  (w_last),
    .b_valid_i,
    .b_ready_o (b_ready)
    ,
    .b_resp_i
  );

  // Addresses taken less bursts of data ended; bursts neither answered nor both halves done; beats of this burst.
  logic [2:0]  unanswered_q;     // both halves taken, no answer yet
  logic [2:0]  addresses_q, ends_q;
  logic [2:0]  strobed_q;        // words written since the command
  logic [2:0]  words_q;
  logic        flushed_q, aw_waits_q, w_waits_q, last_q;
  logic [12:0] aw_addr_q;
  logic [7:0]  aw_len_q, strb_q;
  logic [63:0] data_q;

  wire       aw_taken = aw_valid & aw_ready_i;
  wire       w_taken = w_valid & w_ready_i;
  wire       ended = w_taken & w_last;
  wire       pair = (addresses_q + 3'(aw_taken) != 3'd0) & (ends_q + 3'(ended) != 3'd0);
  wire [2:0] strobes = 3'(w_strb[0]) + 3'(w_strb[4]);

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) begin
      {unanswered_q, addresses_q, ends_q, strobed_q, words_q, flushed_q, aw_waits_q, w_waits_q} <= '0;
      {last_q, aw_addr_q, aw_len_q, strb_q, data_q} <= '0;
    end else begin
      addresses_q  <= addresses_q + 3'(aw_taken) - 3'(pair);
      ends_q       <= ends_q + 3'(ended) - 3'(pair);
      unanswered_q <= unanswered_q + 3'(pair) - 3'(b_valid_i);
      if (w_taken) strobed_q <= strobed_q + strobes;
      if (valid_i && ready) {strobed_q, words_q, flushed_q} <= {3'd0, words_i, 1'b0};
      if (flush_i) flushed_q <= 1'b1;
      aw_waits_q <= aw_valid & ~aw_ready_i;
      w_waits_q  <= w_valid & ~w_ready_i;
      {aw_addr_q, aw_len_q, data_q, strb_q, last_q} <= {aw_addr, aw_len, w_data, w_strb, w_last};
    end
  end

  always_comb begin
    assume (addr_i[1:0] == 2'd0);
    assume (words_i < 3'd6);
    // A command is given only when the one before has left the port (the strobes of both are not told apart here).
    assume (!(valid_i && ready) || idle);
    assume (!b_valid_i || unanswered_q != 3'd0);
    if (rst_n) begin
      assert (b_ready);
      assert (error == (b_valid_i & b_resp_i[1]));
      if (aw_waits_q) assert (aw_valid && aw_addr == aw_addr_q && aw_len == aw_len_q);
      if (w_waits_q) assert (w_valid && w_data == data_q && w_strb == strb_q && w_last == last_q);
      if (aw_valid) assert (32'(aw_len) < MaxBurst && 10'(aw_addr[11:3]) + 10'(aw_len) < 10'd512);
      if (w_valid) assert (w_strb[3:0] == {4{w_strb[0]}} && w_strb[7:4] == {4{w_strb[4]}});
      assert (32'(unanswered_q) + 32'(addresses_q) + 32'(aw_valid) <= MaxOutstanding);
      if (!flushed_q) assert (strobed_q <= words_q);
      if (idle && !flushed_q && !flush_i && words_q != 3'd0) assert (strobed_q == words_q);
      if (idle) assert (!aw_valid && !w_valid && unanswered_q == 3'd0 && addresses_q == 3'd0 && ends_q == 3'd0);
    end
  end

endmodule
