// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Two pairs of AGCUs on one memory: what 2p loads goes to 2p + 1, which stores it. The storing one gives packet
// credits (kept back by withhold_i) and units read; the loading one's token post 0 is the storing one's wait 0.

module sn40l_agcu_harness #(
  parameter int unsigned HbmBeats = 2048,
  parameter int unsigned DdrBeats = 2048,
  parameter int unsigned Segments = 4
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  output logic [31:0]      cycle_o,
  input  logic             start_i,
  output logic [3:0]       done_o,
  input  logic [3:0]       abort_i,
  input  logic             cfg_valid_i,
  input  logic [1:0]       cfg_unit_i,
  input  logic [11:0]      cfg_addr_i,
  input  logic [31:0]      cfg_data_i,
  input  logic [1:0]       link_i,      // the network between a pair lets packets pass
  input  logic [1:0]       withhold_i,
  output logic [1:0]       passed_o,    // a packet passes
  output logic [1:0]       stored_o,    // a unit was stored
  output logic [3:0]       completion_valid_o,
  output logic [3:0]       irq_o,
  output logic [3:0]       error_o,
  output logic [3:0][72:0] error_completion_o,
  output logic [3:0][127:0] stat_o,
  input  logic [2:0]       perf_select_i,
  output logic [3:0][31:0] perf_o,
  input  logic             fault_valid_i,
  input  logic             fault_clear_i,
  input  logic [118:0]     fault_i
);

  localparam int unsigned Units = 4;

  // Inputs are random until the test drives them: the clock's edge at time 0 must find the reset.
  logic awake = 1'b0, rst_n;

  always @(negedge clk_i) awake <= 1'b1;

  assign rst_n = rst_ni & awake;

  logic [Units-1:0]        ar_valid, ar_ready, r_valid, r_ready, r_last;
  logic [Units-1:0]        aw_valid, aw_ready, w_valid, w_ready, w_last, b_valid, b_ready;
  logic [Units-1:0][3:0]   ar_id, r_id, aw_id, b_id;
  logic [Units-1:0][39:0]  ar_addr, aw_addr;
  logic [Units-1:0][7:0]   ar_len, aw_len;
  logic [Units-1:0][255:0] r_data, w_data;
  logic [Units-1:0][31:0]  w_strb;
  logic [Units-1:0][1:0]   r_resp, b_resp;
  logic [1:0]              ecc_seen;
  logic [1:0][39:0]        ecc_address;
  logic [31:0]             memory_perf;

  sn40l_memory #(
    .Ports   (Units),
    .HbmBeats(HbmBeats),
    .DdrBeats(DdrBeats)
  ) i_memory (
    .clk_i,
    .rst_ni       (rst_n),
    .ar_valid_i   (ar_valid),
    .ar_ready_o   (ar_ready),
    .ar_id_i      (ar_id),
    .ar_addr_i    (ar_addr),
    .ar_len_i     (ar_len),
    .r_valid_o    (r_valid),
    .r_ready_i    (r_ready),
    .r_id_o       (r_id),
    .r_data_o     (r_data),
    .r_resp_o     (r_resp),
    .r_last_o     (r_last),
    .aw_valid_i   (aw_valid),
    .aw_ready_o   (aw_ready),
    .aw_id_i      (aw_id),
    .aw_addr_i    (aw_addr),
    .aw_len_i     (aw_len),
    .w_valid_i    (w_valid),
    .w_ready_o    (w_ready),
    .w_data_i     (w_data),
    .w_strb_i     (w_strb),
    .b_valid_o    (b_valid),
    .b_ready_i    (b_ready),
    .b_id_o       (b_id),
    .b_resp_o     (b_resp),
    .fault_valid_i,
    .fault_clear_i,
    .fault_i,
    .perf_clear_i (1'b0),
    .perf_select_i('0),
    .perf_o       (memory_perf),
    .ecc_seen_o   (ecc_seen),
    .ecc_address_o(ecc_address)
  );

  logic [Units-1:0][7:0]         token, token_i;
  logic [Units-1:0][1:0]         rx_valid, rx_ready, tx_valid, tx_ready;
  logic [Units-1:0][1:0][279:0]  rx_packet, tx_packet;
  logic [Units-1:0][72:0]        completion;

  for (genvar p = 0; p < Units / 2; p++) begin : gen_pair
    assign token_i[2*p]     = {4'd0, token[2*p+1][sn40l_mem_pkg::AgcuTokenStored], 3'd0} |
                              8'(token[2*p+1][sn40l_mem_pkg::AgcuTokenPopped] && !withhold_i[p]);
    assign token_i[2*p+1]   = {2'd0, token[2*p][sn40l_mem_pkg::AgcuTokenPost], 5'd0};
    assign rx_valid[2*p+1]  = tx_valid[2*p] & {2{link_i[p]}};
    assign rx_packet[2*p+1] = tx_packet[2*p];
    assign tx_ready[2*p]    = rx_ready[2*p+1] & {2{link_i[p]}};
    assign rx_valid[2*p]    = '0;
    assign rx_packet[2*p]   = '0;
    assign tx_ready[2*p+1]  = '1;
    assign passed_o[p]      = |(tx_valid[2*p] & tx_ready[2*p]);
    assign stored_o[p]      = token[2*p+1][sn40l_mem_pkg::AgcuTokenStored];
  end

  for (genvar u = 0; u < Units; u++) begin : gen_unit
    sn40l_agcu #(
      .Segments(Segments)
    ) i_agcu (
      .clk_i,
      .rst_ni            (rst_n),
      .start_i,
      .done_o            (done_o[u]),
      .abort_i           (abort_i[u]),
      .cfg_valid_i       (cfg_valid_i && cfg_unit_i == 2'(u)),
      .cfg_addr_i,
      .cfg_data_i,
      .token_i           (token_i[u]),
      .token_o           (token[u]),
      .rx_valid_i        (rx_valid[u]),
      .rx_ready_o        (rx_ready[u]),
      .rx_packet_i       (rx_packet[u]),
      .tx_valid_o        (tx_valid[u]),
      .tx_ready_i        (tx_ready[u]),
      .tx_packet_o       (tx_packet[u]),
      .stat_o            (stat_o[u]),
      .completion_valid_o(completion_valid_o[u]),
      .completion_o      (completion[u]),
      .irq_o             (irq_o[u]),
      .error_o           (error_o[u]),
      .error_completion_o(error_completion_o[u]),
      .perf_select_i,
      .perf_o            (perf_o[u]),
      .axi_ar_valid_o    (ar_valid[u]),
      .axi_ar_ready_i    (ar_ready[u]),
      .axi_ar_id_o       (ar_id[u]),
      .axi_ar_addr_o     (ar_addr[u]),
      .axi_ar_len_o      (ar_len[u]),
      .axi_r_valid_i     (r_valid[u]),
      .axi_r_ready_o     (r_ready[u]),
      .axi_r_id_i        (r_id[u]),
      .axi_r_data_i      (r_data[u]),
      .axi_r_resp_i      (r_resp[u]),
      .axi_aw_valid_o    (aw_valid[u]),
      .axi_aw_ready_i    (aw_ready[u]),
      .axi_aw_id_o       (aw_id[u]),
      .axi_aw_addr_o     (aw_addr[u]),
      .axi_aw_len_o      (aw_len[u]),
      .axi_w_valid_o     (w_valid[u]),
      .axi_w_ready_i     (w_ready[u]),
      .axi_w_data_o      (w_data[u]),
      .axi_w_strb_o      (w_strb[u]),
      .axi_w_last_o      (w_last[u]),
      .axi_b_valid_i     (b_valid[u]),
      .axi_b_ready_o     (b_ready[u]),
      .axi_b_id_i        (b_id[u]),
      .axi_b_resp_i      (b_resp[u])
    );
  end

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) cycle_o <= '0;
    else        cycle_o <= cycle_o + 32'd1;
  end

  logic unused;
  assign unused = (^r_last) ^ (^w_last) ^ (^token) ^ (^completion) ^ (^ecc_seen) ^ (^ecc_address) ^
                  (^memory_perf);

endmodule
