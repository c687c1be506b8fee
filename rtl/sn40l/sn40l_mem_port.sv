// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// An AXI4 port of the memory: cuts bursts into beats for the channels, and makes answers of theirs.
//
// HBM is interleaved over its channels by pieces of Interleave bytes; DDR (address bit 38) is one channel.
// A beat beyond the capacity of its tier, or above both, is answered with DECERR. INCR bursts of whole
// beats, of any length and within a tier; those within one piece run at full rate. Answers to equal
// identifiers come in order: a beat waits while earlier beats of its identifier are at another channel.
// Those of different identifiers may interleave. A read beat is asked for when the answer queue has room,
// so channels never wait for r_ready_i; a write burst is begun when the queue of B has room.

module sn40l_mem_port #(
  parameter  int unsigned HbmChannels  = 4,        // a power of two
  parameter  int unsigned HbmBeats     = 131072,   // of a channel
  parameter  int unsigned DdrBeats     = 2097152,
  parameter  int unsigned Interleave   = 512,      // bytes, a power of two, at least 32
  parameter  int unsigned ReadDepth    = 128,      // beats asked for or queued
  parameter  int unsigned WriteDepth   = 16,       // bursts begun or queued
  localparam int unsigned ChannelWidth = $clog2(HbmChannels + 1),
  localparam int unsigned BeatWidth    = $clog2((HbmBeats > DdrBeats) ? HbmBeats : DdrBeats)
) (
  input  logic                                     clk_i,
  input  logic                                     rst_ni,
  // AXI4
  input  logic                                     ar_valid_i,
  output logic                                     ar_ready_o,
  input  logic [sn40l_mem_pkg::IdWidth-1:0]        ar_id_i,
  input  logic [sn40l_mem_pkg::AddrWidth-1:0]      ar_addr_i,
  input  logic [7:0]                               ar_len_i,
  output logic                                     r_valid_o,
  input  logic                                     r_ready_i,
  output logic [sn40l_mem_pkg::IdWidth-1:0]        r_id_o,
  output logic [sn40l_mem_pkg::DataWidth-1:0]      r_data_o,
  output logic [1:0]                               r_resp_o,
  output logic                                     r_last_o,
  input  logic                                     aw_valid_i,
  output logic                                     aw_ready_o,
  input  logic [sn40l_mem_pkg::IdWidth-1:0]        aw_id_i,
  input  logic [sn40l_mem_pkg::AddrWidth-1:0]      aw_addr_i,
  input  logic [7:0]                               aw_len_i,
  input  logic                                     w_valid_i,
  output logic                                     w_ready_o,
  input  logic [sn40l_mem_pkg::DataWidth-1:0]      w_data_i,
  input  logic [sn40l_mem_pkg::StrbWidth-1:0]      w_strb_i,
  output logic                                     b_valid_o,
  input  logic                                     b_ready_i,
  output logic [sn40l_mem_pkg::IdWidth-1:0]        b_id_o,
  output logic [1:0]                               b_resp_o,
  // Beats to the channels: 0 reads, 1 writes
  output logic [1:0]                               req_valid_o,
  input  logic [1:0]                               req_ready_i,
  output logic [1:0][ChannelWidth-1:0]             req_channel_o,
  output logic [1:0][BeatWidth-1:0]                req_beat_o,
  output logic [1:0]                               req_decerr_o,
  output logic [1:0]                               req_last_o,
  output logic [1:0][sn40l_mem_pkg::IdWidth-1:0]   req_id_o,
  output logic [sn40l_mem_pkg::DataWidth-1:0]      req_data_o,
  output logic [sn40l_mem_pkg::StrbWidth-1:0]      req_strb_o,
  // Answers, to each in a cycle one
  input  logic [1:0]                               rsp_valid_i,
  input  logic [1:0]                               rsp_last_i,
  input  logic [1:0][sn40l_mem_pkg::IdWidth-1:0]   rsp_id_i,
  input  logic [1:0][1:0]                          rsp_resp_i,
  input  logic [sn40l_mem_pkg::DataWidth-1:0]      rsp_data_i
);

  localparam int unsigned IdWidth    = sn40l_mem_pkg::IdWidth;
  localparam int unsigned AddrWidth  = sn40l_mem_pkg::AddrWidth;
  localparam int unsigned Ids        = 2 ** IdWidth;
  localparam int unsigned BurstWidth = IdWidth + AddrWidth + 8;
  localparam int unsigned Queued     = 4;  // bursts, and beats of W
  localparam int unsigned OpenWidth  = 10;

  // Bursts waiting, and the one under way: 0 of reads, 1 of writes.
  logic [1:0]                  take, begun, next_valid, active_q, fire, enough, fits;
  logic [1:0][BurstWidth-1:0]  asked, next;
  logic [1:0][IdWidth-1:0]     id_q, next_id;
  logic [1:0][AddrWidth-1:0]   addr_q, next_addr;
  logic [1:0][7:0]             left_q, next_len;  // beats after this one

  assign asked[0] = {ar_id_i, ar_addr_i, ar_len_i};
  assign asked[1] = {aw_id_i, aw_addr_i, aw_len_i};

  logic [1:0] asked_valid, asked_ready;
  assign asked_valid = {aw_valid_i, ar_valid_i};
  assign {aw_ready_o, ar_ready_o} = asked_ready;

  // Of every identifier: beats at a channel, and which.
  logic [1:0][Ids-1:0][OpenWidth-1:0]    open_q;
  logic [1:0][Ids-1:0][ChannelWidth-1:0] at_q;

  for (genvar s = 0; s < 2; s++) begin : gen_side
    stream_fifo #(
      .Width(BurstWidth),
      .Depth(Queued)
    ) i_bursts (
      .clk_i,
      .rst_ni,
      .valid_i(asked_valid[s]),
      .ready_o(asked_ready[s]),
      .data_i (asked[s]),
      .valid_o(next_valid[s]),
      .ready_i(take[s]),
      .data_o (next[s])
    );

    assign {next_id[s], next_addr[s], next_len[s]} = next[s];

    assign req_last_o[s] = left_q[s] == '0;
    assign fire[s]       = req_valid_o[s] && req_ready_i[s];
    assign take[s]       = (!active_q[s] || (fire[s] && req_last_o[s])) && enough[s];
    assign begun[s]      = take[s] && next_valid[s];

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        active_q[s] <= 1'b0;
        id_q[s]     <= '0;
        addr_q[s]   <= '0;
        left_q[s]   <= '0;
      end else if (begun[s]) begin
        active_q[s] <= 1'b1;
        id_q[s]     <= next_id[s];
        addr_q[s]   <= {next_addr[s][AddrWidth-1:5], 5'd0};
        left_q[s]   <= next_len[s];
      end else if (fire[s]) begin
        active_q[s] <= !req_last_o[s];
        addr_q[s]   <= addr_q[s] + AddrWidth'(32);
        left_q[s]   <= left_q[s] - 8'd1;
      end
    end

    // Where the beat is.
    sn40l_mem_map #(
      .HbmChannels(HbmChannels),
      .HbmBeats   (HbmBeats),
      .DdrBeats   (DdrBeats),
      .Interleave (Interleave)
    ) i_map (
      .addr_i   (addr_q[s]),
      .channel_o(req_channel_o[s]),
      .beat_o   (req_beat_o[s]),
      .decerr_o (req_decerr_o[s])
    );

    assign req_id_o[s]    = id_q[s];
    assign req_valid_o[s] = active_q[s] && fits[s] &&
                            (open_q[s][id_q[s]] == '0 || at_q[s][id_q[s]] == req_channel_o[s]);

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        open_q[s] <= '0;
        at_q[s]   <= '0;
      end else begin
        for (int unsigned i = 0; i < Ids; i++) begin
          if (fire[s] && id_q[s] == IdWidth'(i)) at_q[s][i] <= req_channel_o[s];
          open_q[s][i] <= open_q[s][i] + OpenWidth'(fire[s] && id_q[s] == IdWidth'(i)) -
                          OpenWidth'(rsp_valid_i[s] && rsp_id_i[s] == IdWidth'(i));
        end
      end
    end
  end

  // Reads: a beat has its place in the answer queue.
  localparam int unsigned RoomWidth = $clog2(ReadDepth + 1);
  logic [RoomWidth-1:0] room_q;
  logic                 r_pop, r_ready;

  assign r_pop     = r_valid_o && r_ready_i;
  assign enough[0] = 1'b1;
  assign fits[0]   = room_q != '0;

  stream_fifo #(
    .Width(IdWidth + sn40l_mem_pkg::DataWidth + 2 + 1),
    .Depth(ReadDepth)
  ) i_answers (
    .clk_i,
    .rst_ni,
    .valid_i(rsp_valid_i[0]),
    .ready_o(r_ready),
    .data_i ({rsp_id_i[0], rsp_data_i, rsp_resp_i[0], rsp_last_i[0]}),
    .valid_o(r_valid_o),
    .ready_i(r_ready_i),
    .data_o ({r_id_o, r_data_o, r_resp_o, r_last_o})
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) room_q <= RoomWidth'(ReadDepth);
    else         room_q <= room_q - RoomWidth'(fire[0]) + RoomWidth'(r_pop);
  end

  // Writes: a beat has its data, a burst its place in the queue of B.
  localparam int unsigned BurstsWidth = $clog2(WriteDepth + 1);
  logic [BurstsWidth-1:0] bursts_q;
  logic [Ids-1:0][1:0]    resp_q;  // of the burst's beats so far
  logic [1:0]             resp;
  logic                   w_valid, b_pop, b_ready;

  stream_fifo #(
    .Width(sn40l_mem_pkg::DataWidth + sn40l_mem_pkg::StrbWidth),
    .Depth(Queued)
  ) i_data (
    .clk_i,
    .rst_ni,
    .valid_i(w_valid_i),
    .ready_o(w_ready_o),
    .data_i ({w_data_i, w_strb_i}),
    .valid_o(w_valid),
    .ready_i(fire[1]),
    .data_o ({req_data_o, req_strb_o})
  );

  assign fits[1]   = w_valid;
  assign enough[1] = bursts_q != BurstsWidth'(WriteDepth);
  assign resp      = resp_q[rsp_id_i[1]] | rsp_resp_i[1];
  assign b_pop     = b_valid_o && b_ready_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      bursts_q <= '0;
      resp_q   <= '0;
    end else begin
      bursts_q <= bursts_q + BurstsWidth'(begun[1]) - BurstsWidth'(b_pop);
      if (rsp_valid_i[1]) resp_q[rsp_id_i[1]] <= rsp_last_i[1] ? '0 : resp;
    end
  end

  stream_fifo #(
    .Width(IdWidth + 2),
    .Depth(WriteDepth)
  ) i_done (
    .clk_i,
    .rst_ni,
    .valid_i(rsp_valid_i[1] && rsp_last_i[1]),
    .ready_o(b_ready),
    .data_i ({rsp_id_i[1], resp}),
    .valid_o(b_valid_o),
    .ready_i(b_ready_i),
    .data_o ({b_id_o, b_resp_o})
  );

  // Both queues have room for what was asked for. Addresses are of whole beats.
  logic unused;
  assign unused = r_ready ^ b_ready ^ (^next_addr[0][4:0]) ^ (^next_addr[1][4:0]);

  if (ReadDepth < 1 || WriteDepth < 1 || ReadDepth > 512 || WriteDepth > 32) begin : gen_bad_depth
    $error("sn40l_mem_port: ReadDepth must be 1..512, WriteDepth 1..32");
  end

endmodule
