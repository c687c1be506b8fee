// A read of the lane's state gives what was last written there, the write of the same cycle included.

module lane_state_formal (
  input logic        clk_i,
  input logic        rst_ni,
  input logic        en_i,
  input logic        we_i,
  input logic [1:0]  waddr_i,
  input logic [31:0] wdata_i,
  input logic        re_i,
  input logic [1:0]  raddr_i,
  input logic [1:0]  watched_i
);

  logic [31:0] rdata, last_q, expected_q;
  logic [1:0]  watched_q;
  logic        chosen_q, written_q, known_q;

  fusemax_lane_state #(.Depth(4)) i_state (
    .clk_i,
    .rst_ni,
    .en_i,
    .we_i,
    .waddr_i,
    .wdata_i,
    .re_i,
    .raddr_i,
    .rdata_o(rdata)
  );

  wire hit_write = en_i & we_i & chosen_q & (waddr_i == watched_q);
  wire hit_read  = en_i & re_i & chosen_q & (raddr_i == watched_q);

  // One address, chosen freely in the first cycle; its last word; what a read of it must show until the next read.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      chosen_q   <= 1'b0;
      watched_q  <= '0;
      written_q  <= 1'b0;
      last_q     <= '0;
      known_q    <= 1'b0;
      expected_q <= '0;
    end else begin
      chosen_q <= 1'b1;
      if (!chosen_q) watched_q <= watched_i;
      if (hit_write) begin
        written_q <= 1'b1;
        last_q    <= wdata_i;
      end
      if (en_i && re_i) begin
        known_q    <= hit_read & (written_q | hit_write);
        expected_q <= hit_write ? wdata_i : last_q;
      end
    end
  end

  always_comb begin
    if (known_q) assert (rdata == expected_q);
  end

endmodule
