// Addresses pass one at a time, unchanged, with their reader's number; a reader that waits is passed over at most
// once by each of the others; answers go to their reader only.

module read_mux_formal #(
  parameter int unsigned Readers = 3
) (
  input logic                    clk_i,
  input logic                    rst_ni,
  input logic [Readers-1:0]      ar_valid_i,
  input logic [Readers-1:0][3:0] ar_addr_i,
  input logic [Readers-1:0][7:0] ar_len_i,
  input logic                    ar_ready_i,
  input logic                    r_valid_i,
  input logic [1:0]              r_id_i
);

  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;
  wire rst_n = rst_ni & started_q;

  localparam int unsigned IdWidth = (Readers > 1) ? $clog2(Readers) : 1;

  logic [Readers-1:0] ready, r_valid;
  logic               valid;
  logic [IdWidth-1:0] id;
  logic [3:0]         addr;
  logic [7:0]         len;

  axi_read_mux #(.Readers(Readers), .AddrWidth(4)) i_mux (
    .clk_i,
    .rst_ni(rst_n),
    .ar_valid_i,
    .ar_ready_o(ready),
    .ar_addr_i,
    .ar_len_i,
    .r_valid_o (r_valid),
    .ar_valid_o(valid),
    .ar_ready_i,
    .ar_id_o   (id),
    .ar_addr_o (addr),
    .ar_len_o  (len),
    .r_valid_i,
    .r_id_i    (r_id_i[IdWidth-1:0])
  );

  // The address taken last; how often each waiting reader has been passed over.
  logic                    held_q, stalled_q;
  logic [IdWidth-1:0]      id_q;
  logic [3:0]              addr_q;
  logic [7:0]              len_q;
  logic [Readers-1:0][2:0] passed_q;
  logic [Readers-1:0]      taken;

  assign taken = ready & ar_valid_i;

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) begin
      {held_q, stalled_q, id_q, addr_q, len_q, passed_q} <= '0;
    end else begin
      stalled_q <= valid & ~ar_ready_i;
      if (valid && ar_ready_i) held_q <= 1'b0;
      for (int unsigned i = 0; i < Readers; i++) begin
        if (taken[i]) {held_q, id_q, addr_q, len_q} <= {1'b1, IdWidth'(i), ar_addr_i[i], ar_len_i[i]};
        passed_q[i] <= (!ar_valid_i[i] || taken[i]) ? 3'd0 : passed_q[i] + 3'(taken != '0);
      end
    end
  end

  always_comb begin
    if (rst_n) begin
      assert ((ready & (ready - Readers'(1))) == '0);
      assert ((ready & ~ar_valid_i) == '0);
      if (ar_valid_i != '0 && (!held_q || ar_ready_i)) assert (taken != '0);
      if (taken != '0) assert (!held_q || ar_ready_i);
      assert (valid == held_q);
      if (valid) assert (id == id_q && addr == addr_q && len == len_q);
      if (stalled_q) assert (valid);
      for (int unsigned i = 0; i < Readers; i++) begin
        assert (passed_q[i] < 3'(Readers));
        assert (r_valid[i] == (r_valid_i && r_id_i[IdWidth-1:0] == IdWidth'(i)));
      end
    end
  end

endmodule
