// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The DMA of an AGCU (SN40L, MICRO 2024, section IV-D): descriptors to AXI4 traffic, streams and
// completions.
//
// Descriptors are queued and done one after the other: the token it waits for, the segment check, then the
// rows (sn40l_dma_read, sn40l_dma_write; COPY joins them). Each is answered by one completion, a pulse,
// after its last word was taken and its last burst answered; the next one begins after that. One that
// fails its check moves nothing. Errors of the memory do not stop a descriptor: what could be read is
// delivered, words with an error are poisoned, a poisoned word is not written; the completion has the code
// and address of the first error and how many there were. A token is posted only when there was no error.
// RO of a segment is its missing write permission. abort_i (a level): the descriptor under way ends as
// soon as its bursts have, every queued one is answered with CodeAbort, no new one is taken. A word that
// is offered in that time is lost.

module sn40l_dma #(
  parameter  int unsigned QueueDepth      = 4,
  parameter  int unsigned Segments        = 8,   // at most 16
  parameter  int unsigned Slots           = 16,  // bursts outstanding, each way; a power of two
  localparam int unsigned AddrWidth       = sn40l_mem_pkg::AddrWidth,
  localparam int unsigned DataWidth       = sn40l_mem_pkg::DataWidth,
  localparam int unsigned StrbWidth       = sn40l_mem_pkg::StrbWidth,
  localparam int unsigned IdWidth         = sn40l_mem_pkg::IdWidth,
  localparam int unsigned DmaTokens       = sn40l_mem_pkg::DmaTokens,
  localparam int unsigned DescriptorWidth = sn40l_mem_pkg::DescriptorBits,
  localparam int unsigned SegmentBits     = sn40l_mem_pkg::SegmentBits,
  localparam int unsigned CompletionWidth = sn40l_mem_pkg::CompletionBits
) (
  input  logic                                 clk_i,
  input  logic                                 rst_ni,
  input  logic                                 abort_i,
  input  logic [Segments-1:0][SegmentBits-1:0] segments_i,
  // Descriptors
  input  logic                                 descriptor_valid_i,
  output logic                                 descriptor_ready_o,
  input  logic [DescriptorWidth-1:0]           descriptor_i,
  output logic                                 idle_o,
  // Completions
  output logic                                 completion_valid_o,
  output logic [CompletionWidth-1:0]           completion_o,
  output logic                                 irq_o,
  // Tokens
  input  logic [DmaTokens-1:0]                 token_i,
  output logic [DmaTokens-1:0]                 token_o,
  // Streams
  output logic                                 ld_valid_o,
  input  logic                                 ld_ready_i,
  output logic [DataWidth-1:0]                 ld_data_o,
  output logic                                 ld_last_o,    // of the descriptor
  output logic                                 ld_poison_o,
  input  logic                                 st_valid_i,
  output logic                                 st_ready_o,
  input  logic [DataWidth-1:0]                 st_data_i,
  input  logic                                 st_poison_i,
  // Events for counters: a descriptor waits outside, for a token; one is under way
  output logic                                 queue_full_o,
  output logic                                 waiting_o,
  output logic                                 busy_o,
  // AXI4
  output logic                                 ar_valid_o,
  input  logic                                 ar_ready_i,
  output logic [IdWidth-1:0]                   ar_id_o,
  output logic [AddrWidth-1:0]                 ar_addr_o,
  output logic [7:0]                           ar_len_o,
  input  logic                                 r_valid_i,
  output logic                                 r_ready_o,
  input  logic [IdWidth-1:0]                   r_id_i,
  input  logic [DataWidth-1:0]                 r_data_i,
  input  logic [1:0]                           r_resp_i,
  output logic                                 aw_valid_o,
  input  logic                                 aw_ready_i,
  output logic [IdWidth-1:0]                   aw_id_o,
  output logic [AddrWidth-1:0]                 aw_addr_o,
  output logic [7:0]                           aw_len_o,
  output logic                                 w_valid_o,
  input  logic                                 w_ready_i,
  output logic [DataWidth-1:0]                 w_data_o,
  output logic [StrbWidth-1:0]                 w_strb_o,
  output logic                                 w_last_o,
  input  logic                                 b_valid_i,
  output logic                                 b_ready_o,
  input  logic [IdWidth-1:0]                   b_id_i,
  input  logic [1:0]                           b_resp_i
);

  localparam int unsigned CodeWidth   = sn40l_mem_pkg::CodeWidth;
  localparam int unsigned OffsetWidth = sn40l_mem_pkg::OffsetWidth;
  localparam int unsigned IndexWidth  = (Segments > 1) ? $clog2(Segments) : 1;

  typedef enum logic [2:0] {
    StIdle,   // no descriptor
    StWait,   // its token is awaited
    StCheck,  // its segments are looked at
    StRun,
    StDone    // the completion
  } state_e;

  state_e                     state_q;
  sn40l_mem_pkg::descriptor_t next, now_q;
  logic                       next_valid, next_ready, take;
  logic [CodeWidth-1:0]       code_q;
  logic [15:0]                errors_q;
  logic [AddrWidth-1:0]       address_q;

  assign descriptor_ready_o = !abort_i && next_ready;

  stream_fifo #(
    .Width(DescriptorWidth),
    .Depth(QueueDepth)
  ) i_queue (
    .clk_i,
    .rst_ni,
    .valid_i(descriptor_valid_i && !abort_i),
    .ready_o(next_ready),
    .data_i (descriptor_i),
    .valid_o(next_valid),
    .ready_i(take),
    .data_o (next)
  );

  assign take = state_q == StIdle;

  // The token it waits for.
  logic token_there, may_begin, begins;

  assign may_begin = !now_q.wait_en || token_there;
  assign begins    = state_q == StWait && may_begin && !abort_i;

  sn40l_dma_tokens i_tokens (
    .clk_i,
    .rst_ni,
    .token_i,
    .select_i(now_q.wait_token),
    .there_o (token_there),
    .spend_i (begins && now_q.wait_en)
  );

  // The segments it is about.
  sn40l_mem_pkg::segment_t src, dst;
  logic                    reads, writes;
  logic [CodeWidth-1:0]    src_code, dst_code, check;

  assign reads  = now_q.op == sn40l_mem_pkg::OpLoad || now_q.op == sn40l_mem_pkg::OpCopy;
  assign writes = now_q.op != sn40l_mem_pkg::OpLoad;
  assign src    = (32'(now_q.src_segment) < Segments) ? segments_i[IndexWidth'(now_q.src_segment)] : '0;
  assign dst    = (32'(now_q.dst_segment) < Segments) ? segments_i[IndexWidth'(now_q.dst_segment)] : '0;

  sn40l_segment_check i_src_check (
    .read_i     (1'b1),
    .write_i    (1'b0),
    .expert_i   (now_q.expert),
    .offset_i   (now_q.src_offset),
    .len_i      (now_q.len0),
    .n1_i       (now_q.n1),
    .n2_i       (now_q.n2),
    .stride1_i  (now_q.src_stride1),
    .stride2_i  (now_q.src_stride2),
    .may_read_i (src.read),
    .may_write_i(src.write),
    .owner_i    (src.expert),
    .base_i     (src.base),
    .limit_i    (src.limit),
    .code_o     (src_code)
  );

  sn40l_segment_check i_dst_check (
    .read_i     (1'b0),
    .write_i    (1'b1),
    .expert_i   (now_q.expert),
    .offset_i   (now_q.dst_offset),
    .len_i      (now_q.len0),
    .n1_i       (now_q.n1),
    .n2_i       (now_q.n2),
    .stride1_i  (now_q.dst_stride1),
    .stride2_i  (now_q.dst_stride2),
    .may_read_i (dst.read),
    .may_write_i(dst.write),
    .owner_i    (dst.expert),
    .base_i     (dst.base),
    .limit_i    (dst.limit),
    .code_o     (dst_code)
  );

  logic [AddrWidth-1:0]   src_addr, dst_addr, fault_addr;
  logic [OffsetWidth-1:0] src_byte, dst_byte;
  assign src_byte   = src.base + now_q.src_offset;
  assign dst_byte   = dst.base + now_q.dst_offset;
  assign src_addr   = {1'b0, src.tier, src_byte};
  assign dst_addr   = {1'b0, dst.tier, dst_byte};
  assign check      = (reads && src_code != sn40l_mem_pkg::CodeOkay) ? src_code
                    : writes ? dst_code : sn40l_mem_pkg::CodeOkay;
  assign fault_addr = (reads && src_code != sn40l_mem_pkg::CodeOkay) ? src_addr : dst_addr;

  // The two sides.
  logic                 start, stop, stop_q, read_idle, write_idle;
  logic                 read_error, write_error, word_poisoned;
  logic [1:0]           read_resp, write_resp;
  logic [AddrWidth-1:0] read_error_addr, write_error_addr, poison_addr;
  logic                 word_valid, word_ready, word_poison, word_end;
  logic [DataWidth-1:0] word;
  logic                 give_valid, give_ready, give_poison;
  logic [DataWidth-1:0] give;

  assign start = state_q == StCheck && check == sn40l_mem_pkg::CodeOkay && !abort_i;
  assign stop  = stop_q || abort_i;

  sn40l_dma_read #(
    .Slots(Slots)
  ) i_read (
    .clk_i,
    .rst_ni,
    .start_i     (start && reads),
    .stop_i      (stop),
    .addr_i      (src_addr),
    .len_i       (now_q.len0),
    .n1_i        (now_q.n1),
    .n2_i        (now_q.n2),
    .stride1_i   (now_q.src_stride1),
    .stride2_i   (now_q.src_stride2),
    .idle_o      (read_idle),
    .error_o     (read_error),
    .error_resp_o(read_resp),
    .error_addr_o(read_error_addr),
    .valid_o     (word_valid),
    .ready_i     (word_ready),
    .data_o      (word),
    .poison_o    (word_poison),
    .end_o       (word_end),
    .ar_valid_o,
    .ar_ready_i,
    .ar_id_o,
    .ar_addr_o,
    .ar_len_o,
    .r_valid_i,
    .r_ready_o,
    .r_id_i,
    .r_data_i,
    .r_resp_i
  );

  sn40l_dma_write #(
    .Slots(Slots)
  ) i_write (
    .clk_i,
    .rst_ni,
    .start_i      (start && writes),
    .stop_i       (stop),
    .addr_i       (dst_addr),
    .len_i        (now_q.len0),
    .n1_i         (now_q.n1),
    .n2_i         (now_q.n2),
    .stride1_i    (now_q.dst_stride1),
    .stride2_i    (now_q.dst_stride2),
    .idle_o       (write_idle),
    .error_o      (write_error),
    .error_resp_o (write_resp),
    .error_addr_o (write_error_addr),
    .poison_o     (word_poisoned),
    .poison_addr_o(poison_addr),
    .valid_i      (give_valid),
    .ready_o      (give_ready),
    .data_i       (give),
    .poison_i     (give_poison),
    .aw_valid_o,
    .aw_ready_i,
    .aw_id_o,
    .aw_addr_o,
    .aw_len_o,
    .w_valid_o,
    .w_ready_i,
    .w_data_o,
    .w_strb_o,
    .w_last_o,
    .b_valid_i,
    .b_ready_o,
    .b_id_i,
    .b_resp_i
  );

  // Where words come from and go to.
  logic copies, loads, stores, fills;
  assign copies = now_q.op == sn40l_mem_pkg::OpCopy;
  assign loads  = now_q.op == sn40l_mem_pkg::OpLoad;
  assign stores = now_q.op == sn40l_mem_pkg::OpStore;
  assign fills  = now_q.op == sn40l_mem_pkg::OpFill;

  assign ld_valid_o  = word_valid && loads && !stop;
  assign ld_data_o   = word;
  assign ld_last_o   = word_end;
  assign ld_poison_o = word_poison;
  assign word_ready  = stop || (copies ? give_ready : ld_ready_i);

  assign give_valid  = copies ? word_valid : fills || st_valid_i;
  assign give        = copies ? word : fills ? {8{now_q.pattern}} : st_data_i;
  assign give_poison = copies ? word_poison : stores && st_poison_i;
  assign st_ready_o  = give_ready && stores && state_q == StRun;

  // The course of a descriptor.
  logic       store_poisoned;
  logic [1:0] new_errors;
  assign store_poisoned = word_poisoned && stores;
  assign new_errors     = 2'(read_error) + 2'(write_error) + 2'(store_poisoned);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q   <= StIdle;
      now_q     <= '0;
      stop_q    <= 1'b0;
      code_q    <= '0;
      errors_q  <= '0;
      address_q <= '0;
    end else begin
      unique case (state_q)
        StIdle: if (next_valid) begin
          now_q     <= next;
          state_q   <= StWait;
          stop_q    <= 1'b0;
          code_q    <= sn40l_mem_pkg::CodeOkay;
          errors_q  <= '0;
          address_q <= '0;
        end
        StWait: begin
          if (abort_i) begin
            code_q  <= sn40l_mem_pkg::CodeAbort;
            state_q <= StDone;
          end else if (begins) begin
            state_q <= StCheck;
          end
        end
        StCheck: begin
          state_q <= start ? StRun : StDone;
          if (!start) begin
            code_q    <= abort_i ? sn40l_mem_pkg::CodeAbort : check;
            address_q <= abort_i ? '0 : fault_addr;
            errors_q  <= abort_i ? 16'd0 : 16'd1;
          end
        end
        StRun: begin
          if (abort_i) stop_q <= 1'b1;
          if (read_idle && write_idle) begin
            state_q <= StDone;
            if (stop_q && code_q == sn40l_mem_pkg::CodeOkay) code_q <= sn40l_mem_pkg::CodeAbort;
          end
          if (new_errors != 2'd0) begin
            if (errors_q < 16'hfffc) errors_q <= errors_q + 16'(new_errors);
            if (code_q == sn40l_mem_pkg::CodeOkay) begin
              if (read_error) begin
                code_q    <= (read_resp == sn40l_mem_pkg::RespDecErr) ? sn40l_mem_pkg::CodeReadDec
                                                                      : sn40l_mem_pkg::CodeReadSlv;
                address_q <= read_error_addr;
              end else if (write_error) begin
                code_q    <= (write_resp == sn40l_mem_pkg::RespDecErr) ? sn40l_mem_pkg::CodeWriteDec
                                                                       : sn40l_mem_pkg::CodeWriteSlv;
                address_q <= write_error_addr;
              end else begin
                code_q    <= sn40l_mem_pkg::CodePoison;
                address_q <= poison_addr;
              end
            end
          end
        end
        default: state_q <= StIdle;
      endcase
    end
  end

  // The completion.
  sn40l_mem_pkg::completion_t completion;
  logic                       done;
  assign done               = state_q == StDone;
  assign completion.code    = code_q;
  assign completion.last    = now_q.last;
  assign completion.expert  = now_q.expert;
  assign completion.errors  = errors_q;
  assign completion.address = address_q;
  assign completion_o       = completion;
  assign completion_valid_o = done;
  assign irq_o              = done && now_q.irq;

  for (genvar t = 0; t < DmaTokens; t++) begin : gen_post
    assign token_o[t] = done && now_q.post_en && code_q == sn40l_mem_pkg::CodeOkay &&
                        now_q.post_token == sn40l_mem_pkg::TokenWidth'(t);
  end

  assign idle_o       = state_q == StIdle && !next_valid;
  assign queue_full_o = descriptor_valid_i && !descriptor_ready_o;
  assign waiting_o    = state_q == StWait && !may_begin;
  assign busy_o       = state_q == StRun;

  if (Segments < 1 || Segments > 16) begin : gen_bad_segments
    $error("sn40l_dma: Segments must be 1..16");
  end

endmodule
