// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Tokens that have come for a DMA and were not spent (SN40L, MICRO 2024, section IV-D). A counter holds 255 at
// most; those that come beyond are lost.

module sn40l_dma_tokens #(
  localparam int unsigned DmaTokens  = sn40l_mem_pkg::DmaTokens,
  localparam int unsigned TokenWidth = sn40l_mem_pkg::TokenWidth
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic [DmaTokens-1:0]  token_i,   // one of each came
  input  logic [TokenWidth-1:0] select_i,
  output logic                  there_o,   // there is one of those selected
  input  logic                  spend_i    // take it; only where there is one
);

  logic [DmaTokens-1:0][7:0] tokens_q;
  logic [DmaTokens-1:0]      spend;

  always_comb begin
    spend   = '0;
    there_o = 1'b0;
    for (int unsigned t = 0; t < DmaTokens; t++) begin
      if (select_i == TokenWidth'(t)) begin
        there_o  = tokens_q[t] != '0;
        spend[t] = spend_i;
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) tokens_q <= '0;
    else begin
      for (int unsigned t = 0; t < DmaTokens; t++) begin
        if (token_i[t] && !spend[t] && tokens_q[t] != '1) tokens_q[t] <= tokens_q[t] + 8'd1;
        else if (spend[t] && !token_i[t])                 tokens_q[t] <= tokens_q[t] - 8'd1;
      end
    end
  end

endmodule
