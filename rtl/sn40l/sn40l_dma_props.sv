// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of sn40l_dma: AXI4's rules for its port, bursts within their piece, one completion a descriptor.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module sn40l_dma_props #(
  parameter  int unsigned QueueDepth = 4,
  localparam int unsigned AddrWidth  = sn40l_mem_pkg::AddrWidth,
  localparam int unsigned DataWidth  = sn40l_mem_pkg::DataWidth,
  localparam int unsigned StrbWidth  = sn40l_mem_pkg::StrbWidth,
  localparam int unsigned IdWidth    = sn40l_mem_pkg::IdWidth
) (
  input logic                 clk_i,
  input logic                 rst_ni,
  input logic                 abort_i,
  input logic                 descriptor_valid_i,
  input logic                 descriptor_ready_o,
  input logic                 idle_o,
  input logic                 completion_valid_o,
  input logic                 ld_valid_o,
  input logic                 ld_ready_i,
  input logic [DataWidth-1:0] ld_data_o,
  input logic                 ar_valid_o,
  input logic                 ar_ready_i,
  input logic [IdWidth-1:0]   ar_id_o,
  input logic [AddrWidth-1:0] ar_addr_o,
  input logic [7:0]           ar_len_o,
  input logic                 r_valid_i,
  input logic                 r_ready_o,
  input logic [IdWidth-1:0]   r_id_i,
  input logic                 aw_valid_o,
  input logic                 aw_ready_i,
  input logic [IdWidth-1:0]   aw_id_o,
  input logic [AddrWidth-1:0] aw_addr_o,
  input logic [7:0]           aw_len_o,
  input logic                 w_valid_o,
  input logic                 w_ready_i,
  input logic [DataWidth-1:0] w_data_o,
  input logic [StrbWidth-1:0] w_strb_o,
  input logic                 w_last_o,
  input logic                 b_valid_i,
  input logic                 b_ready_o,
  input logic [IdWidth-1:0]   b_id_i
);

  // What is offered stays, unchanged, until it is taken.
  a_ar_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (ar_valid_o && !ar_ready_i) |=> (ar_valid_o && $stable({ar_id_o, ar_addr_o, ar_len_o})));
  a_aw_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (aw_valid_o && !aw_ready_i) |=> (aw_valid_o && $stable({aw_id_o, aw_addr_o, aw_len_o})));
  a_w_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (w_valid_o && !w_ready_i) |=> (w_valid_o && $stable({w_data_o, w_strb_o, w_last_o})));
  a_ld_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (ld_valid_o && !ld_ready_i) |=> (abort_i || (ld_valid_o && $stable(ld_data_o))));
  a_answers: assert property (@(posedge clk_i) disable iff (!rst_ni) r_ready_o && b_ready_o);

  // A burst is of whole beats and stays within its 512 bytes.
  a_ar_piece: assert property (@(posedge clk_i) disable iff (!rst_ni)
    ar_valid_o |-> (ar_addr_o[4:0] == '0 && 9'(ar_addr_o[8:5]) + 9'(ar_len_o) < 9'd16));
  a_aw_piece: assert property (@(posedge clk_i) disable iff (!rst_ni)
    aw_valid_o |-> (aw_addr_o[4:0] == '0 && 9'(aw_addr_o[8:5]) + 9'(aw_len_o) < 9'd16));

  // Identifiers are used once at a time; answers are to what was asked. W follows the addresses' lengths.
  logic [15:0]       reads_q, writes_q;
  logic [15:0][8:0]  read_left_q;
  logic [15:0]       descriptors_q;
  logic [15:0]       beats_q, lasts_q, bursts_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      reads_q       <= '0;
      writes_q      <= '0;
      read_left_q   <= '0;
      descriptors_q <= '0;
      beats_q       <= '0;
      lasts_q       <= '0;
      bursts_q      <= '0;
    end else begin
      if (r_valid_i) begin
        read_left_q[r_id_i] <= read_left_q[r_id_i] - 9'd1;
        if (read_left_q[r_id_i] == 9'd1) reads_q[r_id_i] <= 1'b0;
      end
      if (ar_valid_o && ar_ready_i) begin
        reads_q[ar_id_o]     <= 1'b1;
        read_left_q[ar_id_o] <= 9'(ar_len_o) + 9'd1;
      end
      if (b_valid_i) writes_q[b_id_i] <= 1'b0;
      if (aw_valid_o && aw_ready_i) writes_q[aw_id_o] <= 1'b1;
      descriptors_q <= descriptors_q + 16'(descriptor_valid_i && descriptor_ready_o) - 16'(completion_valid_o);
      beats_q  <= beats_q + ((aw_valid_o && aw_ready_i) ? 16'(aw_len_o) + 16'd1 : 16'd0) -
                  16'(w_valid_o && w_ready_i);
      bursts_q <= bursts_q + 16'(aw_valid_o && aw_ready_i) - 16'(w_valid_o && w_ready_i && w_last_o);
      lasts_q  <= lasts_q + 16'(w_valid_o && w_ready_i && w_last_o) - 16'(b_valid_i);
    end
  end

  a_ar_free: assert property (@(posedge clk_i) disable iff (!rst_ni) ar_valid_o |-> !reads_q[ar_id_o]);
  a_aw_free: assert property (@(posedge clk_i) disable iff (!rst_ni) aw_valid_o |-> !writes_q[aw_id_o]);
  a_r_asked: assert property (@(posedge clk_i) disable iff (!rst_ni) r_valid_i |-> reads_q[r_id_i]);
  a_b_asked: assert property (@(posedge clk_i) disable iff (!rst_ni)
    b_valid_i |-> (writes_q[b_id_i] && lasts_q != '0));
  a_queue: assert property (@(posedge clk_i) disable iff (!rst_ni) 32'(descriptors_q) <= QueueDepth + 1);
  a_one_each: assert property (@(posedge clk_i) disable iff (!rst_ni)
    completion_valid_o |-> descriptors_q != '0);

  // At rest nothing is owed, and W kept to the lengths that AW told.
  a_idle: assert property (@(posedge clk_i) disable iff (!rst_ni)
    idle_o |-> (descriptors_q == '0 && reads_q == '0 && writes_q == '0 && beats_q == '0 && bursts_q == '0 &&
                lasts_q == '0 && !ar_valid_o && !aw_valid_o && !w_valid_o));

endmodule

bind sn40l_dma sn40l_dma_props #(.QueueDepth(QueueDepth)) i_props (.*);
