// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of bolt_page_dma: AXI4's rules, whole pages, nothing begun after a fault, and no page read while an
// older access has yet to write it.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_page_dma_props #(
  parameter int unsigned PageBytes = 512,
  parameter int unsigned InFlight  = 4,
  parameter int unsigned HostTimeout = 1048576
) (
  input logic                              clk_i,
  input logic                              rst_ni,
  input logic                              fault_i,
  input logic                              room_o,
  input logic                              claim_i,
  input logic                              arrived_o,
  input logic                              taken_i,
  input logic                              commit_i,
  input logic                              silent_o,
  input logic                              ar_valid_o,
  input logic                              ar_ready_i,
  input logic [bolt_pkg::AxiAddrWidth-1:0] ar_addr_o,
  input logic [7:0]                        ar_len_o,
  input logic                              r_valid_i,
  input logic                              r_ready_o,
  input logic                              aw_valid_o,
  input logic                              aw_ready_i,
  input logic [bolt_pkg::AxiAddrWidth-1:0] aw_addr_o,
  input logic [7:0]                        aw_len_o,
  input logic                              w_valid_o,
  input logic                              w_ready_i,
  input logic [bolt_pkg::AxiDataWidth-1:0] w_data_o,
  input logic                              w_last_o,
  input logic                              b_valid_i,
  input logic                              b_ready_o
);

  localparam int unsigned Places = 2 * InFlight;
  localparam logic [7:0]  Len    = 8'(PageBytes / 64 - 1);

  // Pages read whose write has not been answered, oldest first; a page's write is answered in its turn.
  logic [Places-1:0][bolt_pkg::AxiAddrWidth-1:0] open_q;
  logic [31:0]                                   count_q;
  logic [31:0]                                   taken_q;  // places whose pages were taken and not committed
  logic                                          again, ask, answer;
  logic [7:0]                                    beat_q;

  assign ask    = ar_valid_o && ar_ready_i;
  assign answer = b_valid_i && b_ready_o;

  always_comb begin
    again = 1'b0;
    for (int unsigned place = 0; place < Places; place++) begin
      if (place < count_q && open_q[place] == ar_addr_o) again = 1'b1;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      open_q  <= '0;
      count_q <= '0;
      taken_q <= '0;
      beat_q  <= '0;
    end else begin
      if (answer) open_q <= open_q >> bolt_pkg::AxiAddrWidth;
      if (ask) open_q[count_q - 32'(answer)] <= ar_addr_o;
      count_q <= count_q + 32'(ask) - 32'(answer);
      taken_q <= taken_q + 32'(taken_i) - 32'(commit_i);
      if (w_valid_o && w_ready_i) beat_q <= w_last_o ? '0 : beat_q + 8'd1;
    end
  end

  a_interlock: assert property (@(posedge clk_i) disable iff (!rst_ni) ask |-> !again);
  a_places: assert property (@(posedge clk_i) disable iff (!rst_ni) count_q <= Places);
  a_claim: assert property (@(posedge clk_i) disable iff (!rst_ni) claim_i |-> room_o);
  a_taken: assert property (@(posedge clk_i) disable iff (!rst_ni) taken_i |-> arrived_o);
  a_commit: assert property (@(posedge clk_i) disable iff (!rst_ni) commit_i |-> taken_q == 32'd1);

  a_ar_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (ar_valid_o && !ar_ready_i) |=> ar_valid_o && $stable(ar_addr_o));
  a_aw_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (aw_valid_o && !aw_ready_i) |=> aw_valid_o && $stable(aw_addr_o));
  a_w_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (w_valid_o && !w_ready_i) |=> w_valid_o && $stable(w_data_o) && $stable(w_last_o));
  a_page: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (ar_valid_o |-> ar_len_o == Len) and (aw_valid_o |-> aw_len_o == Len));
  a_aligned: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (ar_valid_o |-> (ar_addr_o & 64'(PageBytes - 1)) == '0) and
    (aw_valid_o |-> (aw_addr_o & 64'(PageBytes - 1)) == '0));
  a_last: assert property (@(posedge clk_i) disable iff (!rst_ni) w_valid_o |-> w_last_o == (beat_q == Len));

  // A host that owes and does nothing, by its own signals: as long as it may, and not a cycle longer.
  logic [1:0]       owed, served;
  logic [1:0][31:0] silence_q;

  assign owed   = {aw_valid_o || w_valid_o || b_ready_o, r_ready_o};
  assign served = {(aw_valid_o && aw_ready_i) || (w_valid_o && w_ready_i) || answer, r_valid_i && r_ready_o};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) silence_q <= '0;
    else for (int unsigned way = 0; way < 2; way++) begin
      silence_q[way] <= (owed[way] && !served[way] && !fault_i) ? silence_q[way] + 32'd1 : '0;
    end
  end

  a_patience: assert property (@(posedge clk_i) disable iff (!rst_ni)
    silent_o == (silence_q[0] == HostTimeout || silence_q[1] == HostTimeout));
  a_silence: assert property (@(posedge clk_i) disable iff (!rst_ni) silent_o |=> fault_i);

  // Nothing begins after a fault.
  a_no_read: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (fault_i && !ar_valid_o) |=> !ar_valid_o);
  a_no_write: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (fault_i && !aw_valid_o) |=> !aw_valid_o);

endmodule

bind bolt_page_dma bolt_page_dma_props #(
  .PageBytes(PageBytes),
  .InFlight (InFlight),
  .HostTimeout(HostTimeout)
) i_props (.*);
