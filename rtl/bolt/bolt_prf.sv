// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The two buckets of a key: SipHash-2-4 of its 4 bytes, then multiply and shift.
//
// With the hash's low half l and high half m and Buckets = n, a power of two: bucket0 = l * n >> 32,
// bucket1 = bucket0 + 1 + (m * (n - 1) >> 32) mod n, which is another one. start_i takes a key, if 9
// cycles at least after the last one; done_o comes 8 cycles later, whatever the key, and the buckets stay
// until the next start. hash_key_i is stable, its byte 0 the lowest. clear_i forgets.

module bolt_prf #(
  parameter int unsigned Buckets = 2048
) (
  input  logic                             clk_i,
  input  logic                             rst_ni,
  input  logic                             clear_i,
  input  logic [127:0]                     hash_key_i,
  input  logic                             start_i,
  input  logic [bolt_pkg::KeyWidth-1:0]    key_i,
  output logic                             done_o,
  output logic [bolt_pkg::BucketWidth-1:0] bucket0_o,
  output logic [bolt_pkg::BucketWidth-1:0] bucket1_o
);

  localparam int unsigned Width = 32 + bolt_pkg::BucketWidth;

  logic                             valid, ready, done_q;
  logic [63:0]                      hash;
  logic [Width-1:0]                 low, high;
  logic [bolt_pkg::BucketWidth-1:0] first, second, bucket0_q, bucket1_q;

  bolt_siphash i_hash (
    .clk_i, .rst_ni, .clear_i,
    .key_i  (hash_key_i),
    .valid_i(start_i), .ready_o(ready),
    .first_i(1'b1), .last_i(1'b1),
    .word_i ({8'd4, 24'd0, key_i}),
    .valid_o(valid), .hash_o(hash)
  );

  assign low    = Width'(hash[31:0]) * Width'(Buckets);
  assign high   = Width'(hash[63:32]) * Width'(Buckets - 1);
  assign first  = low[Width-1:32];
  assign second = (first + bolt_pkg::BucketWidth'(1) + high[Width-1:32]) &
                  bolt_pkg::BucketWidth'(Buckets - 1);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      done_q    <= 1'b0;
      bucket0_q <= '0;
      bucket1_q <= '0;
    end else if (clear_i) begin
      done_q    <= 1'b0;
      bucket0_q <= '0;
      bucket1_q <= '0;
    end else begin
      done_q <= valid;
      if (valid) begin
        bucket0_q <= first;
        bucket1_q <= second;
      end
    end
  end

  assign done_o    = done_q;
  assign bucket0_o = bucket0_q;
  assign bucket1_o = bucket1_q;

  logic unused;
  assign unused = ready ^ ^low[31:0] ^ ^high[31:0];

  if (Buckets < 2 || 2 ** $clog2(Buckets) != Buckets ||
      $clog2(Buckets) > bolt_pkg::BucketWidth) begin : gen_bad_buckets
    $error("bolt_prf: Buckets must be a power of two from 2 to 2^24");
  end

endmodule
