// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Loads of all bins, and the choice between two of them.
//
// One request an access: the load of one bin is decremented, then those of x and y are compared, and that of
// the less loaded one (x where they are equal) is incremented. All of it is done whatever is masked:
// dec_en_i and inc_en_i only decide what is written. Where the chosen bin holds Slots already, full_o is set
// and nothing is incremented. The answer is there 6 cycles after valid_i, for a cycle; the next request may
// come with it. error_o (a cycle): a load of 0 was to be decremented; it stays. x and y may be one bin.
//
// After a reset all loads are zeroed (init_done_o).

module bolt_load_tab #(
  parameter  int unsigned Bins     = 512,
  localparam int unsigned BinWidth = $clog2(Bins)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  output logic                init_done_o,
  input  logic                valid_i,
  input  logic                dec_en_i,
  input  logic [BinWidth-1:0] dec_bin_i,
  input  logic                inc_en_i,
  input  logic [BinWidth-1:0] x_i,
  input  logic [BinWidth-1:0] y_i,
  output logic                valid_o,
  output logic                which_o,  // y was chosen
  output logic                full_o,   // and holds Slots
  output logic                error_o
);

  localparam int unsigned          LoadWidth = bolt_pkg::LoadWidth;
  localparam logic [LoadWidth-1:0] Slots     = LoadWidth'(bolt_pkg::Slots);

  logic                 init_q;
  logic [BinWidth-1:0]  sweep_q, dec_q, x_q, y_q, chosen;
  logic [5:0]           step_q;  // one bit of the steps after valid_i
  logic                 dec_en_q, inc_en_q, which_q, full_q, error_q;
  logic [LoadWidth-1:0] rdata, load_x_q, load;
  logic                 which;

  // Steps: 0 reads the old bin, 1 writes it, 2 reads x, 3 reads y, 4 chooses and writes.
  assign which  = rdata < load_x_q;
  assign load   = which ? rdata : load_x_q;
  assign chosen = which ? y_q : x_q;

  logic                 we;
  logic [BinWidth-1:0]  waddr, raddr;
  logic [LoadWidth-1:0] wdata;

  always_comb begin
    we    = init_q;
    waddr = sweep_q;
    wdata = '0;
    if (step_q[1]) begin
      we    = dec_en_q && rdata != '0;
      waddr = dec_q;
      wdata = rdata - LoadWidth'(1);
    end else if (step_q[4]) begin
      we    = inc_en_q && load < Slots;
      waddr = chosen;
      wdata = load + LoadWidth'(1);
    end
    raddr = step_q[0] ? dec_q : (step_q[2] ? x_q : y_q);
  end

  sram_1r1w #(
    .Width(LoadWidth),
    .Depth(Bins)
  ) i_loads (
    .clk_i,
    .rst_ni,
    .we_i   (we),
    .waddr_i(waddr),
    .wdata_i(wdata),
    .re_i   (step_q[0] || step_q[2] || step_q[3]),
    .raddr_i(raddr),
    .rdata_o(rdata)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      init_q   <= 1'b1;
      sweep_q  <= '0;
      step_q   <= '0;
      dec_en_q <= 1'b0;
      inc_en_q <= 1'b0;
      dec_q    <= '0;
      x_q      <= '0;
      y_q      <= '0;
      load_x_q <= '0;
      which_q  <= 1'b0;
      full_q   <= 1'b0;
      error_q  <= 1'b0;
    end else begin
      if (init_q) begin
        sweep_q <= sweep_q + BinWidth'(1);
        init_q  <= sweep_q != BinWidth'(Bins - 1);
      end
      step_q <= {step_q[4:0], valid_i};
      if (valid_i) begin
        dec_en_q <= dec_en_i;
        inc_en_q <= inc_en_i;
        dec_q    <= dec_bin_i;
        x_q      <= x_i;
        y_q      <= y_i;
      end
      error_q <= step_q[1] && dec_en_q && rdata == '0;
      if (step_q[3]) load_x_q <= rdata;
      if (step_q[4]) begin
        which_q <= which;
        full_q  <= load >= Slots;
      end
    end
  end

  assign init_done_o = !init_q;
  assign valid_o     = step_q[5];
  assign which_o     = which_q;
  assign full_o      = full_q;
  assign error_o     = error_q;

  if (Bins < 2) begin : gen_bad_bins
    $error("bolt_load_tab: Bins must be at least 2");
  end

endmodule
