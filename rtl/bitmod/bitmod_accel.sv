// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// BitMoD accelerator: chains of linear layers from descriptors in memory.
//
// Software writes the address and the number of 64-byte descriptors over AXI4-Lite and starts; the layers run
// one after another, and the next layer's descriptor, activations and weights are prefetched into the read
// queues meanwhile. Weights are read once per chunk of MaxTokens tokens. Results are written as FP32
// [tokens, channels]. One AXI4 port, 64 bits: identifiers 0 descriptors, 1 activations, 2 weights; writes 0.
// Constant AXI4 signals that are not here (cache, protection, lock, quality of service) are the integrator's.
// An error response, a bad descriptor or an abort ends the chain; the port is brought to rest by the rules of
// AXI4 and the array is reset, so the next start finds everything clean.
// It does not check that addresses exist, nor that layers' memories do not overlap.

module bitmod_accel #(
  parameter int unsigned Rows       = 8,  // of a tile
  parameter int unsigned Cols       = 8,  // of a tile
  parameter int unsigned RowTiles   = 1,
  parameter int unsigned ColTiles   = 1,
  parameter int unsigned Lanes      = bitmod_pkg::Lanes,  // of an element: 2, 4 or 8
  parameter int unsigned MaxTokens  = 128,  // a multiple of Rows * RowTiles
  parameter int unsigned MaxGroups  = 3,
  parameter int unsigned AccWidth   = bitmod_pkg::AccWidth,  // of a group's sum, sign included, 12..18
  parameter bit          Truncate   = 1'b0,  // drop bits that do not fit instead of rounding to nearest even
  parameter int unsigned MaxBurst   = 16,  // beats, at most 256
  parameter int unsigned QueueDepth = 64   // words, of activations and of weights
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  output logic        irq_o,
  // AXI4-Lite registers
  input  logic        cfg_aw_valid_i,
  output logic        cfg_aw_ready_o,
  input  logic [7:0]  cfg_aw_addr_i,
  input  logic        cfg_w_valid_i,
  output logic        cfg_w_ready_o,
  input  logic [31:0] cfg_w_data_i,
  input  logic [3:0]  cfg_w_strb_i,
  output logic        cfg_b_valid_o,
  input  logic        cfg_b_ready_i,
  output logic [1:0]  cfg_b_resp_o,
  input  logic        cfg_ar_valid_i,
  output logic        cfg_ar_ready_o,
  input  logic [7:0]  cfg_ar_addr_i,
  output logic        cfg_r_valid_o,
  input  logic        cfg_r_ready_i,
  output logic [31:0] cfg_r_data_o,
  output logic [1:0]  cfg_r_resp_o,
  // AXI4 memory; bursts increment, beats have 8 bytes
  output logic        ar_valid_o,
  input  logic        ar_ready_i,
  output logic [1:0]  ar_id_o,
  output logic [63:0] ar_addr_o,
  output logic [7:0]  ar_len_o,
  input  logic        r_valid_i,
  output logic        r_ready_o,
  input  logic [1:0]  r_id_i,
  input  logic [63:0] r_data_i,
  input  logic [1:0]  r_resp_i,
  output logic        aw_valid_o,
  input  logic        aw_ready_i,
  output logic [63:0] aw_addr_o,
  output logic [7:0]  aw_len_o,
  output logic        w_valid_o,
  input  logic        w_ready_i,
  output logic [63:0] w_data_o,
  output logic [7:0]  w_strb_o,
  output logic        w_last_o,
  input  logic        b_valid_i,
  output logic        b_ready_o,
  input  logic [1:0]  b_resp_i
);

  localparam int unsigned ShapeWidth = bitmod_pkg::ShapeWidth;
  localparam int unsigned CountWidth = bitmod_accel_pkg::CountWidth;
  localparam int unsigned ErrorWidth = bitmod_accel_pkg::ErrorWidth;
  localparam int unsigned Readers    = 3;
  localparam int unsigned AllCols    = Cols * ColTiles;
  localparam int unsigned FetchDepth = (MaxBurst > bitmod_accel_pkg::DescriptorWords) ? MaxBurst :
                                       bitmod_accel_pkg::DescriptorWords;

  // Registers
  logic        write, write_bad, read_bad;
  logic [7:0]  write_addr, read_addr;
  logic [31:0] write_data, read_data;
  logic [3:0]  write_strb;

  axi_lite_slave #(.AddrWidth(8)) i_slave (
    .clk_i,
    .rst_ni,
    .aw_valid_i  (cfg_aw_valid_i),
    .aw_ready_o  (cfg_aw_ready_o),
    .aw_addr_i   (cfg_aw_addr_i),
    .w_valid_i   (cfg_w_valid_i),
    .w_ready_o   (cfg_w_ready_o),
    .w_data_i    (cfg_w_data_i),
    .w_strb_i    (cfg_w_strb_i),
    .b_valid_o   (cfg_b_valid_o),
    .b_ready_i   (cfg_b_ready_i),
    .b_resp_o    (cfg_b_resp_o),
    .ar_valid_i  (cfg_ar_valid_i),
    .ar_ready_o  (cfg_ar_ready_o),
    .ar_addr_i   (cfg_ar_addr_i),
    .r_valid_o   (cfg_r_valid_o),
    .r_ready_i   (cfg_r_ready_i),
    .r_data_o    (cfg_r_data_o),
    .r_resp_o    (cfg_r_resp_o),
    .write_o     (write),
    .write_addr_o(write_addr),
    .write_data_o(write_data),
    .write_strb_o(write_strb),
    .write_bad_i (write_bad),
    .read_addr_o (read_addr),
    .read_data_i (read_data),
    .read_bad_i  (read_bad)
  );

  logic                  start, abort, busy, done, error, nonfinite, core_busy, core_done, core_nonfinite;
  logic [63:0]           base;
  logic [15:0]           count, error_index, progress;
  logic [ErrorWidth-1:0] error_code;

  assign nonfinite = core_done && core_nonfinite;

  bitmod_accel_regs #(
    .Rows     (Rows),
    .Cols     (Cols),
    .RowTiles (RowTiles),
    .ColTiles (ColTiles),
    .Lanes    (Lanes),
    .MaxTokens(MaxTokens),
    .MaxGroups(MaxGroups)
  ) i_regs (
    .clk_i,
    .rst_ni,
    .write_i      (write),
    .write_addr_i (write_addr),
    .write_data_i (write_data),
    .write_strb_i (write_strb),
    .write_bad_o  (write_bad),
    .read_addr_i  (read_addr),
    .read_data_o  (read_data),
    .read_bad_o   (read_bad),
    .irq_o,
    .start_o      (start),
    .abort_o      (abort),
    .base_o       (base),
    .count_o      (count),
    .busy_i       (busy),
    .done_i       (done),
    .error_i      (error),
    .error_code_i (error_code),
    .error_index_i(error_index),
    .progress_i   (progress),
    .nonfinite_i  (nonfinite),
    .core_busy_i  (core_busy)
  );

  // Order of work
  logic [Readers-1:0]                     cmd_valid, cmd_ready, word_valid, word_ready;
  logic [Readers-1:0]                     read_idle, read_error;
  logic [Readers-1:0][63:0]               cmd_addr, word;
  logic [Readers-1:0][CountWidth-1:0]     cmd_words;
  logic [63:0]                            results;
  logic                                   layer_start, halt;
  logic                                   writes_idle, scatter_idle, write_idle, write_error;
  logic [ShapeWidth-1:0]                  tokens, channels, groups;
  bitmod_pkg::mode_e                      mode;
  logic [3:0][bitmod_pkg::TermsWidth-1:0] special_terms;

  assign writes_idle  = scatter_idle && write_idle;
  assign cmd_words[0] = CountWidth'(bitmod_accel_pkg::DescriptorWords);

  bitmod_accel_control #(
    .MaxTokens(MaxTokens),
    .MaxGroups(MaxGroups)
  ) i_control (
    .clk_i,
    .rst_ni,
    .start_i        (start),
    .abort_i        (abort),
    .base_i         (base),
    .count_i        (count),
    .busy_o         (busy),
    .done_o         (done),
    .error_o        (error),
    .error_code_o   (error_code),
    .error_index_o  (error_index),
    .progress_o     (progress),
    .fetch_valid_o   (cmd_valid[0]),
    .fetch_ready_i   (cmd_ready[0]),
    .fetch_addr_o    (cmd_addr[0]),
    .word_valid_i    (word_valid[0]),
    .word_ready_o    (word_ready[0]),
    .word_i          (word[0]),
    .act_valid_o     (cmd_valid[1]),
    .act_ready_i     (cmd_ready[1]),
    .act_addr_o      (cmd_addr[1]),
    .act_words_o     (cmd_words[1]),
    .weight_valid_o  (cmd_valid[2]),
    .weight_ready_i  (cmd_ready[2]),
    .weight_addr_o   (cmd_addr[2]),
    .weight_words_o  (cmd_words[2]),
    .layer_start_o  (layer_start),
    .results_o      (results),
    .tokens_o       (tokens),
    .channels_o     (channels),
    .groups_o       (groups),
    .mode_o         (mode),
    .special_terms_o(special_terms),
    .core_done_i    (core_done),
    .writes_idle_i  (writes_idle),
    .fetch_error_i  (read_error[0]),
    .act_error_i    (read_error[1]),
    .weight_error_i (read_error[2]),
    .write_error_i  (write_error),
    .halt_o         (halt),
    .dmas_idle_i    (&read_idle && write_idle)
  );

  // Reads
  logic [Readers-1:0]       reader_ar_valid, reader_ar_ready, reader_r_valid, reader_r_ready;
  logic [Readers-1:0][63:0] reader_ar_addr;
  logic [Readers-1:0][7:0]  reader_ar_len;

  for (genvar i = 0; i < Readers; i++) begin : gen_reader
    axi_read_dma #(
      .CountWidth(CountWidth),
      .MaxBurst  (MaxBurst),
      .Depth     ((i == 0) ? FetchDepth : QueueDepth)
    ) i_dma (
      .clk_i,
      .rst_ni,
      .valid_i   (cmd_valid[i]),
      .ready_o   (cmd_ready[i]),
      .addr_i    (cmd_addr[i]),
      .words_i   (cmd_words[i]),
      .flush_i   (halt),
      .idle_o    (read_idle[i]),
      .error_o   (read_error[i]),
      .valid_o   (word_valid[i]),
      .ready_i   (word_ready[i]),
      .data_o    (word[i]),
      .ar_valid_o(reader_ar_valid[i]),
      .ar_ready_i(reader_ar_ready[i]),
      .ar_addr_o (reader_ar_addr[i]),
      .ar_len_o  (reader_ar_len[i]),
      .r_valid_i (reader_r_valid[i]),
      .r_ready_o (reader_r_ready[i]),
      .r_data_i,
      .r_resp_i
    );
  end

  axi_read_mux #(
    .Readers  (Readers),
    .AddrWidth(64)
  ) i_read_mux (
    .clk_i,
    .rst_ni,
    .ar_valid_i(reader_ar_valid),
    .ar_ready_o(reader_ar_ready),
    .ar_addr_i (reader_ar_addr),
    .ar_len_i  (reader_ar_len),
    .r_valid_o (reader_r_valid),
    .ar_valid_o,
    .ar_ready_i,
    .ar_id_o,
    .ar_addr_o,
    .ar_len_o,
    .r_valid_i,
    .r_id_i
  );

  assign r_ready_o = &reader_r_ready;

  // The array, reset between a chain that failed and the next.
  logic               core_rst_nq, result_valid, result_ready, result_last;
  logic [32*AllCols-1:0] result;
  logic [AllCols-1:0] result_keep;
  logic [63:0]        core_cycles;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) core_rst_nq <= 1'b0;
    else         core_rst_nq <= !halt;
  end

  bitmod_linear #(
    .Rows     (Rows),
    .Cols     (Cols),
    .RowTiles (RowTiles),
    .ColTiles (ColTiles),
    .Lanes    (Lanes),
    .MaxTokens(MaxTokens),
    .MaxGroups(MaxGroups),
    .AccWidth (AccWidth),
    .Truncate (Truncate)
  ) i_linear (
    .clk_i,
    .rst_ni         (core_rst_nq),
    .start_i        (layer_start),
    .tokens_i       (tokens),
    .channels_i     (channels),
    .groups_i       (groups),
    .mode_i         (mode),
    .special_terms_i(special_terms),
    .busy_o         (core_busy),
    .done_o         (core_done),
    .nonfinite_o    (core_nonfinite),
    .cycles_o       (core_cycles),
    .act_valid_i    (word_valid[1]),
    .act_ready_o    (word_ready[1]),
    .act_data_i     (word[1]),
    .weight_valid_i (word_valid[2]),
    .weight_ready_o (word_ready[2]),
    .weight_data_i  (word[2]),
    .out_valid_o    (result_valid),
    .out_ready_i    (result_ready),
    .out_data_o     (result),
    .out_keep_o     (result_keep),
    .out_last_o     (result_last)
  );

  // Writes
  logic                  write_cmd_valid, write_cmd_ready, write_data_valid, write_data_ready;
  logic [63:0]           write_cmd_addr, write_word;
  logic [ShapeWidth-1:0] write_words;

  bitmod_scatter #(
    .Cols     (AllCols),
    .MaxTokens(MaxTokens)
  ) i_scatter (
    .clk_i,
    .rst_ni      (core_rst_nq),
    .start_i     (layer_start),
    .results_i   (results),
    .tokens_i    (tokens),
    .channels_i  (channels),
    .idle_o      (scatter_idle),
    .valid_i     (result_valid),
    .ready_o     (result_ready),
    .data_i      (result),
    .cmd_valid_o (write_cmd_valid),
    .cmd_ready_i (write_cmd_ready),
    .cmd_addr_o  (write_cmd_addr),
    .cmd_words_o (write_words),
    .data_valid_o(write_data_valid),
    .data_ready_i(write_data_ready),
    .data_o      (write_word)
  );

  axi_write_dma #(
    .CountWidth(ShapeWidth),
    .MaxBurst  (MaxBurst)
  ) i_write (
    .clk_i,
    .rst_ni,
    .valid_i     (write_cmd_valid),
    .ready_o     (write_cmd_ready),
    .addr_i      (write_cmd_addr),
    .words_i     (write_words),
    .flush_i     (halt),
    .idle_o      (write_idle),
    .error_o     (write_error),
    .data_valid_i(write_data_valid),
    .data_ready_o(write_data_ready),
    .data_i      (write_word),
    .aw_valid_o,
    .aw_ready_i,
    .aw_addr_o,
    .aw_len_o,
    .w_valid_o,
    .w_ready_i,
    .w_data_o,
    .w_strb_o,
    .w_last_o,
    .b_valid_i,
    .b_ready_o,
    .b_resp_i
  );

  // The scatter knows the shape; the registers count cycles of the whole chain.
  logic unused;
  assign unused = ^{result_keep, result_last, core_cycles};

endmodule
