// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The cryptographic units of BOLT and its command front end, in several sizes, as channels of words: what
// goes in and what comes out, numbered as in bolt_crypto_bench.py. clear_i and the faults are levels.

module bolt_crypto_harness #(
  localparam int unsigned Ins  = 29,
  localparam int unsigned Outs = 23
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  clear_i,
  input  logic                  fault_i,
  input  logic [Ins-1:0]        in_valid_i,
  output logic [Ins-1:0]        in_ready_o,
  input  logic [Ins-1:0][511:0] in_data_i,
  output logic [Outs-1:0]       out_valid_o,
  input  logic [Outs-1:0]       out_ready_i,
  output logic [Outs-1:0][511:0] out_data_o
);

  // 0: key; 1..4: blocks of 1, 2, 5, 10 units.
  assign in_ready_o[0] = 1'b1;
  for (genvar i = 0; i < 4; i++) begin : gen_aes
    localparam int unsigned Units = (i == 0) ? 1 : (i == 1) ? 2 : (i == 2) ? 5 : 10;
    logic [127:0] block;
    bolt_aes #(.Units(Units)) i_aes (
      .clk_i, .rst_ni, .clear_i,
      .load_i (in_valid_i[0]), .key_i(in_data_i[0][127:0]),
      .valid_i(in_valid_i[1+i]), .ready_o(in_ready_o[1+i]), .block_i(in_data_i[1+i][127:0]),
      .valid_o(out_valid_o[i]), .block_o(block)
    );
    assign out_data_o[i] = 512'(block);
  end

  // 5: hash key; 6..8: blocks, 16, 64 and 128 bits a cycle, with a mark on the first and on the last.
  logic [127:0] h_q;
  assign in_ready_o[5] = 1'b1;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)            h_q <= '0;
    else if (clear_i)       h_q <= '0;
    else if (in_valid_i[5]) h_q <= in_data_i[5][127:0];
  end
  for (genvar i = 0; i < 3; i++) begin : gen_ghash
    localparam int unsigned Digit = (i == 0) ? 16 : (i == 1) ? 64 : 128;
    logic         idle, last_q;
    logic [127:0] hash;
    bolt_ghash #(.Digit(Digit)) i_ghash (
      .clk_i, .rst_ni, .clear_i,
      .h_i    (h_q),
      .start_i(in_data_i[6+i][128]),
      .valid_i(in_valid_i[6+i]), .ready_o(in_ready_o[6+i]), .block_i(in_data_i[6+i][127:0]),
      .idle_o (idle), .hash_o(hash)
    );
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni)                                      last_q <= 1'b0;
      else if (in_valid_i[6+i] && in_ready_o[6+i])      last_q <= in_data_i[6+i][129];
      else if (idle)                                    last_q <= 1'b0;
    end
    assign out_valid_o[4+i] = idle && last_q;
    assign out_data_o[4+i]  = 512'(hash);
  end

  // 9, 12, 15: keys; 10, 13, 16: headers; 11, 14, 17: beats. Out: beats with a mark on the last;
  // verdicts on tags.
  for (genvar i = 0; i < 3; i++) begin : gen_aead
    logic         last, ok, bad;
    logic [127:0] data;
    assign in_ready_o[9+3*i] = 1'b1;
    bolt_aead #(
      .Blocks  ((i == 0) ? 15 : (i == 1) ? 31 : 1),
      .AesUnits((i == 0) ? 5 : (i == 1) ? 2 : 10),
      .Digit   ((i == 0) ? 64 : (i == 1) ? 32 : 128),
      .Aad     (i != 2)
    ) i_aead (
      .clk_i, .rst_ni, .clear_i,
      .load_i     (in_valid_i[9+3*i]), .key_i(in_data_i[9+3*i][127:0]),
      .hdr_valid_i(in_valid_i[10+3*i]), .hdr_ready_o(in_ready_o[10+3*i]),
      .encrypt_i  (in_data_i[10+3*i][96]), .nonce_i(in_data_i[10+3*i][95:0]),
      .in_valid_i (in_valid_i[11+3*i]), .in_ready_o(in_ready_o[11+3*i]), .in_data_i(in_data_i[11+3*i][127:0]),
      .out_valid_o(out_valid_o[7+2*i]), .out_ready_i(out_ready_i[7+2*i]),
      .out_data_o (data), .out_last_o(last),
      .tag_ok_o   (ok), .tag_bad_o(bad)
    );
    assign out_data_o[7+2*i]  = 512'({last, data});
    assign out_valid_o[8+2*i] = ok || bad;
    assign out_data_o[8+2*i]  = 512'({bad, ok});
  end

  // 18: key; 19: words, with marks on the first and the last; 20: keys of the map.
  logic [127:0] sip_q;
  logic [63:0]  hash;
  logic [23:0]  bucket0, bucket1;
  assign in_ready_o[18] = 1'b1;
  assign in_ready_o[20] = 1'b1;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)             sip_q <= '0;
    else if (clear_i)        sip_q <= '0;
    else if (in_valid_i[18]) sip_q <= in_data_i[18][127:0];
  end
  bolt_siphash i_siphash (
    .clk_i, .rst_ni, .clear_i,
    .key_i  (sip_q),
    .valid_i(in_valid_i[19]), .ready_o(in_ready_o[19]),
    .first_i(in_data_i[19][64]), .last_i(in_data_i[19][65]), .word_i(in_data_i[19][63:0]),
    .valid_o(out_valid_o[13]), .hash_o(hash)
  );
  assign out_data_o[13] = 512'(hash);
  bolt_prf #(.Buckets(1 << 24)) i_prf (
    .clk_i, .rst_ni, .clear_i,
    .hash_key_i(sip_q),
    .start_i   (in_valid_i[20]), .key_i(in_data_i[20][31:0]),
    .done_o    (out_valid_o[14]), .bucket0_o(bucket0), .bucket1_o(bucket1)
  );
  assign out_data_o[14] = 512'({bucket1, bucket0});

  // 21: seed; 22: a draw, with words of a tape and whether they count.
  logic            drawn;
  logic [3:0][63:0] words;
  assign in_ready_o[21]  = 1'b1;
  assign in_ready_o[22]  = drawn;
  bolt_drbg i_drbg (
    .clk_i, .rst_ni, .clear_i,
    .seed_i   (in_valid_i[21]), .drbg_key_i(in_data_i[21][127:0]),
    .valid_o  (drawn), .take_i(in_valid_i[22]), .words_o(words),
    .tape_en_i(in_data_i[22][256]), .tape_i(in_data_i[22][255:0])
  );
  assign out_valid_o[15] = drawn && in_valid_i[22];
  assign out_data_o[15]  = 512'(words);

  // 23: two words. Of 2^24 bins and of 7.
  assign in_ready_o[23] = 1'b1;
  for (genvar i = 0; i < 2; i++) begin : gen_pairs
    bolt_pkg::pair_t pair;
    bolt_pairs #(.Bins((i == 0) ? 1 << 24 : 7)) i_pairs (
      .clk_i, .rst_ni, .clear_i,
      .valid_i(in_valid_i[23]), .words_i(in_data_i[23][127:0]),
      .valid_o(out_valid_o[16+i]), .pair_o(pair)
    );
    assign out_data_o[16+i] = 512'(pair);
  end

  // 24: session key, of both front ends; 25, 27: commands; 26, 28: answers {value, key, status}. Out:
  // responses, operations {value, key, operation}. Out 22: what is bad.
  logic [1:0] bad;
  assign in_ready_o[24] = 1'b1;
  for (genvar i = 0; i < 2; i++) begin : gen_fe
    localparam int unsigned ValueBytes = (i == 0) ? 16 : 40;
    bolt_pkg::op_e             op;
    logic [31:0]               key;
    logic [8*ValueBytes-1:0]   value;
    assign in_ready_o[26+2*i] = 1'b1;
    bolt_cmd_fe #(
      .ValueBytes(ValueBytes), .QueueDepth((i == 0) ? 4 : 2), .InFlight((i == 0) ? 2 : 3), .FillNop(i == 1)
    ) i_fe (
      .clk_i, .rst_ni,
      .load_i      (in_valid_i[24]), .session_key_i(in_data_i[24][127:0]),
      .fault_i,
      .bad_o       (bad[i]),
      .cmd_valid_i (in_valid_i[25+2*i]), .cmd_ready_o(in_ready_o[25+2*i]), .cmd_data_i(in_data_i[25+2*i]),
      .rsp_valid_o (out_valid_o[18+2*i]), .rsp_ready_i(out_ready_i[18+2*i]), .rsp_data_o(out_data_o[18+2*i]),
      .op_valid_o  (out_valid_o[19+2*i]), .op_ready_i(out_ready_i[19+2*i]),
      .op_o        (op), .op_key_o(key), .op_value_o(value),
      .ans_valid_i (in_valid_i[26+2*i]),
      .ans_status_i(in_data_i[26+2*i][7:0]),
      .ans_key_i   (in_data_i[26+2*i][39:8]),
      .ans_value_i (in_data_i[26+2*i][40 +: 8*ValueBytes])
    );
    assign out_data_o[19+2*i] = 512'({value, key, op});
  end
  assign out_valid_o[22] = |bad;
  assign out_data_o[22]  = 512'(bad);

endmodule
