// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// One memory channel, behavioural: beats in, answers out in the order of service, Latency cycles after it.
// Reads and writes wait in a queue each and are served in turn; between the two there is no order, as AXI4
// knows none.
//
// A token bucket serves Num beats in Den cycles, reads and writes together. A beat that opens another row
// of its bank waits RowMiss cycles; every RefreshInterval cycles nothing is served for RefreshCycles and
// all rows close (0 of either: none of it). Reads pass the ECC decoder; faults are injected by a map of
// Faults entries: flipped bits of the codeword read, or an error answer (then nothing is written, and 0 is
// read). A beat with req_decerr_i has no place here and is answered with DECERR. It does not know bursts,
// ports or identifiers: req_tag_i comes back with the answer. A write is answered too. The array is not
// reset, and holds no check bits: they are made when a word is read, so that images can be put into mem_q
// from outside.

module sn40l_mem_chan #(
  parameter  int unsigned Beats           = 1024,
  parameter  int unsigned Num             = 9,
  parameter  int unsigned Den             = 16,  // at least Num
  parameter  int unsigned Latency         = 64,
  parameter  int unsigned QueueDepth      = 16,
  parameter  int unsigned RowBeats        = 32,
  parameter  int unsigned Banks           = 4,
  parameter  int unsigned RowMiss         = 0,
  parameter  int unsigned RefreshInterval = 0,
  parameter  int unsigned RefreshCycles   = 0,
  parameter  int unsigned Faults          = 4,
  parameter  int unsigned TagWidth        = 8,
  localparam int unsigned BeatWidth       = (Beats > 1) ? $clog2(Beats) : 1
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  // Beats: 0 read, 1 written
  input  logic [1:0]                          req_valid_i,
  output logic [1:0]                          req_ready_o,
  input  logic [1:0]                          req_decerr_i,
  input  logic [1:0][BeatWidth-1:0]           req_beat_i,
  input  logic [sn40l_mem_pkg::DataWidth-1:0] req_data_i,
  input  logic [sn40l_mem_pkg::StrbWidth-1:0] req_strb_i,
  input  logic [1:0][TagWidth-1:0]            req_tag_i,
  // Answers: 0 to reads, 1 to writes
  output logic [1:0]                          rsp_valid_o,
  input  logic [1:0]                          rsp_ready_i,
  output logic [sn40l_mem_pkg::DataWidth-1:0] rsp_data_o,
  output logic [1:0][1:0]                     rsp_resp_o,
  output logic [1:0][TagWidth-1:0]            rsp_tag_o,
  // Faults: the next entry of the map; all entries cleared
  input  logic                                fault_valid_i,
  input  logic                                fault_clear_i,
  input  logic [BeatWidth-1:0]                fault_beat_i,
  input  logic [1:0]                          fault_kind_i,
  input  logic                                fault_on_read_i,
  input  logic                                fault_on_write_i,
  input  logic                                fault_once_i,
  input  logic [1:0]                          fault_word_i,
  input  logic [sn40l_mem_pkg::CodewordWidth-1:0] fault_mask_i,
  // What happens: a beat read or written, something to do, a beat waits; words corrected or lost, and where
  output logic                                read_o,
  output logic                                write_o,
  output logic                                busy_o,
  output logic                                stall_o,
  output logic                                ce_o,
  output logic                                ue_o,
  output logic [BeatWidth-1:0]                beat_o
);

  localparam int unsigned DataWidth = sn40l_mem_pkg::DataWidth;
  localparam int unsigned StrbWidth = sn40l_mem_pkg::StrbWidth;
  localparam int unsigned Words     = 4;
  localparam int unsigned CodeWidth = sn40l_mem_pkg::CodewordWidth;

  // Two queues, served in turn.
  localparam int unsigned ReqWidth  = 1 + BeatWidth + TagWidth;
  logic [1:0]               head_valids, pops, decerrs;
  logic [1:0][BeatWidth-1:0] beats;
  logic [1:0][TagWidth-1:0] tags;
  logic                     head_valid, serve, write, decerr, turn_q;
  logic [BeatWidth-1:0]     beat;
  logic [DataWidth-1:0]     wdata;
  logic [StrbWidth-1:0]     strb;
  logic [TagWidth-1:0]      tag;

  stream_fifo #(
    .Width(ReqWidth),
    .Depth(QueueDepth)
  ) i_reads (
    .clk_i,
    .rst_ni,
    .valid_i(req_valid_i[0]),
    .ready_o(req_ready_o[0]),
    .data_i ({req_decerr_i[0], req_beat_i[0], req_tag_i[0]}),
    .valid_o(head_valids[0]),
    .ready_i(pops[0]),
    .data_o ({decerrs[0], beats[0], tags[0]})
  );

  stream_fifo #(
    .Width(ReqWidth + DataWidth + StrbWidth),
    .Depth(QueueDepth)
  ) i_writes (
    .clk_i,
    .rst_ni,
    .valid_i(req_valid_i[1]),
    .ready_o(req_ready_o[1]),
    .data_i ({req_decerr_i[1], req_beat_i[1], req_data_i, req_strb_i, req_tag_i[1]}),
    .valid_o(head_valids[1]),
    .ready_i(pops[1]),
    .data_o ({decerrs[1], beats[1], wdata, strb, tags[1]})
  );

  assign head_valid = |head_valids;
  assign write      = head_valids[turn_q] ? turn_q : !turn_q;
  assign decerr     = decerrs[write];
  assign beat       = beats[write];
  assign tag        = tags[write];
  assign pops       = {serve && write, serve && !write};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)    turn_q <= 1'b0;
    else if (serve) turn_q <= !write;
  end

  // Bandwidth: a full bucket is one beat, so that what was not used is lost.
  localparam int unsigned TokenWidth = $clog2(Den + Num + 1);
  logic [TokenWidth-1:0] tokens_q, have, left;
  logic                  paid;

  assign have = tokens_q + TokenWidth'(Num);
  assign paid = have >= TokenWidth'(Den);
  assign left = serve ? have - TokenWidth'(Den) : have;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) tokens_q <= '0;
    else         tokens_q <= (left > TokenWidth'(Den)) ? TokenWidth'(Den) : left;
  end

  // Refresh and open rows.
  logic refreshing, row_ready;

  if (RefreshInterval != 0 && RefreshCycles != 0) begin : gen_refresh
    localparam int unsigned RefreshWidth = $clog2(RefreshInterval + RefreshCycles);
    logic [RefreshWidth-1:0] cycle_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) cycle_q <= '0;
      else if (cycle_q == RefreshWidth'(RefreshInterval + RefreshCycles - 1)) cycle_q <= '0;
      else cycle_q <= cycle_q + RefreshWidth'(1);
    end
    assign refreshing = cycle_q >= RefreshWidth'(RefreshInterval);
  end else begin : gen_no_refresh
    assign refreshing = 1'b0;
  end

  if (RowMiss != 0) begin : gen_rows
    localparam int unsigned BankWidth = (Banks > 1) ? $clog2(Banks) : 1;
    localparam int unsigned MissWidth = $clog2(RowMiss + 1);
    logic [Banks-1:0]                open_q;
    logic [Banks-1:0][BeatWidth-1:0] row_q;  // open row of every bank
    logic [MissWidth-1:0]            miss_q;
    logic [BeatWidth-1:0]            row;
    logic [BankWidth-1:0]            bank;
    logic                            hit;
    assign row       = beat / BeatWidth'(RowBeats);
    assign bank      = BankWidth'(row % BeatWidth'(Banks));
    assign hit       = open_q[bank] && row_q[bank] == row;
    assign row_ready = decerr || (hit && miss_q == '0);
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        open_q <= '0;
        row_q  <= '0;
        miss_q <= '0;
      end else if (refreshing) begin
        open_q <= '0;
        miss_q <= '0;
      end else if (miss_q != '0) begin
        miss_q <= miss_q - MissWidth'(1);
      end else if (head_valid && !decerr && !hit) begin
        open_q[bank] <= 1'b1;
        row_q[bank]  <= row;
        miss_q       <= MissWidth'(RowMiss - 1);
      end
    end
  end else begin : gen_no_rows
    assign row_ready = 1'b1;
  end

  // Faults that a beat meets.
  localparam int unsigned EntryWidth = (Faults > 1) ? $clog2(Faults) : 1;
  logic [Faults-1:0]                live_q, on_read_q, on_write_q, once_q, met;
  logic [Faults-1:0][1:0]           kind_q, word_q;
  logic [Faults-1:0][BeatWidth-1:0] where_q;
  logic [Faults-1:0][CodeWidth-1:0] mask_q;
  logic [EntryWidth-1:0]            next_q;
  logic [Words-1:0][CodeWidth-1:0]  flips;
  logic                             slverr, faultdec;

  always_comb begin
    met      = '0;
    flips    = '0;
    slverr   = 1'b0;
    faultdec = 1'b0;
    for (int unsigned i = 0; i < Faults; i++) begin
      met[i] = live_q[i] && !decerr && where_q[i] == beat && (write ? on_write_q[i] : on_read_q[i]);
      if (met[i]) begin
        slverr   = slverr | (kind_q[i] == sn40l_mem_pkg::FaultSlvErr);
        faultdec = faultdec | (kind_q[i] == sn40l_mem_pkg::FaultDecErr);
        if (kind_q[i] == sn40l_mem_pkg::FaultFlip) flips[word_q[i]] = flips[word_q[i]] ^ mask_q[i];
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      live_q     <= '0;
      on_read_q  <= '0;
      on_write_q <= '0;
      once_q     <= '0;
      kind_q     <= '0;
      word_q     <= '0;
      where_q    <= '0;
      mask_q     <= '0;
      next_q     <= '0;
    end else begin
      if (serve) live_q <= live_q & ~(met & once_q);
      if (fault_clear_i) begin
        live_q <= '0;
      end else if (fault_valid_i) begin
        live_q[next_q]     <= 1'b1;
        on_read_q[next_q]  <= fault_on_read_i;
        on_write_q[next_q] <= fault_on_write_i;
        once_q[next_q]     <= fault_once_i;
        kind_q[next_q]     <= fault_kind_i;
        word_q[next_q]     <= fault_word_i;
        where_q[next_q]    <= fault_beat_i;
        mask_q[next_q]     <= fault_mask_i;
        next_q             <= (next_q == EntryWidth'(Faults - 1)) ? '0 : next_q + EntryWidth'(1);
      end
    end
  end

  // The array, and the decoder behind it.
  logic [DataWidth-1:0]         mem_q [Beats];
  logic [DataWidth-1:0]         stored, fixed;
  logic [Words-1:0]             ce, ue;
  logic [1:0]                   resp;
  logic                         stores;
  logic [Words-1:0][65:0]       decoded;

  assign stored = mem_q[beat];

  for (genvar w = 0; w < Words; w++) begin : gen_word
    assign decoded[w] = sn40l_ecc_pkg::decode(
        {sn40l_ecc_pkg::check(stored[64*w +: 64]), stored[64*w +: 64]} ^ flips[w]);
    assign fixed[64*w +: 64] = decoded[w][63:0];
    assign ce[w] = decoded[w][64];
    assign ue[w] = decoded[w][65];
  end

  always_comb begin
    resp = sn40l_mem_pkg::RespOkay;
    if (decerr || faultdec)            resp = sn40l_mem_pkg::RespDecErr;
    else if (slverr)                   resp = sn40l_mem_pkg::RespSlvErr;
    else if (!write && ue != '0)       resp = sn40l_mem_pkg::RespSlvErr;
  end

  assign stores = serve && write && resp == sn40l_mem_pkg::RespOkay;

  always_ff @(posedge clk_i) begin
    for (int unsigned b = 0; b < StrbWidth; b++) begin
      if (stores && strb[b]) mem_q[beat][8*b +: 8] <= wdata[8*b +: 8];
    end
  end

  // Answers: a queue of each kind, and how many of its words are old enough.
  localparam int unsigned AnswerDepth = (Latency * Num) / Den + 64;
  localparam int unsigned CountWidth  = $clog2(AnswerDepth + 1);
  logic [1:0]           room, waiting;
  logic                 unused_room, unused_waiting;
  logic [DataWidth-1:0] rdata;

  assign rdata = (resp == sn40l_mem_pkg::RespDecErr || slverr) ? '0 : fixed;

  stream_fifo #(
    .Width(DataWidth),
    .Depth(AnswerDepth)
  ) i_data (
    .clk_i,
    .rst_ni,
    .valid_i(pops[0]),
    .ready_o(unused_room),
    .data_i (rdata),
    .valid_o(unused_waiting),
    .ready_i(rsp_valid_o[0] && rsp_ready_i[0]),
    .data_o (rsp_data_o)
  );

  for (genvar s = 0; s < 2; s++) begin : gen_answers
    logic [CountWidth-1:0] aged_q;
    logic                  aged, pop;

    stream_fifo #(
      .Width(2 + TagWidth),
      .Depth(AnswerDepth)
    ) i_answers (
      .clk_i,
      .rst_ni,
      .valid_i(pops[s]),
      .ready_o(room[s]),
      .data_i ({resp, tag}),
      .valid_o(waiting[s]),
      .ready_i(pop),
      .data_o ({rsp_resp_o[s], rsp_tag_o[s]})
    );

    delay_line #(
      .Width(1),
      .Depth(Latency)
    ) i_age (
      .clk_i,
      .rst_ni,
      .data_i(pops[s]),
      .data_o(aged)
    );

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) aged_q <= '0;
      else         aged_q <= aged_q + CountWidth'(aged) - CountWidth'(pop);
    end

    assign rsp_valid_o[s] = aged_q != '0;
    assign pop            = rsp_valid_o[s] && rsp_ready_i[s];
  end

  assign serve = head_valid && paid && room[write] && row_ready && !refreshing;

  assign read_o  = serve && !write;
  assign write_o = serve && write;
  assign busy_o  = head_valid || waiting != '0;
  assign stall_o = head_valid && !serve;
  assign ce_o    = read_o && resp == sn40l_mem_pkg::RespOkay && ce != '0;
  assign ue_o    = read_o && ue != '0 && !decerr;
  assign beat_o  = beat;

  if (Num < 1 || Den < Num || Latency < 1 || Faults < 1 || Beats < 1) begin : gen_bad_rate
    $error("sn40l_mem_chan: Num, Latency, Faults and Beats must be at least 1, Den at least Num");
  end
  if (RowBeats < 1 || Banks < 1) begin : gen_bad_rows
    $error("sn40l_mem_chan: RowBeats and Banks must be at least 1");
  end

endmodule
