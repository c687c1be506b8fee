// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The order of work of a chain of layers: fetch a descriptor, load, run, halt on errors.
//
// Three steps overlap. Fetch reads and checks the next descriptor. Load asks for a layer's activations,
// once, and its weights, once per chunk of MaxTokens tokens; it goes on to the next layer as soon as the
// last transfer has been accepted and the layer has started. Run starts the array when the layer before
// is complete, all its results acknowledged. A layer with its fence flag set reads activations only once
// it runs.
//
// An error response, a bad descriptor or abort_i ends everything: halt_o is high until the transfers are
// flushed (dmas_idle_i), then error_o pulses with the code and the index. For fetch and descriptor errors
// the index is that of the descriptor; for the others, of the first layer not complete: what failed may
// have been prefetched for the next one. Layers before progress_o are complete in memory.

module bitmod_accel_control #(
  parameter int unsigned MaxTokens = 128,
  parameter int unsigned MaxGroups = 3
) (
  input  logic                                     clk_i,
  input  logic                                     rst_ni,
  // Registers
  input  logic                                     start_i,
  input  logic                                     abort_i,
  input  logic [63:0]                              base_i,
  input  logic [15:0]                              count_i,
  output logic                                     busy_o,
  output logic                                     done_o,
  output logic                                     error_o,
  output logic [bitmod_accel_pkg::ErrorWidth-1:0]  error_code_o,
  output logic [15:0]                              error_index_o,
  output logic [15:0]                              progress_o,
  // Descriptor reads
  output logic                                     fetch_valid_o,
  input  logic                                     fetch_ready_i,
  output logic [63:0]                              fetch_addr_o,
  input  logic                                     word_valid_i,
  output logic                                     word_ready_o,
  input  logic [63:0]                              word_i,
  // Activation and weight reads
  output logic                                     act_valid_o,
  input  logic                                     act_ready_i,
  output logic [63:0]                              act_addr_o,
  output logic [bitmod_accel_pkg::CountWidth-1:0]  act_words_o,
  output logic                                     weight_valid_o,
  input  logic                                     weight_ready_i,
  output logic [63:0]                              weight_addr_o,
  output logic [bitmod_accel_pkg::CountWidth-1:0]  weight_words_o,
  // Array
  output logic                                     layer_start_o,
  output logic [63:0]                              results_o,
  output logic [bitmod_pkg::ShapeWidth-1:0]        tokens_o,
  output logic [bitmod_pkg::ShapeWidth-1:0]        channels_o,
  output logic [bitmod_pkg::ShapeWidth-1:0]        groups_o,
  output bitmod_pkg::mode_e                         mode_o,
  output logic [3:0][bitmod_pkg::TermsWidth-1:0]   special_terms_o,
  input  logic                                     core_done_i,
  input  logic                                     writes_idle_i,
  // Trouble
  input  logic                                     fetch_error_i,
  input  logic                                     act_error_i,
  input  logic                                     weight_error_i,
  input  logic                                     write_error_i,
  output logic                                     halt_o,
  input  logic                                     dmas_idle_i
);

  localparam int unsigned ShapeWidth      = bitmod_pkg::ShapeWidth;
  localparam int unsigned CountWidth      = bitmod_accel_pkg::CountWidth;
  localparam int unsigned ErrorWidth      = bitmod_accel_pkg::ErrorWidth;
  localparam int unsigned DescriptorWidth = bitmod_accel_pkg::DescriptorWidth;

  typedef enum logic [1:0] {
    Idle,
    Work,
    Halt,
    Restart
  } state_e;

  state_e                state_q;
  logic [15:0]           progress_q, fetch_index_q, count_q, error_index_q;
  logic [63:0]           fetch_addr_q;
  logic [ErrorWidth-1:0] code_q;
  logic                  done_q, error_q;

  // Fetch
  logic [DescriptorWidth-1:0] descriptor_q;
  logic [2:0]                 word_q;
  logic                       fetching_q, fetched_q;
  logic                       fetched_ok, fetched_fence;
  logic [63:0]                fetched_weights, fetched_acts, fetched_results;
  logic [ShapeWidth-1:0]      fetched_tokens, fetched_channels, fetched_groups;
  logic [3:0][bitmod_pkg::TermsWidth-1:0] fetched_terms;
  bitmod_pkg::mode_e          fetched_mode;
  logic [CountWidth-1:0]      fetched_weight_words, fetched_act_words;

  // Load
  logic                       load_q, started_q, act_pending_q, fence_q;
  logic [63:0]                weights_q, acts_q, results_q;
  logic [ShapeWidth-1:0]      tokens_q, channels_q, groups_q, weight_tokens_q;
  logic [3:0][bitmod_pkg::TermsWidth-1:0] terms_q;
  bitmod_pkg::mode_e          mode_q;
  logic [CountWidth-1:0]      weight_words_q, act_words_q;

  // Run
  logic                       running_q, core_done_q;

  bitmod_descriptor #(.MaxGroups(MaxGroups)) i_descriptor (
    .descriptor_i   (descriptor_q),
    .ok_o           (fetched_ok),
    .weights_o      (fetched_weights),
    .acts_o         (fetched_acts),
    .results_o      (fetched_results),
    .tokens_o       (fetched_tokens),
    .channels_o     (fetched_channels),
    .groups_o       (fetched_groups),
    .mode_o         (fetched_mode),
    .fence_o        (fetched_fence),
    .special_terms_o(fetched_terms),
    .weight_words_o (fetched_weight_words),
    .act_words_o    (fetched_act_words)
  );

  logic working, start_ok, take, load_end, layer_end, chain_end, data_error, trouble;

  assign working   = state_q == Work;
  assign start_ok  = count_i != '0 && base_i[5:0] == '0;
  assign take      = working && fetched_q && fetched_ok && !load_q;
  assign load_end  = load_q && started_q && !act_pending_q && weight_tokens_q == '0;
  assign layer_end = running_q && core_done_q && writes_idle_i;
  assign chain_end = layer_end && progress_q + 16'd1 == count_q;

  // Trouble, the earliest cause first.
  logic [ErrorWidth-1:0] code;

  assign data_error = act_error_i || weight_error_i || write_error_i;
  assign trouble    = data_error || fetch_error_i || (fetched_q && !fetched_ok) || abort_i;

  always_comb begin
    code = bitmod_accel_pkg::ErrorAborted;
    if (fetched_q && !fetched_ok) code = bitmod_accel_pkg::ErrorDescriptor;
    if (fetch_error_i)            code = bitmod_accel_pkg::ErrorFetch;
    if (weight_error_i)           code = bitmod_accel_pkg::ErrorWeights;
    if (act_error_i)              code = bitmod_accel_pkg::ErrorActivations;
    if (write_error_i)            code = bitmod_accel_pkg::ErrorResults;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q       <= Idle;
      progress_q    <= '0;
      count_q       <= '0;
      code_q        <= bitmod_accel_pkg::ErrorNone;
      error_index_q <= '0;
      done_q        <= 1'b0;
      error_q       <= 1'b0;
    end else begin
      done_q  <= 1'b0;
      error_q <= 1'b0;
      unique case (state_q)
        Idle: begin
          if (start_i) begin
            progress_q    <= '0;
            count_q       <= count_i;
            error_index_q <= '0;
            code_q        <= start_ok ? bitmod_accel_pkg::ErrorNone : bitmod_accel_pkg::ErrorStart;
            error_q       <= !start_ok;
            if (start_ok) state_q <= Work;
          end
        end
        Work: begin
          if (layer_end) progress_q <= progress_q + 16'd1;
          if (trouble) begin
            state_q       <= Halt;
            code_q        <= code;
            error_index_q <= (!data_error && (fetch_error_i || fetched_q)) ? fetch_index_q :
                             layer_end ? progress_q + 16'd1 : progress_q;
          end else if (chain_end) begin
            state_q <= Idle;
            done_q  <= 1'b1;
          end
        end
        Halt: if (dmas_idle_i) state_q <= Restart;
        Restart: begin
          state_q <= Idle;
          error_q <= 1'b1;
        end
      endcase
    end
  end

  // Fetch
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      fetch_index_q <= '0;
      fetch_addr_q  <= '0;
      fetching_q    <= 1'b0;
      fetched_q     <= 1'b0;
      word_q        <= '0;
      descriptor_q  <= '0;
    end else if (!working) begin
      fetch_index_q <= '0;
      fetch_addr_q  <= base_i;
      fetching_q    <= 1'b0;
      fetched_q     <= 1'b0;
      word_q        <= '0;
    end else begin
      if (fetch_valid_o && fetch_ready_i) fetching_q <= 1'b1;
      if (word_valid_i && word_ready_o) begin
        descriptor_q <= {word_i, descriptor_q[DescriptorWidth-1:64]};
        word_q       <= word_q + 3'd1;
        if (word_q == '1) begin
          fetching_q <= 1'b0;
          fetched_q  <= 1'b1;
        end
      end
      if (take) begin
        fetched_q     <= 1'b0;
        fetch_index_q <= fetch_index_q + 16'd1;
        fetch_addr_q  <= fetch_addr_q + 64'd64;
      end
    end
  end

  // Load
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      load_q          <= 1'b0;
      started_q       <= 1'b0;
      act_pending_q   <= 1'b0;
      fence_q         <= 1'b0;
      weights_q       <= '0;
      acts_q          <= '0;
      results_q       <= '0;
      tokens_q        <= '0;
      channels_q      <= '0;
      groups_q        <= '0;
      mode_q          <= bitmod_pkg::ModeFp;
      terms_q         <= '0;
      weight_words_q  <= '0;
      act_words_q     <= '0;
      weight_tokens_q <= '0;
    end else if (!working) begin
      load_q          <= 1'b0;
      started_q       <= 1'b0;
      act_pending_q   <= 1'b0;
      weight_tokens_q <= '0;
    end else if (take) begin
      load_q          <= 1'b1;
      started_q       <= 1'b0;
      act_pending_q   <= 1'b1;
      fence_q         <= fetched_fence;
      weights_q       <= fetched_weights;
      acts_q          <= fetched_acts;
      results_q       <= fetched_results;
      tokens_q        <= fetched_tokens;
      channels_q      <= fetched_channels;
      groups_q        <= fetched_groups;
      mode_q          <= fetched_mode;
      terms_q         <= fetched_terms;
      weight_words_q  <= fetched_weight_words;
      act_words_q     <= fetched_act_words;
      weight_tokens_q <= fetched_tokens;
    end else begin
      if (layer_start_o)                    started_q     <= 1'b1;
      if (act_valid_o && act_ready_i)       act_pending_q <= 1'b0;
      if (weight_valid_o && weight_ready_i) begin
        weight_tokens_q <= (weight_tokens_q > ShapeWidth'(MaxTokens)) ?
                           weight_tokens_q - ShapeWidth'(MaxTokens) : '0;
      end
      if (load_end) load_q <= 1'b0;
    end
  end

  // Run
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      running_q   <= 1'b0;
      core_done_q <= 1'b0;
    end else if (!working) begin
      running_q   <= 1'b0;
      core_done_q <= 1'b0;
    end else begin
      if (layer_start_o) begin
        running_q   <= 1'b1;
        core_done_q <= 1'b0;
      end else if (layer_end) begin
        running_q <= 1'b0;
      end
      if (core_done_i) core_done_q <= 1'b1;
    end
  end

  assign busy_o          = state_q != Idle;
  assign halt_o          = state_q == Halt || state_q == Restart;
  assign done_o          = done_q;
  assign error_o         = error_q;
  assign error_code_o    = code_q;
  assign error_index_o   = error_index_q;
  assign progress_o      = progress_q;
  assign fetch_valid_o   = working && !fetching_q && !fetched_q && fetch_index_q != count_q;
  assign fetch_addr_o    = fetch_addr_q;
  assign word_ready_o    = fetching_q;
  assign act_valid_o     = working && load_q && act_pending_q && (!fence_q || started_q);
  assign act_addr_o      = acts_q;
  assign act_words_o     = act_words_q;
  assign weight_valid_o  = working && load_q && weight_tokens_q != '0;
  assign weight_addr_o   = weights_q;
  assign weight_words_o  = weight_words_q;
  assign layer_start_o   = working && load_q && !started_q && !running_q;
  assign results_o       = results_q;
  assign tokens_o        = tokens_q;
  assign channels_o      = channels_q;
  assign groups_o        = groups_q;
  assign mode_o          = mode_q;
  assign special_terms_o = terms_q;

endmodule
