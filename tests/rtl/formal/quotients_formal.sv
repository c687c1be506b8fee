// Divisions are begun only with a place for each result, and all of a block's are begun before the last is told.

module quotients_formal (
  input logic clk_i,
  input logic active_i,
  input logic leave_i
);

  logic        division, last, empty, unused_op;
  logic        rst_ni;     // a reset in the first cycle: not all registers begin with zero
  logic [2:0]  addr;
  logic [2:0]  inside_q;   // results promised a place that have not left
  logic [2:0]  begun_q;    // divisions of this block
  fusemax_pkg::lane_op_t op;

  wire left = leave_i & (inside_q != 3'd0);

  fusemax_quotients #(.F(2), .MaxP1(2), .QueueDepth(3)) i_quotients (
    .clk_i,
    .rst_ni,
    .active_i,
    .p1_i      (16'd2),
    .left_i    (left),
    .op_o      (op),
    .addr_o    (addr),
    .division_o(division),
    .last_o    (last),
    .empty_o   (empty)
  );

  always_ff @(posedge clk_i) rst_ni <= 1'b1;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      inside_q <= '0;
      begun_q  <= '0;
    end else begin
      inside_q <= inside_q + 3'(division) - 3'(left);
      begun_q  <= last ? '0 : begun_q + 3'(division);
    end
  end

  always_comb begin
    if (rst_ni) begin
      assert (inside_q <= 3'd3);
      assert (empty == (inside_q == 3'd0));
      if (last) assert (division && begun_q == 3'd3);
      // RNV[0] and RNV[1] of the first tile of queries, then of the second.
      if (division) assert (addr == ((begun_q < 3'd2) ? begun_q + 3'd2 : begun_q + 3'd4));
    end
  end

  assign unused_op = ^op;

endmodule
