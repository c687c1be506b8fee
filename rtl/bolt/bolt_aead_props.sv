// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What bolt_aead promises: no beat of a record to open before its tag was found right, none after a wrong
// one, and beats that stay until they are taken.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_aead_props (
  input logic         clk_i,
  input logic         rst_ni,
  input logic         clear_i,
  input logic         load_i,
  input logic         out_valid_o,
  input logic         out_ready_i,
  input logic [127:0] out_data_o,
  input logic         out_last_o,
  input logic         tag_ok_o,
  input logic         tag_bad_o,
  input logic         done,
  input logic         encrypts,
  input logic         ask,
  input logic         aes_ready,
  input logic         hash_valid,
  input logic         hash_ready,
  input logic         aes_come,
  input logic [127:0] tag,
  input logic [127:0] word
);

  // Records that may leave: those sealed and those whose tag, computed here, is what came.
  logic [7:0] free_q;
  logic       bad_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      free_q <= '0;
      bad_q  <= 1'b0;
    end else if (clear_i || load_i) begin
      free_q <= '0;
    end else begin
      free_q <= free_q + 8'(done && (encrypts || tag == word))
              - 8'(out_valid_o && out_ready_i && out_last_o);
      bad_q  <= bad_q || (done && !encrypts && tag != word);
    end
  end

  a_right: assert property (@(posedge clk_i) disable iff (!rst_ni) out_valid_o |-> free_q != '0);
  a_sticky: assert property (@(posedge clk_i) disable iff (!rst_ni) bad_q |-> !out_valid_o && !tag_ok_o);
  a_verdict: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (done && !encrypts && !clear_i && !load_i) |=> (tag_ok_o == !bad_q && tag_bad_o == bad_q));
  a_zero: assert property (@(posedge clk_i) disable iff (!rst_ni) !out_valid_o |-> out_data_o == '0);
  a_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (out_valid_o && !out_ready_i && !load_i) |=>
    (clear_i || bad_q || (out_valid_o && $stable(out_data_o) && $stable(out_last_o))));

  // The schedule leaves nobody waiting.
  a_asks: assert property (@(posedge clk_i) disable iff (!rst_ni) ask |-> aes_ready);
  a_hashes: assert property (@(posedge clk_i) disable iff (!rst_ni) (hash_valid && aes_come) |-> hash_ready);

endmodule

bind bolt_aead bolt_aead_props i_props (.*);
