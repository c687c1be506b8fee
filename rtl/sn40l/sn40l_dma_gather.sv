// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Beats of memory to words of a stream: each row is shifted so that its first byte is the first of a word.
//
// head_i and tail_i: of the row's first and last byte in their beats, the same for all beats of a row.
// What is behind the row's last byte is zero. A word with bytes of a beat with an error is poisoned. A row
// that begins in mid-beat costs at most one cycle more than it has words. last_o: of a row; end_o: of the
// descriptor.

module sn40l_dma_gather #(
  localparam int unsigned DataWidth = sn40l_mem_pkg::DataWidth
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  output logic                 idle_o,
  input  logic                 valid_i,
  output logic                 ready_o,
  input  logic [DataWidth-1:0] data_i,
  input  logic                 error_i,
  input  logic                 first_i,
  input  logic                 last_i,
  input  logic                 end_i,
  input  logic [4:0]           head_i,
  input  logic [4:0]           tail_i,
  output logic                 valid_o,
  input  logic                 ready_i,
  output logic [DataWidth-1:0] data_o,
  output logic                 poison_o,
  output logic                 end_o
);

  localparam int unsigned Bytes = DataWidth / 8;

  logic [DataWidth-1:0]   held_q;
  logic                   held_error_q, flush_q, flush_end_q;
  logic [4:0]             flush_head_q, flush_tail_q;

  logic                   accept, room, make, whole, ends, poison, finish, uses_held, uses_beat;
  logic [4:0]             head, tail, fill;   // fill: of the last byte in the row's last word
  logic [2*DataWidth-1:0] pair;
  logic [DataWidth-1:0]   word, masked;
  logic [Bytes-1:0]       kept;

  // The rest of a row's last beat is a word of its own where it has bytes that no word took.
  assign whole = head_i == '0 || (first_i && last_i);
  assign ends  = last_i && (whole || tail_i < head_i);

  assign accept    = valid_i && ready_o;
  assign ready_o   = room && !flush_q;
  assign make      = flush_q || (accept && (whole || !first_i));
  assign finish    = flush_q || ends;
  assign head      = flush_q ? flush_head_q : head_i;
  assign tail      = flush_q ? flush_tail_q : tail_i;
  assign fill      = tail - head;
  assign uses_held = flush_q || !whole;
  assign uses_beat = !flush_q;
  assign pair      = uses_held ? {data_i, held_q} : {{DataWidth{1'b0}}, data_i};
  assign word      = pair[{1'b0, head, 3'd0} +: DataWidth];
  assign poison    = (uses_held && held_error_q) || (uses_beat && error_i);

  assign kept   = finish ? {Bytes{1'b1}} >> (5'd31 - fill) : '1;
  for (genvar b = 0; b < Bytes; b++) begin : gen_mask
    assign masked[8*b +: 8] = kept[b] ? word[8*b +: 8] : 8'd0;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      held_q       <= '0;
      held_error_q <= 1'b0;
      flush_q      <= 1'b0;
      flush_end_q  <= 1'b0;
      flush_head_q <= '0;
      flush_tail_q <= '0;
    end else if (accept) begin
      held_q       <= data_i;
      held_error_q <= error_i;
      flush_q      <= last_i && !ends;
      flush_end_q  <= end_i;
      flush_head_q <= head_i;
      flush_tail_q <= tail_i;
    end else if (flush_q && room) begin
      flush_q <= 1'b0;
    end
  end

  stream_fifo #(
    .Width(DataWidth + 2),
    .Depth(2)
  ) i_words (
    .clk_i,
    .rst_ni,
    .valid_i(make),
    .ready_o(room),
    .data_i ({masked, poison, finish && (flush_q ? flush_end_q : end_i)}),
    .valid_o,
    .ready_i,
    .data_o ({data_o, poison_o, end_o})
  );

  assign idle_o = !flush_q && !valid_o;

endmodule
