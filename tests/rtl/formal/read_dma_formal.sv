// The read engine in front of a memory that answers what it was asked for, whenever it likes: bursts keep to AXI4,
// words are asked for once each and find room, come out in order, and idle means that nothing is left.

module read_dma_formal #(
  parameter int unsigned MaxBurst = 2,
  parameter int unsigned Depth    = 3
) (
  input logic        clk_i,
  input logic        rst_ni,
  input logic        valid_i,
  input logic [12:0] addr_i,
  input logic [2:0]  words_i,
  input logic        flush_i,
  input logic        ready_i,
  input logic        ar_ready_i,
  input logic        r_valid_i,
  input logic [1:0]  r_data_i,
  input logic [1:0]  r_resp_i
);

  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;
  wire rst_n = rst_ni & started_q;

  logic        ready, idle, error, valid, ar_valid, r_ready;
  logic [63:0] data;
  logic [12:0] ar_addr;
  logic [7:0]  ar_len;

  axi_read_dma #(.AddrWidth(13), .CountWidth(3), .MaxBurst(MaxBurst), .Depth(Depth)) i_dma (
    .clk_i,
    .rst_ni(rst_n),
    .valid_i,
    .ready_o(ready),
    .addr_i,
    .words_i,
    .flush_i,
    .idle_o (idle),
    .error_o(error),
    .valid_o(valid),
    .ready_i,
    .data_o (data),
    .ar_valid_o(ar_valid),
    .ar_ready_i,
    .ar_addr_o (ar_addr),
    .ar_len_o  (ar_len),
    .r_valid_i,
    .r_ready_o (r_ready),
    .r_data_i  ({62'd0, r_data_i}),
    .r_resp_i
  );

  // Beats owed by the memory; words in the queue; of the last command, words not asked for and the next address.
  logic [3:0]  owed_q, queued_q;
  logic [2:0]  left_q;
  logic [12:0] next_q, ar_addr_q;
  logic [7:0]  ar_len_q;
  logic        ar_waits_q, ar_seen_q, out_waits_q;
  logic [63:0] data_q;

  wire       asked = ar_valid & ar_ready_i;
  wire       begins = ar_valid & ~ar_seen_q;  // a burst is offered for the first time
  wire       push = r_valid_i & ~flush_i;
  wire       pop = (queued_q != 4'd0) & (flush_i | ready_i);
  wire [8:0] beats = 9'(ar_len) + 9'd1;

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) begin
      {owed_q, queued_q, left_q, next_q, ar_addr_q, ar_len_q, ar_waits_q, ar_seen_q, out_waits_q, data_q} <= '0;
    end else begin
      owed_q   <= owed_q + (asked ? 4'(beats) : 4'd0) - 4'(r_valid_i);
      queued_q <= queued_q + 4'(push) - 4'(pop);
      if (begins) begin
        left_q <= left_q - 3'(beats);
        next_q <= next_q + {10'(beats), 3'd0};
      end
      if (valid_i && ready) {left_q, next_q} <= {words_i, addr_i};
      if (flush_i) left_q <= '0;
      ar_seen_q   <= ar_valid & ~ar_ready_i;
      ar_waits_q  <= ar_valid & ~ar_ready_i;
      {ar_addr_q, ar_len_q} <= {ar_addr, ar_len};
      out_waits_q <= valid & ~ready_i & ~flush_i;
      data_q      <= data;
    end
  end

  always_comb begin
    assume (addr_i[2:0] == 3'd0);
    assume (!r_valid_i || owed_q != 4'd0);
    if (rst_n) begin
      assert (r_ready);
      assert (error == (r_valid_i & r_resp_i[1]));
      if (ar_waits_q) assert (ar_valid && ar_addr == ar_addr_q && ar_len == ar_len_q);
      if (ar_valid) assert (32'(beats) <= MaxBurst && 10'(ar_addr[11:3]) + 10'(ar_len) < 10'd512);
      if (begins && !flush_i) assert (ar_addr == next_q && beats <= 9'(left_q));
      // Everything asked for has its place.
      assert (32'(owed_q) + 32'(queued_q) + (ar_valid ? 32'(beats) : 32'd0) <= Depth);
      if (out_waits_q) assert (flush_i || (valid && data == data_q));
      assert (valid == (queued_q != 4'd0 && !flush_i));
      if (idle) assert (owed_q == 4'd0 && queued_q == 4'd0 && !ar_valid && left_q == 3'd0);
      if (owed_q == 4'd0 && queued_q == 4'd0 && !ar_valid && left_q == 3'd0) assert (idle);
    end
  end

endmodule
