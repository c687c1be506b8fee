// The pages' DMA between a value stage that takes what has arrived and commits what it took, and a host that
// answers what it was asked for, whenever they like: no page is read while an older access has yet to write it,
// every page that was read is written once and in its order, and nothing begins after a fault.

module page_dma_formal #(
  parameter int unsigned InFlight = 2
) (
  input logic            clk_i,
  input logic            rst_ni,
  input logic            fault_i,
  input logic            claim_i,
  input logic [1:0]      claim_host_i,
  input logic [1:0][1:0] claim_page_i,
  input logic            taken_i,
  input logic            commit_i,
  input logic            ar_ready_i,
  input logic            r_valid_i,
  input logic            aw_ready_i,
  input logic            w_ready_i,
  input logic            b_valid_i
);

  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;
  wire rst_n = rst_ni & started_q;

  logic         room, idle, arrived, waits, read_error, write_error;
  logic         ar_valid, r_ready, aw_valid, w_valid, w_last, b_ready;
  logic [63:0]  ar_addr, aw_addr;
  logic [7:0]   ar_len, aw_len;
  logic [511:0] w_data;
  logic [1:0][511:0] rdata;

  bolt_page_dma #(.PageBytes(64), .InFlight(InFlight)) i_dma (
    .clk_i,
    .rst_ni       (rst_n),
    .fault_i,
    .base_i       (64'd0),
    .room_o       (room),
    .idle_o       (idle),
    .claim_i,
    .claim_host_i,
    .claim_page_i ({22'd0, claim_page_i[1], 22'd0, claim_page_i[0]}),
    .arrived_o    (arrived),
    .taken_i,
    .re_i         (2'b00),
    .raddr_i      ('0),
    .rdata_o      (rdata),
    .we_i         (2'b00),
    .waddr_i      ('0),
    .wdata_i      ('0),
    .commit_i,
    .waits_o      (waits),
    .read_error_o (read_error),
    .write_error_o(write_error),
    .ar_valid_o   (ar_valid),
    .ar_ready_i,
    .ar_addr_o    (ar_addr),
    .ar_len_o     (ar_len),
    .r_valid_i,
    .r_ready_o    (r_ready),
    .r_data_i     ('0),
    .r_resp_i     (2'b00),
    .r_last_i     (1'b1),
    .aw_valid_o   (aw_valid),
    .aw_ready_i,
    .aw_addr_o    (aw_addr),
    .aw_len_o     (aw_len),
    .w_valid_o    (w_valid),
    .w_ready_i,
    .w_data_o     (w_data),
    .w_last_o     (w_last),
    .b_valid_i,
    .b_ready_o    (b_ready),
    .b_resp_i     (2'b00)
  );

  // Beats owed; beats written and addresses of those that have no answer; by page, whether it was offered for
  // reading and its write has no answer.
  logic [3:0]      owed_q, beats_q, addresses_q;
  logic [3:0]      open_q;
  logic [3:0][1:0] queue_q;  // pages offered for reading, oldest first
  logic [2:0]      queued_q;
  logic            taken_q;  // an access is taken and not committed
  logic            ar_seen_q, aw_seen_q, fault_q;
  logic [63:0]     ar_addr_q, aw_addr_q;

  wire       ar_begins = ar_valid & ~ar_seen_q;
  wire       aw_begins = aw_valid & ~aw_seen_q;
  wire       answer    = b_valid_i & b_ready;
  wire [1:0] page      = ar_addr[7:6];

  logic [3:0]      next_open;
  logic [3:0][1:0] next_queue;

  always_comb begin
    next_open  = open_q;
    next_queue = queue_q;
    if (answer) begin
      next_open  = next_open & ~(4'd1 << queue_q[0]);
      next_queue = queue_q >> 2;
    end
    if (ar_begins) begin
      next_open  = next_open | (4'd1 << page);
      next_queue = next_queue | (8'(page) << {2'(queued_q - 3'(answer)), 1'b0});
    end
  end

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) begin
      {owed_q, beats_q, addresses_q, queued_q, taken_q} <= '0;
      open_q  <= '0;
      queue_q <= '0;
      {ar_seen_q, aw_seen_q, fault_q, ar_addr_q, aw_addr_q} <= '0;
    end else begin
      owed_q       <= owed_q + 4'(ar_valid & ar_ready_i) - 4'(r_valid_i & r_ready);
      beats_q      <= beats_q + 4'(w_valid & w_ready_i) - 4'(answer);
      addresses_q  <= addresses_q + 4'(aw_valid & aw_ready_i) - 4'(answer);
      ar_seen_q    <= ar_valid & ~ar_ready_i;
      aw_seen_q    <= aw_valid & ~aw_ready_i;
      {ar_addr_q, aw_addr_q} <= {ar_addr, aw_addr};
      fault_q      <= fault_i;
      open_q  <= next_open;
      queue_q <= next_queue;
      queued_q <= queued_q + 3'(ar_begins) - 3'(answer);
      taken_q  <= taken_i | (taken_q & ~commit_i);
    end
  end

  always_comb begin
    assume (!claim_i || (room && claim_page_i[0] != claim_page_i[1]));
    assume (!taken_i || (arrived && !taken_q));
    assume (!commit_i || taken_q);
    assume (!r_valid_i || owed_q != 4'd0);
    assume (!b_valid_i || (beats_q != 4'd0 && addresses_q != 4'd0));
    assume (!fault_q || fault_i);
    if (rst_n) begin
      if (ar_begins) assert (!open_q[page]);
      if (aw_begins) assert (open_q[aw_addr[7:6]]);
      assert (32'(queued_q) <= 2 * InFlight);
      if (ar_seen_q) assert (ar_valid && ar_addr == ar_addr_q);
      if (aw_seen_q) assert (aw_valid && aw_addr == aw_addr_q);
      if (fault_q) assert (!ar_begins && !aw_begins);
      if (ar_valid) assert (ar_len == 8'd0 && ar_addr[63:8] == '0 && ar_addr[5:0] == '0);
      assert (!read_error && !write_error);
      if (idle) assert (owed_q == 4'd0 && queued_q == 3'd0 && !ar_valid);
    end
  end

endmodule
