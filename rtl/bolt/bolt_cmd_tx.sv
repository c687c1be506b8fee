// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Response packets of bolt_cmd_fe, sealed one at a time: an answer in, beats out.
//
// An answer is taken at ans_valid_i and ans_ready_o; its first beat is there a constant time later. One
// with ans_drop_i is taken and gives nothing. sent_o pulses when a packet begins to leave: that one
// leaves whole, come what may. While clear_i, which stays once it came, a packet that says StatusFault in
// the clear leaves for each that is owed_i. Byte 0 of beats is the lowest.

module bolt_cmd_tx #(
  parameter  int unsigned ValueWidth = 128,
  parameter  int unsigned Beats      = 1,
  parameter  int unsigned AesUnits   = 1,
  parameter  int unsigned Digit      = 16,
  localparam int unsigned Blocks     = 4 * Beats - 1
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                          clear_i,
  input  logic                          load_i,
  input  logic [127:0]                  session_key_i,
  input  logic                          owed_i,
  output logic                          sent_o,
  input  logic                          ans_valid_i,
  output logic                          ans_ready_o,
  input  logic                          ans_drop_i,
  input  logic [7:0]                    ans_status_i,
  input  logic [bolt_pkg::KeyWidth-1:0] ans_key_i,
  input  logic [ValueWidth-1:0]         ans_value_i,
  output logic                          rsp_valid_o,
  input  logic                          rsp_ready_i,
  output logic [511:0]                  rsp_data_o
);

  localparam int unsigned Width = 512 * Beats;
  localparam int unsigned Count = $clog2(4 * Beats + 1);

  typedef enum logic [2:0] {Wait, Header, Feed, Seal, Send} state_e;

  state_e           state_q;
  logic [Width-1:0] packet_q;
  logic [Count-1:0] at_q;
  logic [63:0]      number_q;
  logic             hdr_ready, in_ready, out_valid, out_last, tag_ok, tag_bad, sealed, refuse;
  logic [127:0]     out_data;

  bolt_aead #(.Blocks(Blocks), .AesUnits(AesUnits), .Digit(Digit), .Aad(1'b0)) i_aead (
    .clk_i, .rst_ni, .clear_i, .load_i,
    .key_i      (session_key_i),
    .hdr_valid_i(state_q == Header), .hdr_ready_o(hdr_ready),
    .encrypt_i  (1'b1),
    .nonce_i    ({bolt_aes_pkg::turned_word(number_q), 32'h00505352}),
    .in_valid_i (state_q == Feed), .in_ready_o(in_ready), .in_data_i(packet_q[127:0]),
    .out_valid_o(out_valid), .out_ready_i(state_q == Seal), .out_data_o(out_data), .out_last_o(out_last),
    .tag_ok_o   (tag_ok), .tag_bad_o(tag_bad)
  );

  assign ans_ready_o = state_q == Wait && !clear_i;
  assign sealed      = state_q == Seal && out_valid && out_last && !clear_i;
  assign refuse      = state_q == Wait && clear_i && owed_i;
  assign sent_o      = sealed || refuse;
  assign rsp_valid_o = state_q == Send;
  assign rsp_data_o  = rsp_valid_o ? packet_q[511:0] : '0;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q  <= Wait;
      packet_q <= '0;
      at_q     <= '0;
      number_q <= '0;
    end else begin
      if (sent_o) number_q <= number_q + 64'd1;
      if (state_q == Send) begin
        if (rsp_ready_i) begin
          packet_q <= packet_q >> 512;
          at_q     <= (at_q == Count'(Beats - 1)) ? '0 : at_q + Count'(1);
          if (at_q == Count'(Beats - 1)) state_q <= Wait;
        end
      end else if (clear_i) begin
        at_q     <= '0;
        state_q  <= refuse ? Send : Wait;
        packet_q <= refuse ? Width'({bolt_pkg::StatusFault, bolt_aes_pkg::turned_word(number_q)}) : '0;
      end else begin
        unique case (state_q)
          Wait: if (ans_valid_i && !ans_drop_i) begin
            packet_q <= Width'({ans_value_i, ans_key_i, ans_status_i, bolt_aes_pkg::turned_word(number_q)});
            state_q  <= Header;
          end
          Header: if (hdr_ready) state_q <= Feed;
          Feed: if (in_ready) begin
            packet_q <= packet_q >> 128;
            at_q     <= (at_q == Count'(Blocks - 1)) ? '0 : at_q + Count'(1);
            if (at_q == Count'(Blocks - 1)) state_q <= Seal;
          end
          Seal: if (out_valid) begin
            packet_q <= Width'({out_data, packet_q} >> 128);
            if (out_last) state_q <= Send;
          end
          default: state_q <= Wait;
        endcase
      end
    end
  end

  logic unused;
  assign unused = tag_ok ^ tag_bad;

endmodule
