// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The memory of the SN40L in miniature: AXI4 ports in front of HBM channels and one DDR channel.
//
// Together the HBM channels give HbmChannels * 32 B * HbmNum / HbmDen a cycle, reads and writes together,
// DDR 32 B * DdrNum / DdrDen: 72 and 8 by default, the 9 to 1 of SN40L, MICRO 2024, table II. A port gives
// 32 B a cycle each way. See sn40l_mem_port for what bursts may be, sn40l_mem_chan for what a channel
// models.
//
// Faults go into the map of the channel where their address is. Counters: perf_select_i = 6 * channel + {0
// beats read, 1 beats written, 2 cycles busy, 3 cycles in which a beat waits, 4 words corrected, 5 words
// lost}. Of the words corrected and lost the last address is kept: ecc_address_o[0] and [1].

module sn40l_memory #(
  parameter  int unsigned Ports           = 12,
  parameter  int unsigned HbmChannels     = 4,
  parameter  int unsigned HbmBeats        = 131072,   // of a channel: 16 MiB in all
  parameter  int unsigned HbmNum          = 9,
  parameter  int unsigned HbmDen          = 16,
  parameter  int unsigned HbmLatency      = 64,
  parameter  int unsigned DdrBeats        = 2097152,  // 64 MiB
  parameter  int unsigned DdrNum          = 1,
  parameter  int unsigned DdrDen          = 4,
  parameter  int unsigned DdrLatency      = 96,
  parameter  int unsigned Interleave      = 512,
  parameter  int unsigned QueueDepth      = 32,
  parameter  int unsigned ReadDepth       = 256,
  parameter  int unsigned RowBeats        = 32,
  parameter  int unsigned Banks           = 4,
  parameter  int unsigned RowMiss         = 0,
  parameter  int unsigned RefreshInterval = 0,
  parameter  int unsigned RefreshCycles   = 0,
  parameter  int unsigned Faults          = 4,
  localparam int unsigned Channels        = HbmChannels + 1,
  localparam int unsigned SelectWidth     = $clog2(6 * Channels)
) (
  input  logic                                                clk_i,
  input  logic                                                rst_ni,
  // AXI4
  input  logic [Ports-1:0]                                    ar_valid_i,
  output logic [Ports-1:0]                                    ar_ready_o,
  input  logic [Ports-1:0][sn40l_mem_pkg::IdWidth-1:0]        ar_id_i,
  input  logic [Ports-1:0][sn40l_mem_pkg::AddrWidth-1:0]      ar_addr_i,
  input  logic [Ports-1:0][7:0]                               ar_len_i,
  output logic [Ports-1:0]                                    r_valid_o,
  input  logic [Ports-1:0]                                    r_ready_i,
  output logic [Ports-1:0][sn40l_mem_pkg::IdWidth-1:0]        r_id_o,
  output logic [Ports-1:0][sn40l_mem_pkg::DataWidth-1:0]      r_data_o,
  output logic [Ports-1:0][1:0]                               r_resp_o,
  output logic [Ports-1:0]                                    r_last_o,
  input  logic [Ports-1:0]                                    aw_valid_i,
  output logic [Ports-1:0]                                    aw_ready_o,
  input  logic [Ports-1:0][sn40l_mem_pkg::IdWidth-1:0]        aw_id_i,
  input  logic [Ports-1:0][sn40l_mem_pkg::AddrWidth-1:0]      aw_addr_i,
  input  logic [Ports-1:0][7:0]                               aw_len_i,
  input  logic [Ports-1:0]                                    w_valid_i,
  output logic [Ports-1:0]                                    w_ready_o,
  input  logic [Ports-1:0][sn40l_mem_pkg::DataWidth-1:0]      w_data_i,
  input  logic [Ports-1:0][sn40l_mem_pkg::StrbWidth-1:0]      w_strb_i,
  output logic [Ports-1:0]                                    b_valid_o,
  input  logic [Ports-1:0]                                    b_ready_i,
  output logic [Ports-1:0][sn40l_mem_pkg::IdWidth-1:0]        b_id_o,
  output logic [Ports-1:0][1:0]                               b_resp_o,
  // Faults: a sn40l_mem_pkg::fault_t to take up; all forgotten
  input  logic                                                fault_valid_i,
  input  logic                                                fault_clear_i,
  input  logic [sn40l_mem_pkg::FaultBits-1:0]            fault_i,
  // What happened
  input  logic                                                perf_clear_i,
  input  logic [SelectWidth-1:0]                              perf_select_i,
  output logic [31:0]                                         perf_o,
  output logic [1:0]                                          ecc_seen_o,
  output logic [1:0][sn40l_mem_pkg::AddrWidth-1:0]            ecc_address_o
);

  localparam int unsigned IdWidth      = sn40l_mem_pkg::IdWidth;
  localparam int unsigned AddrWidth    = sn40l_mem_pkg::AddrWidth;
  localparam int unsigned DataWidth    = sn40l_mem_pkg::DataWidth;
  localparam int unsigned StrbWidth    = sn40l_mem_pkg::StrbWidth;
  localparam int unsigned ChannelWidth = $clog2(Channels);
  localparam int unsigned BeatWidth    = $clog2((HbmBeats > DdrBeats) ? HbmBeats : DdrBeats);
  localparam int unsigned Sources      = 2 * Ports;
  localparam int unsigned PortWidth    = (Ports > 1) ? $clog2(Ports) : 1;
  localparam int unsigned SourceWidth  = $clog2(Sources);
  localparam int unsigned TagWidth     = PortWidth + IdWidth + 1;
  localparam int unsigned ChanWidth    = (Channels > 1) ? $clog2(Channels) : 1;

  // Beats from the ports: source 2 * port for reads, one more for writes.
  logic [Sources-1:0]                   src_valid, src_ready, src_decerr, src_last;
  logic [Sources-1:0][ChannelWidth-1:0] src_channel;
  logic [Sources-1:0][BeatWidth-1:0]    src_beat;
  logic [Sources-1:0][IdWidth-1:0]      src_id;
  logic [Ports-1:0][DataWidth-1:0]      src_data;
  logic [Ports-1:0][StrbWidth-1:0]      src_strb;

  // Answers of the channels.
  logic [Channels-1:0][1:0]             rsp_valid, rsp_ready;
  logic [Channels-1:0][DataWidth-1:0]   rsp_data;
  logic [Channels-1:0][1:0][1:0]          rsp_resp;
  logic [Channels-1:0][1:0][TagWidth-1:0] rsp_tag;
  logic [Channels-1:0][1:0][Ports-1:0]    rsp_given;
  logic [Channels-1:0][Sources-1:0]     src_given;

  // Answers for the ports: 0 to reads, 1 to writes.
  logic [Ports-1:0][1:0]              ans_valid, ans_last;
  logic [Ports-1:0][1:0][IdWidth-1:0] ans_id;
  logic [Ports-1:0][1:0][1:0]         ans_resp;
  logic [Ports-1:0][DataWidth-1:0]    ans_data;

  for (genvar p = 0; p < Ports; p++) begin : gen_port
    for (genvar s = 0; s < 2; s++) begin : gen_answers
      logic [Channels-1:0]  wanted;
      logic                 got;
      logic [ChanWidth-1:0] from;

      for (genvar c = 0; c < Channels; c++) begin : gen_wanted
        assign wanted[c] = rsp_valid[c][s] && rsp_tag[c][s][TagWidth-1 -: PortWidth] == PortWidth'(p);
        assign rsp_given[c][s][p] = got && from == ChanWidth'(c);
      end

      sn40l_burst_arbiter #(
        .Requesters(Channels)
      ) i_turn (
        .clk_i,
        .rst_ni,
        .request_i(wanted),
        .last_i   ('1),
        .taken_i  (got),
        .valid_o  (got),
        .index_o  (from)
      );

      assign ans_valid[p][s] = got;
      assign ans_last[p][s]  = rsp_tag[from][s][0];
      assign ans_id[p][s]    = rsp_tag[from][s][IdWidth:1];
      assign ans_resp[p][s]  = rsp_resp[from][s];
      if (s == 0) begin : gen_data
        assign ans_data[p] = rsp_data[from];
      end
    end

    sn40l_mem_port #(
      .HbmChannels(HbmChannels),
      .HbmBeats   (HbmBeats),
      .DdrBeats   (DdrBeats),
      .Interleave (Interleave),
      .ReadDepth  (ReadDepth)
    ) i_port (
      .clk_i,
      .rst_ni,
      .ar_valid_i(ar_valid_i[p]),
      .ar_ready_o(ar_ready_o[p]),
      .ar_id_i   (ar_id_i[p]),
      .ar_addr_i (ar_addr_i[p]),
      .ar_len_i  (ar_len_i[p]),
      .r_valid_o (r_valid_o[p]),
      .r_ready_i (r_ready_i[p]),
      .r_id_o    (r_id_o[p]),
      .r_data_o  (r_data_o[p]),
      .r_resp_o  (r_resp_o[p]),
      .r_last_o  (r_last_o[p]),
      .aw_valid_i(aw_valid_i[p]),
      .aw_ready_o(aw_ready_o[p]),
      .aw_id_i   (aw_id_i[p]),
      .aw_addr_i (aw_addr_i[p]),
      .aw_len_i  (aw_len_i[p]),
      .w_valid_i (w_valid_i[p]),
      .w_ready_o (w_ready_o[p]),
      .w_data_i  (w_data_i[p]),
      .w_strb_i  (w_strb_i[p]),
      .b_valid_o (b_valid_o[p]),
      .b_ready_i (b_ready_i[p]),
      .b_id_o    (b_id_o[p]),
      .b_resp_o  (b_resp_o[p]),
      .req_valid_o  (src_valid[2*p +: 2]),
      .req_ready_i  (src_ready[2*p +: 2]),
      .req_channel_o(src_channel[2*p +: 2]),
      .req_beat_o   (src_beat[2*p +: 2]),
      .req_decerr_o (src_decerr[2*p +: 2]),
      .req_last_o   (src_last[2*p +: 2]),
      .req_id_o     (src_id[2*p +: 2]),
      .req_data_o   (src_data[p]),
      .req_strb_o   (src_strb[p]),
      .rsp_valid_i  (ans_valid[p]),
      .rsp_last_i   (ans_last[p]),
      .rsp_id_i     (ans_id[p]),
      .rsp_resp_i   (ans_resp[p]),
      .rsp_data_i   (ans_data[p])
    );
  end

  // Faults go where their address is.
  sn40l_mem_pkg::fault_t   fault;
  logic [ChannelWidth-1:0] fault_channel;
  logic [BeatWidth-1:0]    fault_beat;
  logic                    fault_nowhere;

  assign fault = fault_i;

  sn40l_mem_map #(
    .HbmChannels(HbmChannels),
    .HbmBeats   (HbmBeats),
    .DdrBeats   (DdrBeats),
    .Interleave (Interleave)
  ) i_fault_map (
    .addr_i   (fault.address),
    .channel_o(fault_channel),
    .beat_o   (fault_beat),
    .decerr_o (fault_nowhere)
  );

  // Channels, and the beats chosen for them: 0 reads, 1 writes.
  logic [Channels-1:0][1:0]                req_valid, req_ready, req_decerr;
  logic [Channels-1:0][1:0][BeatWidth-1:0] req_beat;
  logic [Channels-1:0][1:0][TagWidth-1:0]  req_tag;
  logic [Channels-1:0][DataWidth-1:0]      req_data;
  logic [Channels-1:0][StrbWidth-1:0]      req_strb;
  logic [Channels-1:0][5:0]           happens;
  logic [Channels-1:0][BeatWidth-1:0] beat;
  logic [Channels-1:0][AddrWidth-1:0] address;

  for (genvar c = 0; c < Channels; c++) begin : gen_channel
    localparam bit          Ddr   = c == HbmChannels;
    localparam int unsigned Beats = Ddr ? DdrBeats : HbmBeats;
    localparam int unsigned Width = (Beats > 1) ? $clog2(Beats) : 1;
    logic [Width-1:0] at;

    for (genvar s = 0; s < 2; s++) begin : gen_side
      logic [Ports-1:0]       request, last;
      logic                   valid;
      logic [PortWidth-1:0]   chosen;
      logic [SourceWidth-1:0] source;

      for (genvar p = 0; p < Ports; p++) begin : gen_request
        assign request[p]          = src_valid[2*p+s] && src_channel[2*p+s] == ChannelWidth'(c);
        assign last[p]             = src_last[2*p+s];
        assign src_given[c][2*p+s] = request[p] && req_ready[c][s] && chosen == PortWidth'(p);
      end

      sn40l_burst_arbiter #(
        .Requesters(Ports)
      ) i_arbiter (
        .clk_i,
        .rst_ni,
        .request_i(request),
        .last_i   (last),
        .taken_i  (valid && req_ready[c][s]),
        .valid_o  (valid),
        .index_o  (chosen)
      );

      assign source           = SourceWidth'({chosen, 1'(s)});
      assign req_valid[c][s]  = valid;
      assign req_decerr[c][s] = src_decerr[source];
      assign req_beat[c][s]   = src_beat[source];
      assign req_tag[c][s]    = {chosen, src_id[source], src_last[source]};
      if (s == 1) begin : gen_data
        assign req_data[c] = src_data[chosen];
        assign req_strb[c] = src_strb[chosen];
      end
    end

    assign rsp_ready[c] = {rsp_given[c][1] != '0, rsp_given[c][0] != '0};

    sn40l_mem_chan #(
      .Beats          (Beats),
      .Num            (Ddr ? DdrNum : HbmNum),
      .Den            (Ddr ? DdrDen : HbmDen),
      .Latency        (Ddr ? DdrLatency : HbmLatency),
      .QueueDepth     (QueueDepth),
      .RowBeats       (RowBeats),
      .Banks          (Banks),
      .RowMiss        (RowMiss),
      .RefreshInterval(RefreshInterval),
      .RefreshCycles  (RefreshCycles),
      .Faults         (Faults),
      .TagWidth       (TagWidth)
    ) i_chan (
      .clk_i,
      .rst_ni,
      .req_valid_i     (req_valid[c]),
      .req_ready_o     (req_ready[c]),
      .req_decerr_i    (req_decerr[c]),
      .req_beat_i      ({Width'(req_beat[c][1]), Width'(req_beat[c][0])}),
      .req_data_i      (req_data[c]),
      .req_strb_i      (req_strb[c]),
      .req_tag_i       (req_tag[c]),
      .rsp_valid_o     (rsp_valid[c]),
      .rsp_ready_i     (rsp_ready[c]),
      .rsp_data_o      (rsp_data[c]),
      .rsp_resp_o      (rsp_resp[c]),
      .rsp_tag_o       (rsp_tag[c]),
      .fault_valid_i   (fault_valid_i && !fault_nowhere && fault_channel == ChannelWidth'(c)),
      .fault_clear_i,
      .fault_beat_i    (Width'(fault_beat)),
      .fault_kind_i    (fault.kind),
      .fault_on_read_i (fault.on_read),
      .fault_on_write_i(fault.on_write),
      .fault_once_i    (fault.once),
      .fault_word_i    (fault.word),
      .fault_mask_i    (fault.mask),
      .read_o (happens[c][0]),
      .write_o(happens[c][1]),
      .busy_o (happens[c][2]),
      .stall_o(happens[c][3]),
      .ce_o   (happens[c][4]),
      .ue_o   (happens[c][5]),
      .beat_o (at)
    );

    // Back to the byte address.
    assign beat[c] = BeatWidth'(at);
    if (Ddr) begin : gen_ddr_address
      assign address[c] = {2'b01, (AddrWidth - 2)'({beat[c], 5'd0})};
    end else begin : gen_hbm_address
      localparam int unsigned PieceBeats = Interleave / 32;
      logic [AddrWidth-1:0] piece;
      assign piece      = AddrWidth'(beat[c] / BeatWidth'(PieceBeats)) * AddrWidth'(HbmChannels) + AddrWidth'(c);
      assign address[c] = piece * AddrWidth'(Interleave) + AddrWidth'({beat[c], 5'd0}) % AddrWidth'(Interleave);
    end
  end

  always_comb begin
    src_ready = '0;
    for (int unsigned c = 0; c < Channels; c++) src_ready = src_ready | src_given[c];
  end

  // Counters and the last words corrected and lost.
  sn40l_perf #(
    .Events(6 * Channels)
  ) i_perf (
    .clk_i,
    .rst_ni,
    .clear_i (perf_clear_i),
    .event_i (happens),
    .select_i(perf_select_i),
    .count_o (perf_o)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      ecc_seen_o    <= '0;
      ecc_address_o <= '0;
    end else begin
      if (perf_clear_i) ecc_seen_o <= '0;
      for (int unsigned c = 0; c < Channels; c++) begin
        for (int unsigned k = 0; k < 2; k++) begin
          if (happens[c][4 + k]) begin
            ecc_seen_o[k]    <= 1'b1;
            ecc_address_o[k] <= address[c];
          end
        end
      end
    end
  end

  if (Ports < 1) begin : gen_bad_ports
    $error("sn40l_memory: Ports must be at least 1");
  end

endmodule
