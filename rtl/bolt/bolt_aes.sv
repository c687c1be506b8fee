// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// AES-128, encryption only (FIPS 197).
//
// load_i takes a key; ready_o is low for the ten cycles in which the round keys are made. A block taken at
// valid_i and ready_o comes out at valid_o 11 cycles later; there is no way to hold it back. Units round
// units work in a row, each does 10 / Units rounds of a block: a block may come every 10 / Units cycles.
// Times depend on no data and no key. clear_i forgets keys and blocks; so does a load, its blocks. Byte 0 of
// keys and blocks is the highest.

module bolt_aes #(
  parameter  int unsigned Units    = 5,  // 1, 2, 5 or 10
  localparam int unsigned Interval = 10 / Units
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,
  input  logic         load_i,
  input  logic [127:0] key_i,
  input  logic         valid_i,
  output logic         ready_o,
  input  logic [127:0] block_i,
  output logic         valid_o,
  output logic [127:0] block_o
);

  // The key schedule moves through its registers: in the end round key n is keys_q[n].
  logic [10:0][127:0] keys_q;
  logic [7:0]         rcon_q;
  logic [3:0]         left_q;   // round keys to be made
  logic               keyed_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      keys_q  <= '0;
      rcon_q  <= '0;
      left_q  <= '0;
      keyed_q <= 1'b0;
    end else if (clear_i) begin
      keys_q  <= '0;
      left_q  <= '0;
      keyed_q <= 1'b0;
    end else if (load_i) begin
      keys_q[10] <= key_i;
      rcon_q     <= 8'h01;
      left_q     <= 4'd10;
      keyed_q    <= 1'b0;
    end else if (left_q != '0) begin
      keys_q  <= {bolt_aes_pkg::next_key(keys_q[10], rcon_q), keys_q[10:1]};
      rcon_q  <= bolt_aes_pkg::next_rcon(rcon_q);
      left_q  <= left_q - 4'd1;
      keyed_q <= left_q == 4'd1;
    end
  end

  // at_q[n]: there is a block with n rounds done, n = 10 at the output. Unit u holds those of u * Interval to
  // (u + 1) * Interval - 1.
  logic [10:0]              at_q;
  logic [Units-1:0][127:0]  blocks_q, done;
  logic [127:0]             out_q;
  logic                     take;

  if (Interval > 1) begin : gen_shared
    assign ready_o = keyed_q && at_q[Interval-2:0] == '0;
  end else begin : gen_pipeline
    assign ready_o = keyed_q;
  end
  assign take = valid_i && ready_o;

  for (genvar u = 0; u < Units; u++) begin : gen_unit
    logic [127:0] round_key;
    always_comb begin
      round_key = '0;
      for (int unsigned n = u * Interval; n < (u + 1) * Interval; n++) begin
        round_key = round_key | (at_q[n] ? keys_q[n+1] : '0);
      end
    end
    assign done[u] = bolt_aes_pkg::round(blocks_q[u], round_key, u == Units - 1 && at_q[9]);
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      at_q    <= '0;
      blocks_q <= '0;
      out_q   <= '0;
    end else if (clear_i || load_i) begin
      at_q    <= '0;
      blocks_q <= '0;
      out_q   <= '0;
    end else begin
      at_q <= {at_q[9:0], take};
      for (int unsigned u = 0; u < Units; u++) begin
        if (u == 0 ? take : at_q[(u == 0) ? 0 : u*Interval-1]) begin
          blocks_q[u] <= (u == 0) ? block_i ^ keys_q[0] : done[(u == 0) ? 0 : u-1];
        end else begin
          blocks_q[u] <= done[u];
        end
      end
      if (at_q[9]) out_q <= done[Units-1];
    end
  end

  assign valid_o = at_q[10];
  assign block_o = out_q;

  if (Units != 1 && Units != 2 && Units != 5 && Units != 10) begin : gen_bad_units
    $error("bolt_aes: Units must be 1, 2, 5 or 10");
  end

endmodule
