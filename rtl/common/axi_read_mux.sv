// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Several readers on one AXI4 read port.
//
// Addresses are taken in turn, one register behind; the identifier of a burst is the number of its reader,
// and answers go where their identifier says, in any order between readers. It does not count bursts.
// There is no backpressure on answers: every reader must have room for what it asked for.

module axi_read_mux #(
  parameter  int unsigned Readers   = 3,
  parameter  int unsigned AddrWidth = 64,
  localparam int unsigned IdWidth   = (Readers > 1) ? $clog2(Readers) : 1
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  // Readers
  input  logic [Readers-1:0]                  ar_valid_i,
  output logic [Readers-1:0]                  ar_ready_o,
  input  logic [Readers-1:0][AddrWidth-1:0]   ar_addr_i,
  input  logic [Readers-1:0][7:0]             ar_len_i,
  output logic [Readers-1:0]                  r_valid_o,
  // AXI4
  output logic                                ar_valid_o,
  input  logic                                ar_ready_i,
  output logic [IdWidth-1:0]                  ar_id_o,
  output logic [AddrWidth-1:0]                ar_addr_o,
  output logic [7:0]                          ar_len_o,
  input  logic                                r_valid_i,
  input  logic [IdWidth-1:0]                  r_id_i
);

  logic                 valid_q;
  logic [IdWidth-1:0]   id_q;  // of the reader taken last
  logic [AddrWidth-1:0] addr_q;
  logic [7:0]           len_q;

  // The next reader that asks, those after the last one first.
  logic               free, found;
  logic [IdWidth-1:0] next;

  assign free = !valid_q || ar_ready_i;

  always_comb begin
    found = 1'b0;
    next  = '0;
    for (int unsigned i = 0; i < Readers; i++) begin
      if (!found && ar_valid_i[i] && IdWidth'(i) > id_q) begin
        found = 1'b1;
        next  = IdWidth'(i);
      end
    end
    for (int unsigned i = 0; i < Readers; i++) begin
      if (!found && ar_valid_i[i]) begin
        found = 1'b1;
        next  = IdWidth'(i);
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      id_q    <= '0;
      addr_q  <= '0;
      len_q   <= '0;
    end else if (free) begin
      valid_q <= found;
      if (found) begin
        id_q   <= next;
        addr_q <= ar_addr_i[next];
        len_q  <= ar_len_i[next];
      end
    end
  end

  for (genvar i = 0; i < Readers; i++) begin : gen_reader
    assign ar_ready_o[i] = free && found && next == IdWidth'(i);
    assign r_valid_o[i]  = r_valid_i && r_id_i == IdWidth'(i);
  end

  assign ar_valid_o = valid_q;
  assign ar_id_o    = id_q;
  assign ar_addr_o  = addr_q;
  assign ar_len_o   = len_q;

  if (Readers < 1) begin : gen_bad_readers
    $error("axi_read_mux: Readers must be at least 1");
  end

endmodule
