// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// One page of an access: opened, given what waits for it, rid of the access's key, and sealed again.
//
// open_i begins: with en_i the page's beats are fetched and opened under its counter, and opened_o rises when
// its plaintext is here, which is after its tag was found right. merge_i, then, takes the waiting entries with
// their values, and the key; merged_o is a pulse, with the key's value. By itself the new page is sealed under
// the next counter and put into the beats to be written; sealed_o rises, and falls with the next open_i.
// Without en_i (the bin is in HBM) nothing of all this is done, and each step is over at once.
// The time of each step is constant. bad_o is a FAULT: the page is not what was last written there.

module bolt_lane #(
  parameter  int unsigned ValueBytes = 16,
  parameter  int unsigned AesUnits   = 5,
  parameter  int unsigned Digit      = 64,
  localparam int unsigned ValueBits  = 8 * ValueBytes,
  localparam int unsigned PageBytes  = bolt_pkg::page_bytes(ValueBytes),
  localparam int unsigned Beats      = PageBytes / 64,
  localparam int unsigned BeatWidth  = (Beats > 1) ? $clog2(Beats) : 1
) (
  input  logic                                   clk_i,
  input  logic                                   rst_ni,
  input  logic                                   clear_i,
  input  logic                                   load_i,  // the pages' key
  input  logic [127:0]                           page_key_i,
  // Open
  input  logic                                   open_i,
  input  logic                                   en_i,
  input  logic [bolt_pkg::BinWidth-1:0]          bin_i,
  input  logic [bolt_pkg::CounterWidth-1:0]      counter_i,
  output logic                                   opened_o,
  output logic                                   bad_o,
  // Merge
  input  logic                                   merge_i,
  input  bolt_pkg::pending_t [bolt_pkg::Slots-1:0] pending_i,
  input  logic [bolt_pkg::Slots-1:0][ValueBits-1:0] values_i,
  input  logic [bolt_pkg::KeyWidth-1:0]          key_i,
  input  logic                                   key_en_i,
  output logic                                   merged_o,
  output logic                                   hit_o,
  output logic [ValueBits-1:0]                   value_o,
  output logic                                   over_o,
  output logic                                   sealed_o,
  // Beats as read, a cycle later, and to be written
  output logic                                   re_o,
  output logic [BeatWidth-1:0]                   raddr_o,
  input  logic [bolt_pkg::AxiDataWidth-1:0]      rdata_i,
  output logic                                   we_o,
  output logic [BeatWidth-1:0]                   waddr_o,
  output logic [bolt_pkg::AxiDataWidth-1:0]      wdata_o
);

  localparam int unsigned BlockWidth = bolt_pkg::BeatWidth;
  localparam int unsigned Blocks     = PageBytes / 16 - 1;  // of plaintext; one more of tag
  localparam int unsigned Count      = $clog2(Blocks + 1);
  localparam int unsigned PlainBits  = BlockWidth * Blocks;
  localparam int unsigned PerBeat    = bolt_pkg::AxiDataWidth / BlockWidth;

  typedef enum logic [2:0] {
    Idle,
    Header,  // of the record to be opened
    Open,
    Opened,
    Merge,
    Renew,   // header of the record to be sealed
    Seal
  } phase_e;

  phase_e                           phase_q;
  logic                             en_q, fed_q;
  logic [bolt_pkg::BinWidth-1:0]    bin_q;
  logic [bolt_pkg::CounterWidth-1:0] counter_q;
  logic [PlainBits-1:0]             page_q, merged_page;
  logic [Count-1:0]                 in_at_q, out_at_q;
  logic [bolt_pkg::AxiDataWidth-BlockWidth-1:0] beat_q;

  logic                  hdr_valid, hdr_ready, in_valid, in_ready, in_take, in_last, out_valid, out_last;
  logic                  tag_ok, tag_bad, ok_q;
  logic [BlockWidth-1:0] in_block, out_block;
  logic                  opening, sealing, merges, merged;
  logic [95:0]           nonce, nonce_bytes;

  assign opening   = phase_q == Open;
  assign sealing   = phase_q == Seal;
  assign hdr_valid = phase_q == Header || phase_q == Renew;

  // Big endian bin and counter, first byte lowest.
  assign nonce = {32'(bin_q), counter_q};
  always_comb begin
    for (int unsigned at = 0; at < 12; at++) nonce_bytes[8*at +: 8] = nonce[8*(11-at) +: 8];
  end

  // Blocks in: quarters of the beats fetched, or of the new page, which moves along.
  localparam int unsigned Quarter = $clog2(PerBeat);
  logic [Count-1:0] next_at;

  assign in_valid = (opening || sealing) && !fed_q;
  assign in_take  = in_valid && in_ready;
  assign in_last  = in_at_q == (opening ? Count'(Blocks) : Count'(Blocks - 1));
  assign in_block = opening ? rdata_i[BlockWidth*in_at_q[Quarter-1:0] +: BlockWidth] : page_q[BlockWidth-1:0];
  assign next_at  = in_at_q + Count'(1);
  assign re_o     = phase_q == Header || (opening && in_take && next_at[Quarter-1:0] == '0);
  assign raddr_o  = (phase_q == Header) ? '0 : BeatWidth'(next_at >> Quarter);

  bolt_aead #(
    .Blocks  (Blocks),
    .AesUnits(AesUnits),
    .Digit   (Digit)
  ) i_aead (
    .clk_i,
    .rst_ni,
    .clear_i,
    .load_i,
    .key_i      (page_key_i),
    .hdr_valid_i(hdr_valid),
    .hdr_ready_o(hdr_ready),
    .encrypt_i  (phase_q == Renew),
    .nonce_i    (nonce_bytes),
    .in_valid_i (in_valid),
    .in_ready_o (in_ready),
    .in_data_i  (in_block),
    .out_valid_o(out_valid),
    .out_ready_i(1'b1),
    .out_data_o (out_block),
    .out_last_o (out_last),
    .tag_ok_o   (tag_ok),
    .tag_bad_o  (tag_bad)
  );

  assign merges = merge_i && en_q;

  bolt_merge #(
    .ValueBytes(ValueBytes)
  ) i_merge (
    .clk_i,
    .rst_ni,
    .clear_i,
    .start_i(merges),
    .page_i (page_q),
    .pending_i,
    .values_i,
    .key_i,
    .key_en_i,
    .done_o (merged),
    .page_o (merged_page),
    .hit_o,
    .value_o,
    .over_o
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      phase_q <= Idle;
    end else if (clear_i) begin
      phase_q <= Idle;
    end else begin
      case (phase_q)
        Idle:    if (open_i) phase_q <= en_i ? Header : Opened;
        Header:  if (hdr_ready) phase_q <= Open;
        Open:    if (out_valid && out_last && ok_q) phase_q <= Opened;
        Opened:  if (merge_i) phase_q <= en_q ? Merge : Idle;
        Merge:   if (merged) phase_q <= Renew;
        Renew:   if (hdr_ready) phase_q <= Seal;
        default: if (out_valid && out_last) phase_q <= Idle;
      endcase
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      en_q      <= 1'b0;
      fed_q     <= 1'b0;
      ok_q      <= 1'b0;
      bin_q     <= '0;
      counter_q <= '0;
      page_q    <= '0;
      in_at_q   <= '0;
      out_at_q  <= '0;
      beat_q    <= '0;
    end else if (clear_i) begin
      page_q <= '0;
      beat_q <= '0;
      fed_q  <= 1'b0;
      ok_q   <= 1'b0;
    end else begin
      if (phase_q == Idle && open_i) begin
        en_q      <= en_i;
        bin_q     <= bin_i;
        counter_q <= counter_i;
      end
      if (tag_ok) ok_q <= 1'b1;
      if (hdr_valid && hdr_ready) begin
        ok_q     <= 1'b0;
        fed_q    <= 1'b0;
        in_at_q  <= '0;
        out_at_q <= '0;
      end
      if (in_take) begin
        fed_q   <= in_last;
        in_at_q <= next_at;
      end
      if (opening && out_valid) page_q <= {out_block, page_q[PlainBits-1:BlockWidth]};
      if (phase_q == Merge && merged) begin
        page_q    <= merged_page;
        counter_q <= counter_q + bolt_pkg::CounterWidth'(1);
      end
      if (sealing && in_take) page_q <= {BlockWidth'(0), page_q[PlainBits-1:BlockWidth]};
      if (sealing && out_valid) begin
        out_at_q <= out_at_q + Count'(1);
        beat_q   <= {out_block, beat_q[bolt_pkg::AxiDataWidth-BlockWidth-1:BlockWidth]};
      end
    end
  end

  assign we_o    = sealing && out_valid && out_at_q[Quarter-1:0] == '1;
  assign waddr_o = BeatWidth'(out_at_q >> Quarter);
  assign wdata_o = {out_block, beat_q};

  assign opened_o = phase_q == Opened;
  assign merged_o = en_q ? merged : merge_i;
  assign sealed_o = phase_q == Idle;
  assign bad_o    = tag_bad;

endmodule
