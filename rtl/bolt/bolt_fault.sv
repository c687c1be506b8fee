// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Whether something went wrong that cannot: then all work ends, until reset.
//
// The first of events_i (bit c: code c of fault_e; the lowest where several come at once) stays as code_o,
// and fault_o with it. It stops the issue of commands and of host traffic, zeroes keys and values, and is
// what every command is answered with from then on. Bit 0 is not an event.

module bolt_fault #(
  parameter int unsigned Codes = 10
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [Codes-1:1] events_i,
  output logic             fault_o,
  output bolt_pkg::fault_e code_o
);

  logic [3:0] code, code_q;
  logic       fault_q;

  always_comb begin
    code = 4'd0;
    for (int unsigned c = Codes - 1; c > 0; c--) begin
      if (events_i[c]) code = 4'(c);
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      fault_q <= 1'b0;
      code_q  <= '0;
    end else if (!fault_q && events_i != '0) begin
      fault_q <= 1'b1;
      code_q  <= code;
    end
  end

  assign fault_o = fault_q;
  assign code_o  = bolt_pkg::fault_e'(code_q);

  if (Codes < 2 || Codes > 16) begin : gen_bad_codes
    $error("bolt_fault: Codes must be 2..16");
  end

endmodule
