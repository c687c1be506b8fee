// Every write and every read is answered once, in its turn, with its own data; answers stay offered unchanged.
// The reset may come at any time.

module axi_lite_formal (
  input logic        clk_i,
  input logic        rst_ni,
  input logic        aw_valid_i,
  input logic [1:0]  aw_addr_i,
  input logic        w_valid_i,
  input logic [31:0] w_data_i,
  input logic [3:0]  w_strb_i,
  input logic        b_ready_i,
  input logic        ar_valid_i,
  input logic [1:0]  ar_addr_i,
  input logic        r_ready_i,
  input logic        write_bad_i,
  input logic [31:0] read_data_i,
  input logic        read_bad_i
);

  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;
  wire rst_n = rst_ni & started_q;

  logic        aw_ready, w_ready, b_valid, ar_ready, r_valid, write;
  logic [1:0]  b_resp, r_resp, write_addr, read_addr;
  logic [31:0] r_data, write_data;
  logic [3:0]  write_strb;

  axi_lite_slave #(.AddrWidth(2)) i_slave (
    .clk_i,
    .rst_ni(rst_n),
    .aw_valid_i,
    .aw_ready_o  (aw_ready),
    .aw_addr_i,
    .w_valid_i,
    .w_ready_o   (w_ready),
    .w_data_i,
    .w_strb_i,
    .b_valid_o   (b_valid),
    .b_ready_i,
    .b_resp_o    (b_resp),
    .ar_valid_i,
    .ar_ready_o  (ar_ready),
    .ar_addr_i,
    .r_valid_o   (r_valid),
    .r_ready_i,
    .r_data_o    (r_data),
    .r_resp_o    (r_resp),
    .write_o     (write),
    .write_addr_o(write_addr),
    .write_data_o(write_data),
    .write_strb_o(write_strb),
    .write_bad_i,
    .read_addr_o (read_addr),
    .read_data_i,
    .read_bad_i
  );

  // What was taken and has not led to a write; answers owed; what was offered and not taken.
  logic        addr_in_q, data_in_q, b_owed_q, b_bad_q, r_owed_q, r_bad_q, b_waits_q, r_waits_q;
  logic [1:0]  addr_q, b_resp_q, r_resp_q;
  logic [31:0] data_q, r_data_q, r_seen_q;
  logic [3:0]  strb_q;
  logic [1:0]  idle_q;  // cycles with both halves of a write here and no answer owed

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) begin
      {addr_in_q, data_in_q, b_owed_q, b_bad_q, r_owed_q, r_bad_q, b_waits_q, r_waits_q} <= '0;
      {addr_q, b_resp_q, r_resp_q, data_q, r_data_q, r_seen_q, strb_q, idle_q} <= '0;
    end else begin
      if (write) {addr_in_q, data_in_q} <= '0;
      if (aw_valid_i && aw_ready) {addr_in_q, addr_q} <= {1'b1, aw_addr_i};
      if (w_valid_i && w_ready) {data_in_q, data_q, strb_q} <= {1'b1, w_data_i, w_strb_i};
      if (b_valid && b_ready_i) b_owed_q <= 1'b0;
      if (write) {b_owed_q, b_bad_q} <= {1'b1, write_bad_i};
      if (r_valid && r_ready_i) r_owed_q <= 1'b0;
      if (ar_valid_i && ar_ready) {r_owed_q, r_bad_q, r_data_q} <= {1'b1, read_bad_i, read_data_i};
      b_waits_q <= b_valid & ~b_ready_i;
      r_waits_q <= r_valid & ~r_ready_i;
      {b_resp_q, r_resp_q, r_seen_q} <= {b_resp, r_resp, r_data};
      idle_q <= (addr_in_q && data_in_q && !b_owed_q && !write) ? idle_q + 2'd1 : 2'd0;
    end
  end

  always_comb begin
    if (rst_n) begin
      // A write has an address and data that were taken, and they are those; nothing is taken twice.
      if (write) assert (addr_in_q && data_in_q && write_addr == addr_q && write_data == data_q && write_strb == strb_q);
      if (aw_valid_i && aw_ready) assert (!addr_in_q);
      if (w_valid_i && w_ready) assert (!data_in_q);
      // Answers: one for each, as told.
      assert (b_valid == b_owed_q);
      assert (r_valid == r_owed_q);
      if (b_valid) assert (b_resp == {b_bad_q, 1'b0});
      if (r_valid) assert (r_resp == {r_bad_q, 1'b0} && r_data == r_data_q);
      if (write) assert (!b_owed_q);
      if (ar_valid_i && ar_ready) assert (read_addr == ar_addr_i && !r_owed_q);
      // Offered stays offered, unchanged.
      if (b_waits_q) assert (b_valid && b_resp == b_resp_q);
      if (r_waits_q) assert (r_valid && r_resp == r_resp_q && r_data == r_seen_q);
      // Nothing waits for nothing.
      assert (idle_q == 2'd0);
      if (!addr_in_q) assert (aw_ready);
      if (!data_in_q) assert (w_ready);
      if (!r_owed_q) assert (ar_ready);
    end
  end

endmodule
