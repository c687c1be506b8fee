// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// AES-128-GCM (NIST SP 800-38D) of records of one size: Blocks blocks of 16 bytes and a tag.
//
// load_i takes a key while nothing is under way; hdr_ready_o rises 23 cycles later. A record begins with
// its header at hdr_valid_i and hdr_ready_o, then its beats come: with encrypt_i, Blocks of plaintext in
// and Blocks + 1 of ciphertext and tag out; else Blocks + 1 in and Blocks out, of which none leaves
// before the tag of the whole record was found right (tag_ok_o, a pulse). A wrong tag gives the pulse
// tag_bad_o and nothing else: the unit forgets everything and does nothing more until reset. clear_i, a
// level, forgets everything too, the buffers in 4 * 2^$clog2(Blocks + 2) cycles.
//
// From a record's last beat in to its first beat out it takes 16 + Blocks * Interval + 2 * Cycles cycles
// at rest, whatever is in it: Interval is that of blocks in the slower of AES and GHASH, Cycles that of
// GHASH. The next record comes in and the last one leaves meanwhile, so that one is done every 2 cycles
// less than that, if its beats come and go as fast. Associated data, where Aad, are the nonce and
// AadWord, 4 bytes big endian. Byte 0 of keys, nonces and beats is the lowest.

module bolt_aead #(
  parameter  int unsigned Blocks   = 31,
  parameter  int unsigned AesUnits = 5,   // of bolt_aes
  parameter  int unsigned Digit    = 64,  // of bolt_ghash
  parameter  bit          Aad      = 1'b1,
  parameter  int unsigned AadWord  = bolt_pkg::Slots,
  localparam int unsigned Cycles   = 128 / Digit,
  localparam int unsigned Interval = (10 / AesUnits > Cycles) ? 10 / AesUnits : Cycles  // of blocks
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,
  input  logic         load_i,
  input  logic [127:0] key_i,
  input  logic         hdr_valid_i,
  output logic         hdr_ready_o,
  input  logic         encrypt_i,
  input  logic [95:0]  nonce_i,
  input  logic         in_valid_i,
  output logic         in_ready_o,
  input  logic [127:0] in_data_i,
  output logic         out_valid_o,
  input  logic         out_ready_i,
  output logic [127:0] out_data_o,  // zero unless out_valid_o
  output logic         out_last_o,
  output logic         tag_ok_o,
  output logic         tag_bad_o
);

  localparam int unsigned  Count   = $clog2(Blocks + 2);
  localparam int unsigned  Wait    = (Interval > 1) ? $clog2(Interval) : 1;
  localparam logic [127:0] Lengths = {Aad ? 64'd128 : 64'd0, 64'(128 * Blocks)};

  typedef enum logic [2:0] {
    NoKey,
    MakeKey,  // of the hash: the cipher of zero
    Idle,
    Blend,    // keystream comes, blocks go through it
    Sum,      // the lengths are to be hashed
    Tag,
    Dead
  } state_e;

  state_e           state_q;
  logic             wipe;
  logic [Count:0]   wipe_q;       // the word of the buffers that is wiped
  logic [1:0]       in_full_q;    // there is a whole record in this half of the buffer before
  logic [1:0]       out_full_q;   // of the one behind
  logic             in_half_q;    // of the record that comes
  logic             half_q;       // that is worked on
  logic             out_half_q;   // that leaves
  logic [1:0]       encrypt_q, out_encrypt_q;
  logic [1:0][95:0] nonce_q;

  logic             keyed;

  assign wipe  = clear_i || state_q == Dead;
  assign keyed = state_q != NoKey && state_q != MakeKey;

  // A record comes.
  logic             filling_q, hdr_take, in_take, in_last;
  logic [Count-1:0] in_at_q;

  assign hdr_ready_o = keyed && !wipe && !filling_q && !in_full_q[in_half_q];
  assign in_ready_o  = filling_q && !wipe;
  assign hdr_take    = hdr_valid_i && hdr_ready_o;
  assign in_take     = in_valid_i && in_ready_o;
  assign in_last     = in_take && in_at_q == (encrypt_q[in_half_q] ? Count'(Blocks - 1) : Count'(Blocks));

  // A record is worked on.
  logic             begins, encrypts, ask, made_q, done, wrong;
  logic             aes_valid, aes_ready, aes_come, hash_valid, hash_start, hash_ready, hash_idle;
  logic [127:0]     nonce, aes_block, aes_out, hash_block, hash, h_q, mask_q, word, blended, tag;
  logic [Count-1:0] asked_q;  // counter blocks asked for
  logic [Count-1:0] come_q;   // and come
  logic [Wait-1:0]  wait_q;   // cycles before the next one

  assign encrypts = encrypt_q[half_q];
  assign nonce    = bolt_aes_pkg::turned({32'd0, nonce_q[half_q]});
  assign begins   = state_q == Idle && in_full_q[half_q] && !out_full_q[half_q];
  assign ask      = state_q == Blend && asked_q != Count'(Blocks + 1) && wait_q == '0;

  assign aes_valid = ask || (state_q == MakeKey && !made_q);
  assign aes_block = (state_q == MakeKey) ? 128'd0 : nonce | 128'(asked_q + Count'(1));

  bolt_aes #(.Units(AesUnits)) i_aes (
    .clk_i, .rst_ni,
    .clear_i(wipe),
    .load_i, .key_i(bolt_aes_pkg::turned(key_i)),
    .valid_i(aes_valid), .ready_o(aes_ready), .block_i(aes_block),
    .valid_o(aes_come), .block_o(aes_out)
  );

  // The first block of the keystream masks the tag.
  assign blended    = word ^ bolt_aes_pkg::turned(aes_out);
  assign hash_valid = (state_q == Blend && aes_come && (Aad || come_q != '0)) || state_q == Sum;
  assign hash_start = state_q == Blend && come_q == (Aad ? Count'(0) : Count'(1));
  assign hash_block = (state_q == Sum) ? Lengths
                    : (come_q == '0)   ? nonce | 128'(AadWord)
                    : bolt_aes_pkg::turned(encrypts ? blended : word);

  bolt_ghash #(.Digit(Digit)) i_ghash (
    .clk_i, .rst_ni,
    .clear_i(wipe),
    .h_i    (h_q),
    .start_i(hash_start),
    .valid_i(hash_valid), .ready_o(hash_ready), .block_i(hash_block),
    .idle_o (hash_idle), .hash_o(hash)
  );

  assign tag   = bolt_aes_pkg::turned(hash ^ mask_q);
  assign done  = state_q == Tag && hash_idle;
  assign wrong = done && !encrypts && tag != word;

  // A record leaves.
  logic             out_read, out_end, out_valid_q, out_last_q;
  logic [Count-1:0] out_at_q;
  logic [127:0]     out_word;

  assign out_read = out_full_q[out_half_q] && (!out_valid_q || out_ready_i);
  assign out_end  = out_read && out_at_q == (out_encrypt_q[out_half_q] ? Count'(Blocks) : Count'(Blocks - 1));

  // Both buffers: a half of 2^Count words a record.
  logic work_read, work_write;

  assign work_read  = begins || (state_q == Blend && aes_come && come_q != '0);
  assign work_write = (state_q == Blend && aes_come && come_q != '0) || (done && encrypts);

  sram_1r1w #(.Width(128), .Depth(2 << Count)) i_before (
    .clk_i, .rst_ni,
    .we_i   (wipe || in_take),
    .waddr_i(wipe ? wipe_q : {in_half_q, in_at_q}),
    .wdata_i(wipe ? 128'd0 : in_data_i),
    .re_i   (wipe || work_read),
    .raddr_i(wipe ? wipe_q : {half_q, begins ? Count'(0) : come_q}),
    .rdata_o(word)
  );

  sram_1r1w #(.Width(128), .Depth(2 << Count)) i_behind (
    .clk_i, .rst_ni,
    .we_i   (wipe || work_write),
    .waddr_i(wipe ? wipe_q : {half_q, come_q - Count'(1)}),
    .wdata_i(wipe ? 128'd0 : (state_q == Tag) ? tag : blended),
    .re_i   (wipe || out_read),
    .raddr_i(wipe ? wipe_q : {out_half_q, out_at_q}),
    .rdata_o(out_word)
  );

  logic tag_ok_q, tag_bad_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= NoKey;
    end else if (wrong || state_q == Dead) begin
      state_q <= Dead;
    end else if (clear_i) begin
      state_q <= NoKey;
    end else if (load_i) begin
      state_q <= MakeKey;
    end else begin
      unique case (state_q)
        MakeKey: if (aes_come) state_q <= Idle;
        Idle:    if (begins) state_q <= Blend;
        Blend:   if (aes_come && come_q == Count'(Blocks)) state_q <= Sum;
        Sum:     if (hash_ready) state_q <= Tag;
        Tag:     if (done) state_q <= Idle;
        default: state_q <= state_q;
      endcase
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      filling_q     <= 1'b0;
      in_at_q       <= '0;
      in_half_q     <= 1'b0;
      in_full_q     <= '0;
      encrypt_q     <= '0;
      nonce_q       <= '0;
      half_q        <= 1'b0;
      made_q        <= 1'b0;
      asked_q       <= '0;
      come_q        <= '0;
      wait_q        <= '0;
      h_q           <= '0;
      mask_q        <= '0;
      out_half_q    <= 1'b0;
      out_full_q    <= '0;
      out_encrypt_q <= '0;
      out_at_q      <= '0;
      out_valid_q   <= 1'b0;
      out_last_q    <= 1'b0;
      tag_ok_q      <= 1'b0;
    end else if (wipe) begin
      filling_q     <= 1'b0;
      in_at_q       <= '0;
      in_half_q     <= 1'b0;
      in_full_q     <= '0;
      half_q        <= 1'b0;
      made_q        <= 1'b0;
      h_q           <= '0;
      mask_q        <= '0;
      out_half_q    <= 1'b0;
      out_full_q    <= '0;
      out_at_q      <= '0;
      out_valid_q   <= 1'b0;
      tag_ok_q      <= 1'b0;
    end else begin
      if (hdr_take) begin
        filling_q            <= 1'b1;
        encrypt_q[in_half_q] <= encrypt_i;
        nonce_q[in_half_q]   <= nonce_i;
      end
      if (in_take) in_at_q <= in_last ? '0 : in_at_q + Count'(1);
      if (in_last) begin
        filling_q            <= 1'b0;
        in_half_q            <= !in_half_q;
        in_full_q[in_half_q] <= 1'b1;
      end

      if (state_q == MakeKey) begin
        made_q <= (made_q || aes_ready) && !aes_come;
        if (aes_come) h_q <= aes_out;
      end
      if (begins) begin
        asked_q <= '0;
        come_q  <= '0;
      end
      if (ask) begin
        asked_q <= asked_q + Count'(1);
        wait_q  <= Wait'(Interval - 1);
      end else if (wait_q != '0) begin
        wait_q <= wait_q - Wait'(1);
      end
      if (state_q == Blend && aes_come) begin
        come_q <= come_q + Count'(1);
        if (come_q == '0) mask_q <= aes_out;
      end
      tag_ok_q <= done && !encrypts && !wrong;
      if (done) begin
        half_q                <= !half_q;
        in_full_q[half_q]     <= 1'b0;
        out_full_q[half_q]    <= !wrong;
        out_encrypt_q[half_q] <= encrypts;
      end

      if (out_read) begin
        out_valid_q <= 1'b1;
        out_last_q  <= out_end;
        out_at_q    <= out_end ? '0 : out_at_q + Count'(1);
      end else if (out_ready_i) begin
        out_valid_q <= 1'b0;
      end
      if (out_end) begin
        out_half_q             <= !out_half_q;
        out_full_q[out_half_q] <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      wipe_q    <= '0;
      tag_bad_q <= 1'b0;
    end else begin
      wipe_q    <= wipe ? wipe_q + (Count + 1)'(1) : '0;
      tag_bad_q <= wrong;
    end
  end

  assign out_valid_o = out_valid_q && !wipe;
  assign out_data_o  = out_valid_o ? out_word : '0;
  assign out_last_o  = out_valid_o && out_last_q;
  assign tag_ok_o    = tag_ok_q;
  assign tag_bad_o   = tag_bad_q;

  if (Blocks < 1) begin : gen_bad_blocks
    $error("bolt_aead: Blocks must be at least 1");
  end

endmodule
