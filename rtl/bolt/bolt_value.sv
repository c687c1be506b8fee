// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The value stage: accesses in order, each with its two pages.
//
// The values that an access needs of HBM are collected as soon as the access before has written its own; its
// pages are opened when both are here. With all of it here, both pages are merged with what waits for them,
// the old value is there, the new one is written to its frame or its place of the stash, and the pages are
// sealed, committed for writing, and answered for two cycles after that.
// There are LanePairs pairs of lanes, which take turns: with two, an access's pages are opened while those of
// the one before are sealed, and merged when these are committed; with one, opened then.
// All times are constant from the arrival of the pages on; a bin in HBM has no page, which the host sees.

module bolt_value #(
  parameter  int unsigned Frames      = 2304,
  parameter  int unsigned ValueBytes  = 16,
  parameter  int unsigned HbmDeadline = 128,
  parameter  int unsigned InFlight    = 4,
  parameter  int unsigned AesUnits    = 5,
  parameter  int unsigned Digit       = 64,
  parameter  int unsigned LanePairs   = 1,    // 1 or 2
  localparam int unsigned ValueBits   = 8 * ValueBytes,
  localparam int unsigned Beats       = bolt_pkg::page_bytes(ValueBytes) / 64,
  localparam int unsigned BeatWidth   = (Beats > 1) ? $clog2(Beats) : 1
) (
  input  logic                                    clk_i,
  input  logic                                    rst_ni,
  input  logic                                    clear_i,
  input  logic                                    load_i,  // the pages' key
  input  logic [127:0]                            page_key_i,
  // Accesses from the front, at most InFlight
  input  logic                                    access_valid_i,
  input  bolt_pkg::access_t                       access_i,
  input  logic [ValueBits-1:0]                    value_i,
  input  bolt_pkg::pending_t [2*bolt_pkg::Slots-1:0] pending_i,
  // Pages: those of the oldest access that is not merged are here, and taken; those before are committed
  input  logic                                    arrived_i,
  output logic                                    taken_o,
  output logic [1:0]                              re_o,
  output logic [1:0][BeatWidth-1:0]               raddr_o,
  input  logic [1:0][bolt_pkg::AxiDataWidth-1:0]  rdata_i,
  output logic [1:0]                              we_o,
  output logic [1:0][BeatWidth-1:0]               waddr_o,
  output logic [1:0][bolt_pkg::AxiDataWidth-1:0]  wdata_o,
  output logic                                    commit_o,
  // Values of the stash
  output logic [bolt_pkg::FrameWidth-1:0]         stash_raddr_o,
  input  logic [ValueBits-1:0]                    stash_rdata_i,
  output logic                                    stash_we_o,
  output logic [bolt_pkg::FrameWidth-1:0]         stash_waddr_o,
  output logic [ValueBits-1:0]                    stash_wdata_o,
  // Answer
  output logic                                    ans_valid_o,
  output logic [7:0]                              ans_status_o,
  output logic [bolt_pkg::KeyWidth-1:0]           ans_key_o,
  output logic [ValueBits-1:0]                    ans_value_o,
  // Faults
  output logic                                    bad_o,    // a page's tag
  output logic                                    late_o,   // HBM
  output logic                                    error_o,  // a key is not where the map says, or a page overflows
  // HBM: a word is a value
  output logic                                    hbm_req_valid_o,
  input  logic                                    hbm_req_ready_i,
  output logic                                    hbm_req_we_o,
  output logic [bolt_pkg::FrameWidth-1:0]         hbm_req_addr_o,
  output logic [ValueBits-1:0]                    hbm_req_wdata_o,
  input  logic                                    hbm_rsp_valid_i,
  input  logic [ValueBits-1:0]                    hbm_rsp_rdata_i
);

  localparam int unsigned Slots      = bolt_pkg::Slots;
  localparam int unsigned AccessBits = bolt_pkg::AccessBits;
  localparam int unsigned ListBits   = 2 * Slots * bolt_pkg::PendingBits;

  // The oldest access that has not been merged.
  logic                             head_valid, queue_ready, settle_q;
  bolt_pkg::access_t                head;
  logic [ValueBits-1:0]             head_value;
  bolt_pkg::pending_t [2*Slots-1:0] head_pending;

  stream_fifo #(
    .Width(AccessBits + ValueBits + ListBits),
    .Depth(InFlight)
  ) i_accesses (
    .clk_i,
    .rst_ni,
    .valid_i(access_valid_i || clear_i),  // what waits is pushed out by zeros, which go round
    .ready_o(queue_ready),
    .data_i (clear_i ? '0 : {access_i, value_i, pending_i}),
    .valid_o(head_valid),
    .ready_i(settle_q || clear_i),
    .data_o ({head, head_value, head_pending})
  );

  // Steps: values collected and pages opened, in any order; merged; settled, which ends its time as the head;
  // sealed and committed; answered.
  logic collect, collecting_q, open, opening_q, merge, merged, sealing_q, answer_q;
  logic collected;

  // Lanes: the pair whose turn it is opens and merges, that of the access before seals.
  logic                                                  turn_q, sealer;
  logic [1:0]                                            opened;
  logic [LanePairs-1:0][1:0]                             lane_opened, lane_merged, sealed, hits, overs, bads;
  logic [LanePairs-1:0][1:0]                             re, we;
  logic [LanePairs-1:0][1:0][BeatWidth-1:0]              raddr, waddr;
  logic [LanePairs-1:0][1:0][bolt_pkg::AxiDataWidth-1:0] wdata;
  logic [LanePairs-1:0][1:0][ValueBits-1:0]              page_values;

  assign sealer = (LanePairs == 1) ? turn_q : !turn_q;
  assign opened = lane_opened[turn_q];

  assign collect = head_valid && !collecting_q && !settle_q && !clear_i;
  assign open    = head_valid && !opening_q && !settle_q && (LanePairs > 1 || !sealing_q) && arrived_i &&
                   !clear_i;
  assign merge   = opening_q && opened == 2'b11 && collecting_q && collected && !sealing_q && !clear_i;
  assign merged  = (head.host == 2'b00) ? merge : |(lane_merged[turn_q] & head.host);
  assign commit_o = sealing_q && sealed[sealer] == 2'b11 && !clear_i;
  assign taken_o  = settle_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      collecting_q <= 1'b0;
      opening_q    <= 1'b0;
      settle_q     <= 1'b0;
      sealing_q    <= 1'b0;
      answer_q     <= 1'b0;
      turn_q       <= 1'b0;
    end else if (clear_i) begin
      collecting_q <= 1'b0;
      opening_q    <= 1'b0;
      settle_q     <= 1'b0;
      sealing_q    <= 1'b0;
      answer_q     <= 1'b0;
      turn_q       <= 1'b0;
    end else begin
      if (collect) collecting_q <= 1'b1;
      if (open) opening_q <= 1'b1;
      settle_q <= merged;
      if (settle_q) begin
        collecting_q <= 1'b0;
        opening_q    <= 1'b0;
        sealing_q    <= 1'b1;
        if (LanePairs > 1) turn_q <= !turn_q;
      end else if (commit_o) begin
        sealing_q <= 1'b0;
      end
      answer_q <= commit_o;
    end
  end

  // Values in HBM.
  logic [2*Slots-1:0][ValueBits-1:0] values;
  logic [ValueBits-1:0]              framed_value, new_value;

  bolt_frame_io #(
    .Frames     (Frames),
    .ValueBytes (ValueBytes),
    .HbmDeadline(HbmDeadline)
  ) i_frames (
    .clk_i,
    .rst_ni,
    .clear_i,
    .start_i  (collect),
    .pending_i(head_pending),
    .framed_i (head.framed),
    .frame_i  (head.frame),
    .done_o   (collected),
    .values_o (values),
    .value_o  (framed_value),
    .write_i  (settle_q),
    .wframe_i (head.new_frame),
    .wvalue_i (new_value),
    .late_o,
    .hbm_req_valid_o,
    .hbm_req_ready_i,
    .hbm_req_we_o,
    .hbm_req_addr_o,
    .hbm_req_wdata_o,
    .hbm_rsp_valid_i,
    .hbm_rsp_rdata_i
  );

  // Both pages.
  for (genvar pair = 0; pair < LanePairs; pair++) begin : gen_pair
    for (genvar lane = 0; lane < 2; lane++) begin : gen_lane
      bolt_lane #(
        .ValueBytes(ValueBytes),
        .AesUnits  (AesUnits),
        .Digit     (Digit)
      ) i_lane (
        .clk_i,
        .rst_ni,
        .clear_i,
        .load_i,
        .page_key_i,
        .open_i   (open && turn_q == 1'(pair)),
        .en_i     (head.host[lane]),
        .bin_i    (head.bin[lane]),
        .counter_i(head.counters[lane]),
        .opened_o (lane_opened[pair][lane]),
        .bad_o    (bads[pair][lane]),
        .merge_i  (merge && turn_q == 1'(pair)),
        .pending_i(head_pending[lane*Slots +: Slots]),
        .values_i (values[lane*Slots +: Slots]),
        .key_i    (head.key),
        .key_en_i (head.hit),
        .merged_o (lane_merged[pair][lane]),
        .hit_o    (hits[pair][lane]),
        .value_o  (page_values[pair][lane]),
        .over_o   (overs[pair][lane]),
        .sealed_o (sealed[pair][lane]),
        .re_o     (re[pair][lane]),
        .raddr_o  (raddr[pair][lane]),
        .rdata_i  (rdata_i[lane]),
        .we_o     (we[pair][lane]),
        .waddr_o  (waddr[pair][lane]),
        .wdata_o  (wdata[pair][lane])
      );
    end
  end

  assign re_o    = re[turn_q];
  assign raddr_o = raddr[turn_q];
  assign we_o    = we[sealer];
  assign waddr_o = waddr[sealer];
  assign wdata_o = wdata[sealer];

  // The old value, from the one place that has it.
  logic [3:0]           sources;
  logic                 wrong_q;
  logic [ValueBits-1:0] old, old_q;

  assign sources = {head.stashed, head.framed, hits[turn_q] & head.host};
  assign old     = (sources[0] ? page_values[turn_q][0] : '0) | (sources[1] ? page_values[turn_q][1] : '0) |
                   (sources[2] ? framed_value : '0) | (sources[3] ? stash_rdata_i : '0);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      old_q   <= '0;
      wrong_q <= 1'b0;
    end else if (clear_i) begin
      old_q   <= '0;
      wrong_q <= 1'b0;
    end else if (merged) begin
      old_q   <= old;
      wrong_q <= 3'(sources[0]) + 3'(sources[1]) + 3'(sources[2]) + 3'(sources[3]) != 3'(head.hit) ||
                 (overs[turn_q] & head.host) != 2'b00;
    end
  end

  assign new_value     = !head.keep ? '0 : (head.op == bolt_pkg::OpPut) ? head_value : old_q;
  assign stash_raddr_o = head.place;
  assign stash_we_o    = settle_q && head.to_stash;
  assign stash_waddr_o = head.new_place;
  assign stash_wdata_o = new_value;

  // The answer; of PUT and NOP without a value.
  logic [7:0]                    status_q;
  logic [bolt_pkg::KeyWidth-1:0] ans_key_q;
  logic [ValueBits-1:0]          ans_value_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      status_q    <= '0;
      ans_key_q   <= '0;
      ans_value_q <= '0;
    end else if (clear_i) begin
      status_q    <= '0;
      ans_key_q   <= '0;
      ans_value_q <= '0;
    end else if (settle_q) begin
      status_q    <= head.hit ? bolt_pkg::StatusPresent : bolt_pkg::StatusAbsent;
      ans_key_q   <= head.key;
      ans_value_q <= (head.op == bolt_pkg::OpGet || head.op == bolt_pkg::OpDel) ? old_q : '0;
    end
  end

  assign ans_valid_o  = answer_q && !clear_i;
  assign ans_status_o = ans_valid_o ? status_q : '0;
  assign ans_key_o    = ans_valid_o ? ans_key_q : '0;
  assign ans_value_o  = ans_valid_o ? ans_value_q : '0;

  assign bad_o   = |bads;
  assign error_o = (settle_q && wrong_q) || (access_valid_i && !queue_ready);

  if (LanePairs < 1 || LanePairs > 2) begin : gen_bad_pairs
    $error("bolt_value: LanePairs must be 1 or 2");
  end

endmodule
