// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Commands in, answers out: packets of one size on 512-bit streams, AES-128-GCM with the session key.
//
// Plaintext of a packet: sequence number (8 bytes, big endian, from 0), operation or status (1), key (4,
// little endian), value (ValueBytes), zeros; then the tag. The nonce is "CMD" or "RSP", a zero and the
// sequence number that the receiver expects; no associated data. Byte 0 of beats, keys and values is the
// lowest.
//
// A command whose tag, number or operation is wrong gives bad_o, a pulse, and ends all work until reset.
// Commands wait in a queue of QueueDepth. ans_valid_i answers in order and cannot be held back, so
// op_valid_o is withheld while InFlight answers are due or have not left. With FillNop, op_valid_o comes
// with a NOP where the queue is empty, which a command may replace while it waits; no answer to it is
// sent. Where nothing waits, the first beat of a response follows ans_valid_i 71 cycles later (Beats 1),
// whatever is in it.
//
// After fault_i or bad_o keys and queues are forgotten, and every packet that came or comes and has no
// answer yet gets one in the clear: its number, StatusFault, zeros.

module bolt_cmd_fe #(
  parameter  int unsigned ValueBytes = 16,
  parameter  int unsigned QueueDepth = 64,
  parameter  int unsigned InFlight   = 8,
  parameter  bit          FillNop    = 1'b0,
  localparam int unsigned ValueWidth = 8 * ValueBytes,
  localparam int unsigned Beats      = (8 + 1 + 4 + ValueBytes + 16 + 63) / 64  // of a packet
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                          load_i,  // once after reset
  input  logic [127:0]                  session_key_i,
  input  logic                          fault_i,
  output logic                          bad_o,
  input  logic                          cmd_valid_i,
  output logic                          cmd_ready_o,
  input  logic [511:0]                  cmd_data_i,
  output logic                          rsp_valid_o,
  input  logic                          rsp_ready_i,
  output logic [511:0]                  rsp_data_o,
  output logic                          op_valid_o,
  input  logic                          op_ready_i,
  output bolt_pkg::op_e                 op_o,
  output logic [bolt_pkg::KeyWidth-1:0] op_key_o,
  output logic [ValueWidth-1:0]         op_value_o,
  input  logic                          ans_valid_i,
  input  logic [7:0]                    ans_status_i,
  input  logic [bolt_pkg::KeyWidth-1:0] ans_key_i,
  input  logic [ValueWidth-1:0]         ans_value_i
);

  localparam int unsigned OpWidth  = 2 + bolt_pkg::KeyWidth + ValueWidth;
  localparam int unsigned AnsWidth = 1 + 8 + bolt_pkg::KeyWidth + ValueWidth;
  localparam int unsigned Owed     = $clog2(QueueDepth + InFlight + 8) + 1;
  localparam int unsigned Due      = $clog2(InFlight + 1);

  logic            dead, dead_q, bad, came, sent;
  logic            live_q;  // there is a key
  logic [Owed-1:0] owed_q;  // packets without an answer; the highest bit: no more
  logic [Due-1:0]  due_q;   // operations whose answer has not left its queue

  assign dead  = fault_i || dead_q;
  assign bad_o = bad;

  // What is forgotten is pushed out by zeros that go round the queues.
  logic                          rx_valid, rx_ready, queue_valid, queue_pop, op_take;
  bolt_pkg::op_e                 rx_op;
  logic [bolt_pkg::KeyWidth-1:0] rx_key;
  logic [ValueWidth-1:0]         rx_value;
  logic [OpWidth-1:0]            queued;

  bolt_cmd_rx #(.ValueWidth(ValueWidth), .Beats(Beats)) i_rx (
    .clk_i, .rst_ni,
    .clear_i(dead),
    .load_i, .session_key_i,
    .room_i (!owed_q[Owed-1]),
    .came_o (came), .bad_o(bad),
    .cmd_valid_i, .cmd_ready_o, .cmd_data_i,
    .op_valid_o(rx_valid), .op_ready_i(rx_ready), .op_o(rx_op), .op_key_o(rx_key), .op_value_o(rx_value)
  );

  stream_fifo #(.Width(OpWidth), .Depth(QueueDepth)) i_queue (
    .clk_i, .rst_ni,
    .valid_i(rx_valid || dead), .ready_o(rx_ready), .data_i(dead ? '0 : {rx_op, rx_key, rx_value}),
    .valid_o(queue_valid), .ready_i(queue_pop), .data_o(queued)
  );

  assign op_valid_o = !dead && due_q != Due'(InFlight) && ((FillNop && live_q) || queue_valid);
  assign op_take    = op_valid_o && op_ready_i;
  assign queue_pop  = dead || op_take;
  assign {op_o, op_key_o, op_value_o} = (op_valid_o && queue_valid) ? queued : '0;

  // Answers, with a note of those that nobody waits for.
  logic                ans_valid, ans_ready, ans_take, drop;
  logic [AnsWidth-1:0] answer;
  logic                unused_ready;

  if (FillNop) begin : gen_drop
    logic [1:0] unused_note;
    stream_fifo #(.Width(1), .Depth(InFlight)) i_notes (
      .clk_i, .rst_ni,
      .valid_i(op_take || dead), .ready_o(unused_note[0]), .data_i(!dead && !queue_valid),
      .valid_o(unused_note[1]), .ready_i(ans_valid_i || dead), .data_o(drop)
    );
  end else begin : gen_keep
    assign drop = 1'b0;
  end

  stream_fifo #(.Width(AnsWidth), .Depth(InFlight)) i_answers (
    .clk_i, .rst_ni,
    .valid_i(ans_valid_i || dead), .ready_o(unused_ready),
    .data_i (dead ? '0 : {drop, ans_status_i, ans_key_i, ans_value_i}),
    .valid_o(ans_valid), .ready_i(ans_ready || dead), .data_o(answer)
  );

  assign ans_take = ans_valid && ans_ready;

  bolt_cmd_tx #(.ValueWidth(ValueWidth), .Beats(Beats)) i_tx (
    .clk_i, .rst_ni,
    .clear_i(dead),
    .load_i, .session_key_i,
    .owed_i (owed_q != '0), .sent_o(sent),
    .ans_valid_i (ans_valid), .ans_ready_o(ans_ready),
    .ans_drop_i  (answer[AnsWidth-1]),
    .ans_status_i(answer[AnsWidth-2 -: 8]),
    .ans_key_i   (answer[ValueWidth +: bolt_pkg::KeyWidth]),
    .ans_value_i (answer[ValueWidth-1:0]),
    .rsp_valid_o, .rsp_ready_i, .rsp_data_o
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      dead_q <= 1'b0;
      live_q <= 1'b0;
      owed_q <= '0;
      due_q  <= '0;
    end else begin
      if (fault_i || bad) dead_q <= 1'b1;
      if (load_i) live_q <= 1'b1;
      if (came && !sent)      owed_q <= owed_q + Owed'(1);
      else if (sent && !came) owed_q <= owed_q - Owed'(1);
      if (op_take && !ans_take)      due_q <= due_q + Due'(1);
      else if (ans_take && !op_take) due_q <= due_q - Due'(1);
    end
  end

  if (QueueDepth < 1 || InFlight < 1 || ValueBytes < 1) begin : gen_bad_size
    $error("bolt_cmd_fe: QueueDepth, InFlight and ValueBytes must be at least 1");
  end

endmodule
