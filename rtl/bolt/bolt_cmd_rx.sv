// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Command packets of bolt_cmd_fe, opened one at a time: beats in, an operation out.
//
// came_o pulses with a packet's last beat. op_valid_o follows a constant time later, unless the last
// operation still waits. bad_o pulses where the tag, the sequence number or the operation is wrong. While
// clear_i, which stays once it came, packets are taken as far as room_i allows, and forgotten. Byte 0 of
// beats is the lowest.

module bolt_cmd_rx #(
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
  input  logic                          room_i,
  output logic                          came_o,
  output logic                          bad_o,
  input  logic                          cmd_valid_i,
  output logic                          cmd_ready_o,
  input  logic [511:0]                  cmd_data_i,
  output logic                          op_valid_o,
  input  logic                          op_ready_i,
  output bolt_pkg::op_e                 op_o,
  output logic [bolt_pkg::KeyWidth-1:0] op_key_o,
  output logic [ValueWidth-1:0]         op_value_o
);

  localparam int unsigned Width = 512 * Beats;
  localparam int unsigned Plain = 72 + bolt_pkg::KeyWidth + ValueWidth;
  localparam int unsigned Count = $clog2(4 * Beats + 1);

  typedef enum logic [2:0] {Gather, Header, Feed, Open, Check} state_e;

  state_e           state_q;
  logic [Width-1:0] packet_q;  // beats come from above; what leaves or is read is below
  logic [Plain-1:0] plain;
  logic [Count-1:0] at_q;      // beats of 512 or 128 bits
  logic [63:0]      number_q;  // of the packet
  logic             keyed_q, take, right;
  logic             hdr_ready, in_ready, out_valid, out_last, tag_ok, tag_bad;
  logic [127:0]     out_data;

  assign cmd_ready_o = room_i && state_q == Gather && (clear_i || keyed_q);
  assign take        = cmd_valid_i && cmd_ready_o;
  assign came_o      = take && at_q == Count'(Beats - 1);

  bolt_aead #(.Blocks(Blocks), .AesUnits(AesUnits), .Digit(Digit), .Aad(1'b0)) i_aead (
    .clk_i, .rst_ni, .clear_i, .load_i,
    .key_i      (session_key_i),
    .hdr_valid_i(state_q == Header), .hdr_ready_o(hdr_ready),
    .encrypt_i  (1'b0),
    .nonce_i    ({bolt_aes_pkg::turned_word(number_q), 32'h00444d43}),
    .in_valid_i (state_q == Feed), .in_ready_o(in_ready), .in_data_i(packet_q[127:0]),
    .out_valid_o(out_valid), .out_ready_i(state_q == Open), .out_data_o(out_data), .out_last_o(out_last),
    .tag_ok_o   (tag_ok), .tag_bad_o(tag_bad)
  );

  assign plain      = packet_q[128 +: Plain];
  assign right      = plain[63:0] == bolt_aes_pkg::turned_word(number_q) && plain[71:66] == '0;
  assign bad_o      = tag_bad || (state_q == Check && !right);
  assign op_valid_o = state_q == Check && right && !clear_i;
  assign op_o       = bolt_pkg::op_e'(plain[65:64]);
  assign op_key_o   = plain[72 +: bolt_pkg::KeyWidth];
  assign op_value_o = plain[72 + bolt_pkg::KeyWidth +: ValueWidth];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q  <= Gather;
      packet_q <= '0;
      at_q     <= '0;
      number_q <= '0;
      keyed_q  <= 1'b0;
    end else if (clear_i) begin
      state_q  <= Gather;
      packet_q <= '0;
      if (take) at_q <= came_o ? '0 : at_q + Count'(1);
      else if (state_q != Gather) at_q <= '0;
    end else begin
      if (load_i) keyed_q <= 1'b1;
      unique case (state_q)
        Gather: if (take) begin
          packet_q <= Width'({cmd_data_i, packet_q} >> 512);
          at_q     <= came_o ? '0 : at_q + Count'(1);
          if (came_o) state_q <= Header;
        end
        Header: if (hdr_ready) state_q <= Feed;
        Feed: if (in_ready) begin
          packet_q <= packet_q >> 128;
          at_q     <= (at_q == Count'(Blocks)) ? '0 : at_q + Count'(1);
          if (at_q == Count'(Blocks)) state_q <= Open;
        end
        Open: if (out_valid) begin
          packet_q <= Width'({out_data, packet_q} >> 128);
          if (out_last) state_q <= Check;
        end
        Check: if (right && op_ready_i) begin
          packet_q <= '0;
          number_q <= number_q + 64'd1;
          state_q  <= Gather;
        end
        default: state_q <= Gather;
      endcase
    end
  end

  logic unused;
  assign unused = tag_ok;

endmodule
