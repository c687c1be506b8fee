// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Loads of all bins: how many live keys each has, on its page or in HBM and waiting for its page.
//
// One request at a time, the next one two cycles later at the earliest: dec_i takes one from a load, inc_i
// adds one, read_i gives both loads of a pair two cycles later (loads_valid_o, for a cycle; loads_o stays
// until the next request). A request that is masked (*_en_i not set) takes as long and changes nothing, or
// reads 0. error_o: a load of 0 was to be decremented, or one of Slots incremented; it stays as it was.
//
// After a reset all loads are zeroed (init_done_o).

module bolt_load_tab #(
  parameter int unsigned Bins = 512
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  output logic                                init_done_o,
  /* verilator lint_off UNUSEDSIGNAL */  // upper bits of numbers: the package's widths are for the largest
  input  logic                                dec_i,
  input  logic                                dec_en_i,
  input  logic [bolt_pkg::BinWidth-1:0]       dec_bin_i,
  input  logic                                read_i,
  input  logic                                read_en_i,
  input  bolt_pkg::pair_t                     read_pair_i,
  output logic                                loads_valid_o,
  output logic [1:0][bolt_pkg::LoadWidth-1:0] loads_o,  // 0: of x, 1: of y
  input  logic                                inc_i,
  input  logic                                inc_en_i,
  input  logic [bolt_pkg::BinWidth-1:0]       inc_bin_i,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic                                error_o
);

  localparam int unsigned LoadWidth = bolt_pkg::LoadWidth;
  localparam int unsigned AddrWidth = $clog2(Bins);

  logic                 init_q, dec_q, inc_q, read_q, valid_q, en_q, error_q, bad;
  logic [AddrWidth-1:0] sweep_q, bin_q, raddr;  // bin_q: of the change under way, or y
  logic [LoadWidth-1:0] rdata, wdata, first_q;

  always_comb begin
    raddr = bin_q;
    if (dec_i)       raddr = AddrWidth'(dec_bin_i);
    else if (inc_i)  raddr = AddrWidth'(inc_bin_i);
    else if (read_i) raddr = AddrWidth'(read_pair_i.x);
  end

  always_comb begin
    wdata = '0;
    if (dec_q)      wdata = rdata - LoadWidth'(1);
    else if (inc_q) wdata = rdata + LoadWidth'(1);
  end

  assign bad = (dec_q && rdata == '0) || (inc_q && rdata >= LoadWidth'(bolt_pkg::Slots));

  sram_1r1w #(
    .Width(LoadWidth),
    .Depth(Bins)
  ) i_loads (
    .clk_i,
    .rst_ni,
    .we_i   (init_q || ((dec_q || inc_q) && en_q && !bad)),
    .waddr_i(init_q ? sweep_q : bin_q),
    .wdata_i(wdata),
    .re_i   (dec_i || inc_i || read_i || read_q),
    .raddr_i(raddr),
    .rdata_o(rdata)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      init_q  <= 1'b1;
      sweep_q <= '0;
      dec_q   <= 1'b0;
      inc_q   <= 1'b0;
      read_q  <= 1'b0;
      valid_q <= 1'b0;
      en_q    <= 1'b0;
      error_q <= 1'b0;
      bin_q   <= '0;
      first_q <= '0;
    end else begin
      if (init_q) begin
        sweep_q <= sweep_q + AddrWidth'(1);
        init_q  <= sweep_q != AddrWidth'(Bins - 1);
      end
      dec_q   <= dec_i;
      inc_q   <= inc_i;
      read_q  <= read_i;
      valid_q <= read_q;
      error_q <= en_q && bad;
      if (dec_i) begin
        en_q  <= dec_en_i;
        bin_q <= AddrWidth'(dec_bin_i);
      end else if (inc_i) begin
        en_q  <= inc_en_i;
        bin_q <= AddrWidth'(inc_bin_i);
      end else if (read_i) begin
        en_q  <= read_en_i;
        bin_q <= AddrWidth'(read_pair_i.y);
      end
      if (read_q) first_q <= rdata;
    end
  end

  assign init_done_o   = !init_q;
  assign loads_valid_o = valid_q;
  assign loads_o       = en_q ? {rdata, first_q} : '0;
  assign error_o       = error_q;

  if (Bins < 2) begin : gen_bad_bins
    $error("bolt_load_tab: Bins must be at least 2");
  end

endmodule
